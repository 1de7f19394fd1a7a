"""Run a model that mmpose-integral export has written: joints in millimetres from a photo, without torch and mmpose.

This file needs only numpy, opencv and onnxruntime and may be copied to the .onnx file:

    python onnx_runtime.py model.onnx photo.jpg --bbox 10 20 210 420

Input size, units and joints are read from the .onnx file. Frames: image px --crop--> input px --graph--> normalised
--> image px, z in the same px --> mm, root at the origin. The EXIF orientation of the photo is applied first; boxes
and px refer to the rotated photo.
"""
import argparse
import json
import math
import os
import sys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

METADATA_KEY = 'mmpose_integral'
FORMAT_VERSION = 4  # version of the facts in the metadata; a runtime accepts its own version only
FACTS = ('input_size', 'padding', 'unit', 'offset', 'metric_depth', 'score_factor', 'std_factors', 'joints', 'parents',
         'flip_indices', 'flip_x', 'flip_test', 'bone_length', 'camera_model')
SCORE_RADIUS_MM = 75.0  # a calibrated score is the probability that the error is not above this limit
FIELD_OF_VIEW_DEG = 55.0  # across the longer side of a picture without a known focal length
BONE_LENGTH_LIMITS_MM = (500, 20000)  # an adult has about 4500 mm
MAX_SIDES = 10  # largest side of a box, divided by the longer side of the picture
MIN_SHOWN_PX = 0.99  # least width and height of a box within the picture
WHOLE_IMAGE = 'whole_image'
CHUNK = 16  # largest number of people per run of the graph, which bounds its memory


def read_facts(metadata: dict[str, str], path: str) -> dict:
    """Read all ``FACTS``, and any further entries, from the metadata of the .onnx file ``path``.

    Raises:
        ValueError: If mmpose-integral export did not write them, they are damaged, or the format is another one.
    """
    remedy = 'export it with mmpose-integral export'
    if METADATA_KEY not in metadata:
        raise ValueError(f'{path}: its metadata has no {METADATA_KEY!r}, so units and joints are unknown; {remedy}')
    try:
        facts = json.loads(metadata[METADATA_KEY])
        version = facts['format_version']
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'{path}: its metadata {METADATA_KEY!r} is damaged ({error!r}); {remedy} again') from error
    if version != FORMAT_VERSION:
        raise ValueError(f'{path}: format {version}, this onnx_runtime.py reads format {FORMAT_VERSION}; use the '
                         'onnx_runtime.py of the release that exported it')
    absent = [name for name in FACTS if name not in facts]
    if absent:
        raise ValueError(f'{path}: its metadata lacks {", ".join(absent)}; {remedy} again')
    try:
        check_facts(facts)
    except (ValueError, TypeError) as error:
        raise ValueError(f'{path}: its metadata {METADATA_KEY!r} is damaged ({error}); {remedy} again') from error
    return facts


def check_facts(facts: dict) -> None:
    """Raise ValueError or TypeError if numbers or joints in the metadata are of another kind or number."""
    count = len(facts['joints'])
    shapes = dict(input_size=(2, ), unit=(3, ), offset=(3, ), padding=(), score_factor=(), flip_x=(), bone_length=(),
                  parents=(count, ), flip_indices=(count, ))
    if facts['std_factors'] is not None:
        shapes['std_factors'] = (count, 3)
    for name, shape in shapes.items():
        values = np.asarray(facts[name])
        if values.shape != shape or values.dtype.kind not in 'if' or not np.isfinite(values).all():
            raise ValueError(f'{name} {str(facts[name])[:80]}: finite numbers of shape {shape} expected')
    for name in ('parents', 'flip_indices'):
        if not set(facts[name]) <= set(range(count)):
            raise ValueError(f'{name}: numbers of the {count} joints expected')


def read_image(image: np.ndarray | str | os.PathLike) -> np.ndarray:
    """Read a picture file, with its EXIF orientation applied, or check an array; (H, W, 3) uint8 BGR.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no complete picture, or the array has another shape or type.
    """
    if isinstance(image, str | os.PathLike):
        path = os.fspath(image)
        if not os.path.isfile(path):
            raise FileNotFoundError(f'{path}: no such file, or no regular one')
        # Of an incomplete JPEG file, imread returns a picture that is partly grey; imdecode refuses it.
        content = np.fromfile(path, dtype=np.uint8)
        try:
            pixels = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
        except cv2.error:  # as of a file that declares a huge picture
            pixels = None
        if pixels is None:
            raise ValueError(f'{path} cannot be decoded as an image')
        return pixels
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise ValueError(f'image: (H, W, 3) uint8 BGR or a file name expected, got {pixels.shape} {pixels.dtype}')
    return pixels


def read_boxes(bboxes: ArrayLike | None, width: int, height: int) -> np.ndarray:
    """Check the boxes of a picture of ``width`` x ``height`` px, and add missing scores.

    The check is a copy of ``mmpose_integral.formats.boxes.usable_boxes``.

    Args:
        bboxes: (N, 4) x1, y1, x2, y2 px, or (N, 5) with scores, or 'whole_image'.

    Returns:
        (N, 5) float32; the score is 1 where none is given. N may be 0.

    Raises:
        ValueError: If there are no boxes, the shape is another one, or a box is empty, outside the picture or far too
            large.
    """
    if isinstance(bboxes, str) and bboxes == WHOLE_IMAGE:
        return np.array([[0, 0, width, height, 1]], dtype=np.float32)
    if bboxes is None or isinstance(bboxes, str):
        raise ValueError(f'bboxes: (N, 4) x1, y1, x2, y2 px or {WHOLE_IMAGE!r} expected, got {bboxes!r}; a place is '
                         'never guessed')
    boxes = np.asarray(bboxes, dtype=np.float32)
    boxes = np.atleast_2d(boxes) if boxes.size else np.zeros((0, 5), dtype=np.float32)
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 5):
        raise ValueError(f'bboxes: shape (N, 4), x1, y1, x2, y2 px, or (N, 5) with scores, expected, got {boxes.shape}')
    with np.errstate(invalid='ignore'):
        shown = np.minimum(boxes[:, 2:4], (width, height)) - np.maximum(boxes[:, :2], 0)
        small = boxes[:, 2:4] - boxes[:, :2] <= MAX_SIDES * max(width, height)
    good = (shown >= MIN_SHOWN_PX).all(axis=1) & small.all(axis=1) & np.isfinite(boxes).all(axis=1)
    if not good.all():
        index = np.argmin(good)
        raise ValueError(f'bboxes[{index}] = {boxes[index].tolist()}: x1 < x2 and y1 < y2, at least 1 px within the '
                         f'picture of {width}x{height} px and no side above {MAX_SIDES:g} times its longer side, '
                         'expected')
    return boxes if boxes.shape[1] == 5 else np.pad(boxes, ((0, 0), (0, 1)), constant_values=1)


def cut_crop(image: np.ndarray, box: np.ndarray, padding: float,
             input_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crop a picture to a box and resize the crop; it is black outside the picture.

    Args:
        image: (h, w, 3) uint8 picture.
        box: (4,) float32 x1, y1, x2, y2 px; its centre is mapped to the middle of the crop, (W / 2, H / 2).
        padding: Factor by which both sides are enlarged. The shorter one is then extended to the input's aspect ratio.
        input_size: (W, H) of the crop, px.

    Returns:
        Crop (H, W, 3), and centre and size of its part of the picture, (2,) float32 px each.
    """
    aspect, middle = input_size[0] / input_size[1], (input_size[0] * 0.5, input_size[1] * 0.5)
    center = (box[2:] + box[:2]) * 0.5
    # Arrays of one element stay float32, as in the training's transform; the crops are identical to the last bit.
    width, height = np.split((box[2:] - box[:2]) * padding, 2)
    size = np.concatenate([width, width / aspect] if width > height * aspect else [height * aspect, height])
    # the centre, the middle of the left edge, and a third point at a right angle to them
    source = np.array([center, [center[0] - float(size[0]) * 0.5, center[1]], [0, 0]], dtype=np.float32)
    target = np.array([middle, [0, middle[1]], [0, 0]], dtype=np.float32)
    for points in (source, target):
        x, y = points[0] - points[1]
        points[2] = points[1] + np.array([-y, x])
    crop = cv2.warpAffine(image, cv2.getAffineTransform(source, target), input_size, flags=cv2.INTER_LINEAR)
    return crop, center, size


def mm_per_px_of_depth(points: np.ndarray, parents: list[int], bone_length: float,
                       largest_depth_px: float) -> np.ndarray:
    """Scale (N,) at which poses (N, K, 3), x and y in px and z in mm, have a total bone length.

    This is a copy of ``mmpose_integral.structures.bone_length.mm_per_px_of_depth``, which explains it.
    """
    squares = np.square(points - points[:, parents])
    flat, deep = squares[..., :2].sum(axis=-1), squares[..., 2]
    extent = np.sqrt(flat).sum(axis=-1)
    smallest = np.abs(points[..., 2]).max(axis=-1) / largest_depth_px
    scale = bone_length / np.where(extent > 0, extent, 1)
    for _ in range(12):
        bones = np.sqrt(np.square(scale)[:, None] * flat + deep)
        slope = scale * np.divide(flat, bones, out=np.zeros_like(bones), where=bones > 0).sum(axis=-1)
        step = (bones.sum(axis=-1) - bone_length) / np.where(extent > 0, slope, 1)
        scale = np.maximum(scale - step, smallest)
    return np.where(extent > 0, scale, np.inf)


def px_to_mm(keypoints: np.ndarray, bone_length: np.ndarray, parents: list[int],
             intrinsics: Sequence[float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Convert poses (N, K, 3) from px to mm, root at the origin, and return them with their mm per px (N,).

    This is a copy of ``mmpose_integral.evaluation.functional.px_to_mm``. ``intrinsics``, focal length and principal
    point x, y, px, are for a model whose labels were made by perspective cameras.

    Raises:
        ValueError: If a skeleton has zero or non-finite length.
    """
    if intrinsics is not None:  # to px at the depth of the root, as an orthographic camera sees them
        depth = 1 + keypoints[..., 2:] / intrinsics[0]
        xy = (keypoints[..., :2] - intrinsics[1:]) * depth
        keypoints = np.concatenate([xy, keypoints[..., 2:]], axis=-1)
    # The root is its own parent and adds no length.
    length = np.linalg.norm(keypoints - keypoints[:, parents], axis=-1).sum(axis=-1)
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)))
    if bad.size:
        raise ValueError(f'bboxes[{bad[0]}]: the predicted skeleton has length {length[bad[0]]}; an untrained model?')
    root = parents.index(0)
    mm_per_px = bone_length / length
    return (keypoints - keypoints[:, root:root + 1]) * mm_per_px[:, None, None], mm_per_px


def probability_within(std_mm: np.ndarray) -> np.ndarray:
    """Compute the probability (N, K) of errors up to ``SCORE_RADIUS_MM`` from standard deviations (N, K, 3), mm.

    The squared distance is about a chi-square variable (Satterthwaite), and its cube root normal (Wilson and Hilferty).
    """
    variance = np.square(std_mm)
    mean = variance.sum(-1)
    spread = 2 / 9 * np.square(variance / mean[..., None]).sum(-1)
    deviations = (np.cbrt(SCORE_RADIUS_MM**2 / mean) - 1 + spread) / np.sqrt(2 * spread)
    return (1 + np.vectorize(math.erf, otypes=[float])(deviations)) / 2


class OnnxIntegralPose:
    """An exported model, with its ``facts`` (see ``docs/export.md``) and the names of its ``joints`` as attributes.

    Args:
        path: .onnx file of mmpose-integral export.
        providers: Execution providers of onnxruntime; the CPU by default.
        threads: Number of CPU threads; chosen by onnxruntime by default.

    Raises:
        ImportError: If onnxruntime is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not an exported model, see :func:`read_facts`.
    """

    def __init__(self, path: str | os.PathLike, providers: list | None = None, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError('OnnxIntegralPose needs onnxruntime; `pip install onnxruntime`') from error
        path = os.fspath(path)
        if not os.path.isfile(path):
            raise FileNotFoundError(f'{path}: no such file, or no regular one')
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        # The exceptions of onnxruntime have no common class other than Exception in all versions.
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers or ['CPUExecutionProvider'])
        except Exception as error:
            raise ValueError(f'{path}: onnxruntime {onnxruntime.__version__} cannot load it ({error})') from error
        self.facts = read_facts(self.session.get_modelmeta().custom_metadata_map, path)
        self.input_size: tuple[int, int] = tuple(self.facts['input_size'])
        self.joints: tuple[str, ...] = tuple(self.facts['joints'])
        shape = list(self.session.get_inputs()[0].shape)
        if shape[1:] != [3, *self.input_size[::-1]]:
            raise ValueError(f'{path}: its input is {shape}, its metadata says {self.input_size} (W, H); export it '
                             'with mmpose-integral export again')

    def __call__(self, image: np.ndarray | str | os.PathLike, bboxes: ArrayLike | None,
                 bone_length: ArrayLike | None = None, flip_test: bool | None = None,
                 focal_length: float | None = None) -> list[dict]:
        """Predict the joints of the people in a picture.

        Args:
            image: (H, W, 3) uint8 BGR picture, or a file.
            bboxes: (N, 4) x1, y1, x2, y2 px per person, (N, 5) with scores, or 'whole_image'.
            bone_length: Total skeleton length, mm, of all people, or (N,) one per person; by default the value in the
                file.
            flip_test: Whether to average with the mirrored crops; by default the setting of the model's config.
            focal_length: Focal length of the picture, px, for a model whose labels were made by perspective cameras;
                by default that of a field of view of 55 degrees across the longer side. Other models ignore it.

        Returns:
            One dict per person: ``keypoints`` (K, 3) mm, camera axes (x right, y down, z away), root at the origin;
            ``keypoints_2d`` (K, 2) px; ``keypoint_scores`` (K,), 1 for models without an uncertainty; ``keypoint_std``
            (K, 3) mm for models with one; ``bbox`` (1, 4) px and ``bbox_score``; ``bone_length`` mm.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If picture, boxes, bone length or focal length are invalid, or a skeleton has length zero.
        """
        pixels = read_image(image)
        boxes = read_boxes(bboxes, pixels.shape[1], pixels.shape[0])
        lengths = np.asarray(self.facts['bone_length'] if bone_length is None else bone_length, dtype=np.float64)
        low, high = BONE_LENGTH_LIMITS_MM
        if lengths.shape not in ((), (len(boxes), )) or not ((low <= lengths) & (lengths <= high)).all():
            raise ValueError(f'bone_length: mm, {low} to {high} (an adult has about 4500), or one for each of '
                             f'{len(boxes)} people, expected, got {lengths.tolist()}')
        if not len(boxes):
            return []
        crops, centers, sizes = map(np.stack, zip(*(
            cut_crop(pixels, box, self.facts['padding'], self.input_size) for box in boxes[:, :4]), strict=True))
        flip_test = self.facts['flip_test'] if flip_test is None else flip_test
        chunks = [self.predict(crops[start:start + CHUNK].transpose(0, 3, 1, 2).astype(np.float32), flip_test)
                  for start in range(0, len(boxes), CHUNK)]
        xyz, *stds = map(np.concatenate, zip(*chunks, strict=True))
        # normalised -> image px -> mm
        centred, unit = xyz - np.array(self.facts['offset']), np.tile(self.facts['unit'], (len(boxes), 1, 1))
        if self.facts['metric_depth'] is not None:  # the unit of z is mm so far
            unit[..., 2] /= mm_per_px_of_depth(centred * unit, self.facts['parents'],
                                               **self.facts['metric_depth'])[:, None]
        unit = unit * (sizes[:, None, :1].astype(np.float64) / self.input_size[0])
        points = centred * unit
        lengths = np.broadcast_to(lengths, len(boxes))
        points[..., :2] += (centers - sizes * 0.5)[:, None]
        intrinsics = None
        if self.facts['camera_model'] == 'perspective':
            height, width = pixels.shape[:2]
            assumed = max(width, height) / 2 / np.tan(np.radians(FIELD_OF_VIEW_DEG / 2))
            focal_length = assumed if focal_length is None else float(focal_length)
            if not 0 < focal_length < math.inf:
                raise ValueError(f'focal_length: a positive number of px expected, got {focal_length}')
            intrinsics = [focal_length, (width - 1) / 2, (height - 1) / 2]
        keypoints, mm_per_px = px_to_mm(points, lengths, self.facts['parents'], intrinsics)
        people = dict(keypoints=keypoints, keypoints_2d=points[..., :2],
                      keypoint_scores=np.ones(points.shape[:2]), bbox=boxes[:, None, :4])
        for std in stds:
            people['keypoint_scores'] = np.exp(-self.facts['score_factor'] * std.mean(-1)**2)
            people['keypoint_std'] = std * unit * mm_per_px[:, None, None]
            if self.facts['std_factors'] is not None:
                people['keypoint_std'] *= self.facts['std_factors']
                # Scores do not depend on the given lengths and focal length, but on the size of an average person.
                average = np.full(len(boxes), self.facts['bone_length'])
                scale = px_to_mm(points, average, self.facts['parents'])[1] / mm_per_px
                people['keypoint_scores'] = probability_within(people['keypoint_std'] * scale[:, None, None])
        return [dict({name: values[row] for name, values in people.items()}, bbox_score=float(boxes[row, 4]),
                     bone_length=float(lengths[row])) for row in range(len(boxes))]

    def predict(self, crops: np.ndarray, flip_test: bool = False) -> list[np.ndarray]:
        """Run the graph on crops, (B, 3, H, W) float32, channels B, G, R from 0 to 255; ``flip_test`` as in a call.

        Returns:
            ``xyz`` (B, K, 3), normalised, and a second array ``std`` of the same kind for models with an uncertainty.
        """
        name = self.session.get_inputs()[0].name
        outputs = self.session.run(None, {name: crops})
        if flip_test:
            mirrored = self.session.run(None, {name: np.ascontiguousarray(crops[..., ::-1])})
            mirrored = [output[:, self.facts['flip_indices']] for output in mirrored]
            mirrored[0][..., 0] = self.facts['flip_x'] - mirrored[0][..., 0]
            spread = np.square(outputs[0] - mirrored[0]) / 4  # variance of the two means
            outputs = [(outputs[0] + mirrored[0]) / 2, *(
                np.sqrt((np.square(plain) + np.square(other)) / 2 + spread)
                for plain, other in zip(outputs[1:], mirrored[1:], strict=True))]
        return outputs


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help='.onnx file of mmpose-integral export')
    parser.add_argument('image', help='photo')
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument('--bbox', type=float, nargs=4, action='append', metavar='PX',
                       help='x1 y1 x2 y2 of a person; give it again for each further one')
    where.add_argument('--whole-image', action='store_true', help='the person fills the photo')
    parser.add_argument('--bone-length', type=float, metavar='MM', help='total skeleton length')
    parser.add_argument('--flip-test', action=argparse.BooleanOptionalAction, help="default: as in the model's config")
    args = parser.parse_args(argv)
    try:
        model = OnnxIntegralPose(args.model)
        people = model(args.image, WHOLE_IMAGE if args.whole_image else args.bbox, args.bone_length, args.flip_test)
    except (OSError, ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    plain = [{name: np.round(value, 4).tolist() for name, value in person.items()} for person in people]
    print(json.dumps(dict(keypoint_names=model.joints, instances=plain)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
