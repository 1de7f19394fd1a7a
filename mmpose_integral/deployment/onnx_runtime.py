"""Run a model that tools/export.py has written: joints in millimetres from a photo, without torch and mmpose.

This file needs only numpy, opencv and onnxruntime and may be copied to the .onnx file:

    python onnx_runtime.py model.onnx photo.jpg --bbox 10 20 210 420

Input size, units and joints are read from the .onnx file. Frames: image px --crop--> input px --graph--> normalised
--> image px, z in the same px --> mm, root at the origin. The EXIF orientation of the photo is applied first; boxes
and px refer to the rotated photo.
"""
import argparse
import json
import os
import sys

import cv2
import numpy as np

METADATA_KEY = 'mmpose_integral'
FORMAT_VERSION = 1
FACTS = ('input_size', 'padding', 'unit', 'offset', 'score_factor', 'joints', 'parents', 'flip_indices', 'flip_x',
         'flip_test', 'bone_length')
WHOLE_IMAGE = 'whole_image'
CHUNK = 16
"""Largest number of people per run of the graph, which bounds its memory."""


def read_facts(metadata: dict[str, str], path: str) -> dict:
    """Read all ``FACTS``, and any further entries, from the metadata of the .onnx file ``path``.

    Raises:
        ValueError: If tools/export.py did not write them, they are damaged, or the format is another one.
    """
    remedy = 'export it with tools/export.py'
    if METADATA_KEY not in metadata:
        raise ValueError(f'{path}: its metadata has no {METADATA_KEY!r}, so units and joints are unknown; {remedy}')
    try:
        facts = json.loads(metadata[METADATA_KEY])
        version = facts['format_version']
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: its metadata {METADATA_KEY!r} is damaged ({error!r}); {remedy} again') from error
    if version != FORMAT_VERSION:
        raise ValueError(f'{path}: format {version}, this onnx_runtime.py reads format {FORMAT_VERSION}; take the '
                         'onnx_runtime.py of the release that exported it')
    lacking = [name for name in FACTS if name not in facts]
    if lacking:
        raise ValueError(f'{path}: its metadata lacks {", ".join(lacking)}; {remedy} again')
    return facts


def read_image(image: np.ndarray | str | os.PathLike) -> np.ndarray:
    """Read a picture file, with its EXIF orientation applied, or check an array; (H, W, 3) uint8 BGR.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no picture, or the array has another shape or type.
    """
    if isinstance(image, str | os.PathLike):
        if not os.path.isfile(image):
            raise FileNotFoundError(f'{os.fspath(image)}: no such file')
        pixels = cv2.imread(os.fspath(image), cv2.IMREAD_COLOR)
        if pixels is None:
            raise ValueError(f'{os.fspath(image)} cannot be decoded as an image')
        return pixels
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f'image: (H, W, 3) uint8 BGR or a file name expected, got {image.shape} {image.dtype}')
    return image


def read_boxes(bboxes, width: int, height: int) -> np.ndarray:
    """Check boxes and add missing scores.

    Args:
        bboxes (array-like | str): (N, 4) x1, y1, x2, y2 px, or (N, 5) with scores, or 'whole_image'.
        width: Width of the picture, px.
        height: Height of the picture, px.

    Returns:
        (N, 5) float32; the score is 1 where none is given. N may be 0.

    Raises:
        ValueError: If there are no boxes, the shape is another one, or a box is empty or outside the picture.
    """
    if isinstance(bboxes, str) and bboxes == WHOLE_IMAGE:
        return np.array([[0, 0, width, height, 1]], dtype=np.float32)
    if bboxes is None or isinstance(bboxes, str):
        raise ValueError(f'bboxes: (N, 4) x1, y1, x2, y2 px or {WHOLE_IMAGE!r} expected, got {bboxes!r}; a place is '
                         'never guessed')
    boxes = np.asarray(bboxes, dtype=np.float32)
    if boxes.size == 0:
        return np.zeros((0, 5), dtype=np.float32)
    boxes = boxes[None] if boxes.ndim == 1 else boxes
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 5):
        raise ValueError(f'bboxes: shape (N, 4), x1, y1, x2, y2 px, or (N, 5) with scores, expected, got {boxes.shape}')
    shown = np.maximum(boxes[:, :2], 0) < np.minimum(boxes[:, 2:4], (width, height))
    good = shown.all(axis=1) & np.isfinite(boxes).all(axis=1)
    if not good.all():
        index = int(np.argmin(good))
        raise ValueError(f'bboxes[{index}] = {boxes[index].tolist()}: x1 < x2 and y1 < y2 within the picture of '
                         f'{width}x{height} px expected')
    return boxes if boxes.shape[1] == 5 else np.pad(boxes, ((0, 0), (0, 1)), constant_values=1)


def crop_window(box: np.ndarray, padding: float, aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size of the crop: the padded box, with its shorter side extended to the input's aspect ratio.

    Args:
        box: (4,) float32 x1, y1, x2, y2 px.
        padding: Factor by which both sides are enlarged.
        aspect: Width over height of the input.

    Returns:
        Centre and size, (2,) float32 x, y px each.
    """
    center = (box[2:] + box[:2]) * 0.5
    # Arrays of one element stay float32, as in the training's transform; the crops are identical to the last bit.
    width, height = np.split((box[2:] - box[:2]) * padding, 2)
    wide = width > height * aspect
    return center, np.concatenate([width, width / aspect] if wide else [height * aspect, height])


def cut_crop(image: np.ndarray, center: np.ndarray, size: np.ndarray, input_size: tuple[int, int]) -> np.ndarray:
    """Crop a picture and resize the crop to ``input_size``, (W, H) px; it is black outside the picture.

    Args:
        image: (h, w, 3) uint8 picture.
        center: (2,) px; it is mapped to the middle of the crop, (W / 2, H / 2).
        size: (2,) px, with the aspect ratio of the input.
    """
    width, height = input_size
    middle, half = np.array([width * 0.5, height * 0.5]), float(size[0]) * 0.5
    # the centre, the middle of the left edge, and a third point at a right angle to them
    source = np.float32([center, [center[0] - half, center[1]], [0, 0]])
    target = np.float32([middle, [0, middle[1]], [0, 0]])
    for points in (source, target):
        across = points[0] - points[1]
        points[2] = points[1] + np.array([-across[1], across[0]])
    matrix = cv2.getAffineTransform(source, target)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)


class OnnxIntegralPose:
    """An exported model.

    Attributes:
        facts (dict): Facts from the file; ``docs/export.md`` lists them.
        joints (tuple[str]): Names of the joints, in the order of the results.

    Args:
        path: .onnx file of tools/export.py.
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
            raise FileNotFoundError(f'{path}: no such file')
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        # The exceptions of onnxruntime have no common class other than Exception in all versions.
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers or ['CPUExecutionProvider'])
        except Exception as error:
            raise ValueError(f'{path}: onnxruntime {onnxruntime.__version__} cannot load it ({error})') from error
        self.facts = read_facts(self.session.get_modelmeta().custom_metadata_map, path)
        self.input_size = tuple(self.facts['input_size'])
        self.joints = tuple(self.facts['joints'])
        shape = list(self.session.get_inputs()[0].shape)
        if shape[1:] != [3, self.input_size[1], self.input_size[0]]:
            raise ValueError(f'{path}: its input is {shape}, its metadata says {self.input_size} (W, H); export it '
                             'with tools/export.py again')

    def __call__(self, image: np.ndarray | str | os.PathLike, bboxes, bone_length=None,
                 flip_test: bool | None = None) -> list[dict]:
        """Predict the joints of the people in a picture.

        Args:
            image: (H, W, 3) uint8 BGR picture, or a file.
            bboxes (array-like | str): (N, 4) x1, y1, x2, y2 px per person, (N, 5) with scores, or 'whole_image'.
            bone_length (float | array-like, optional): Total skeleton length, mm, of all people, or (N,) one per
                person; by default the value in the file.
            flip_test: Whether to average with the mirrored crops; by default the setting of the model's config.

        Returns:
            One dict per person: ``keypoints`` (K, 3) mm, camera axes (x right, y down, z away), root at the origin;
            ``keypoints_2d`` (K, 2) px; ``keypoint_scores`` (K,), 1 for models without an uncertainty; ``keypoint_std``
            (K, 3) mm for models with one; ``bbox`` (1, 4) px and ``bbox_score``; ``bone_length`` mm.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If picture, boxes or bone length are invalid, or a skeleton has length zero.
        """
        image = read_image(image)
        boxes = read_boxes(bboxes, image.shape[1], image.shape[0])
        lengths = self._lengths(bone_length, len(boxes))
        flip_test = self.facts['flip_test'] if flip_test is None else flip_test
        aspect = self.input_size[0] / self.input_size[1]
        windows = [crop_window(box[:4], self.facts['padding'], aspect) for box in boxes]
        people = []
        for start in range(0, len(boxes), CHUNK):
            chunk = windows[start:start + CHUNK]
            crops = np.stack([cut_crop(image, *window, self.input_size) for window in chunk])
            xyz, std = self.predict(crops.transpose(0, 3, 1, 2).astype(np.float32), flip_test)
            for number, (center, size) in enumerate(chunk, start):
                row = number - start
                people.append(self._person(number, xyz[row], None if std is None else std[row], center, size,
                                           boxes[number], lengths[number]))
        return people

    def predict(self, crops: np.ndarray, flip_test: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Run the graph.

        Args:
            crops: (B, 3, H, W) float32, channels B, G, R from 0 to 255.
            flip_test: Whether to average the coordinates with those of the mirrored crops.

        Returns:
            ``xyz`` and ``std``, (B, K, 3) normalised; ``std`` is None for models without an uncertainty.
        """
        xyz, std = self._run(crops)
        if flip_test:
            twins = self.facts['flip_indices']
            xyz_flip, std_flip = self._run(np.ascontiguousarray(crops[..., ::-1]))
            xyz_flip = xyz_flip[:, twins]
            xyz_flip[..., 0] = self.facts['flip_x'] - xyz_flip[..., 0]
            xyz = (xyz + xyz_flip) / 2
            std = None if std is None else (std + std_flip[:, twins]) / 2
        return xyz, std

    def _run(self, crops):
        outputs = self.session.run(None, {self.session.get_inputs()[0].name: crops})
        return outputs[0], outputs[1] if len(outputs) > 1 else None

    def _lengths(self, bone_length, number):
        """Return the length of each person, (N,) float64 mm; raise a ValueError if they are invalid."""
        lengths = np.asarray(self.facts['bone_length'] if bone_length is None else bone_length, dtype=np.float64)
        if lengths.shape not in ((), (number, )) or not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ValueError(f'bone_length: a positive number of mm, or one for each of {number} people, expected, got '
                             f'{bone_length}')
        return np.broadcast_to(lengths, number)

    def _person(self, number, xyz, std, center, size, box, bone_length):
        """Build the result of one person: normalised (K, 3) -> image px -> mm."""
        facts, unit = self.facts, np.array(self.facts['unit'])
        px_per_input_px = float(size[0]) / self.input_size[0]
        points = (xyz.astype(np.float64) - facts['offset']) * unit * px_per_input_px
        # the root is its own parent and adds no length
        length = np.linalg.norm(points - points[facts['parents']], axis=-1).sum()
        if not (np.isfinite(length) and length > 0):
            raise ValueError(f'bboxes[{number}] = {box[:4].tolist()}: the predicted skeleton has length {length}; an '
                             'untrained model?')
        mm_per_px = bone_length / length
        person = dict(keypoints=(points - points[facts['parents'].index(0)]) * mm_per_px,
                      keypoints_2d=points[:, :2] + center - size * 0.5, keypoint_scores=np.ones(len(points)))
        if std is not None:
            person['keypoint_scores'] = np.exp(-facts['score_factor'] * std.mean(-1)**2)
            person['keypoint_std'] = std * unit * (px_per_input_px * mm_per_px)
        return dict(person, bbox=box[None, :4], bbox_score=float(box[4]), bone_length=float(bone_length))


def main(args: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help='.onnx file of tools/export.py')
    parser.add_argument('image', help='photo')
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument('--bbox', type=float, nargs=4, action='append', metavar='PX',
                       help='x1 y1 x2 y2 of a person; give it again for each further one')
    where.add_argument('--whole-image', action='store_true', help='the person fills the photo')
    parser.add_argument('--bone-length', type=float, metavar='MM', help='total skeleton length')
    parser.add_argument('--flip-test', action=argparse.BooleanOptionalAction, help="default: as in the model's config")
    args = parser.parse_args(args)
    try:
        model = OnnxIntegralPose(args.model)
        people = model(args.image, WHOLE_IMAGE if args.whole_image else args.bbox, args.bone_length, args.flip_test)
    except (FileNotFoundError, ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    plain = [{name: np.round(value, 4).tolist() for name, value in person.items()} for person in people]
    print(json.dumps(dict(keypoint_names=model.joints, instances=plain)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
