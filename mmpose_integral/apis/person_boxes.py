"""Bounding boxes of people: from a detector, from the caller, around 2D joints, or the whole image on request."""
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from mmengine.config import Config
from mmpose.structures.bbox import bbox_xyxy2xywh
from numpy.typing import ArrayLike

from mmpose_integral.datasets.transforms.boxes import joint_extent
from mmpose_integral.formats.boxes import MAX_SIDES, usable_boxes
from mmpose_integral.preparation.keypoints_2d import TopdownModel
from mmpose_integral.utils.errors import to_numbers

from .media import Media
from .model_zoo import find_model
from .pictures import Frame

# Such a function returns (N, 5) float32 x1, y1, x2, y2 px and score for each image, see people_detector.py.
Detector = Callable[[list[np.ndarray], float, float], list[np.ndarray]]
# The person detector of configs/detection, by its name in model-index.yml.
_DEFAULT_DETECTOR = 'rtmdet_m_640-8xb32_coco-person'


def build_detector(det_model: str | Path | Config | None = None, det_weights: str | Path | None = None,
                   det_cat_ids: int | Sequence[int] | None = None, device: str | None = None,
                   default: str | None = None) -> Detector | None:
    """Build the detector of an inferencer; None means that the whole image is one person.

    Args:
        det_model: Model of :class:`PeopleDetector`, or 'whole_image' for no detector.
        det_weights, det_cat_ids, device: Arguments of :class:`PeopleDetector`.
        default: Model for ``det_model=None``, such as a name in ``model-index.yml``.

    Raises:
        OSError, ValueError: If the weights cannot be fetched, or weights are given without a model.
    """
    if isinstance(det_model, str) and det_model in ('whole_image', 'whole-image'):
        return None
    if det_model is None and det_weights is not None:
        raise ValueError(f'det_weights: {det_weights} belong to a det_model, which is not given')
    from .people_detector import PeopleDetector
    name = det_model or default or _DEFAULT_DETECTOR
    try:
        return PeopleDetector(name, det_weights, det_cat_ids, device)
    except URLError as error:
        raise OSError(
            f'the weights of the person detector {name} could not be fetched ({error.reason}). Give '
            "det_model=CONFIG, det_weights=CHECKPOINT; or det_model='whole_image' and bboxes= in each call, or for "
            'images that one person fills') from error


def detect_in_frames(detector: Detector, frames: list[Frame], bbox_thr: float,
                     nms_thr: float) -> tuple[list[Frame], list[np.ndarray]]:
    """Detect the people in the frames that have no error; a frame that the detector refuses gets its error.

    Returns:
        The frames, and the boxes (N, 5) of each.
    """
    nothing = np.zeros((0, 5), np.float32)
    try:
        found = iter(detector(good, bbox_thr, nms_thr) if (good := [one.image for one in frames if not one.error])
                     else [])
    except ValueError as error:
        if len(frames) == 1:
            return [frames[0]._replace(error=error)], [nothing]
        parts = [detect_in_frames(detector, [frame], bbox_thr, nms_thr) for frame in frames]
        return [frame for (frame, ), _ in parts], [boxes for _, (boxes, ) in parts]
    return frames, [nothing if frame.error else next(found) for frame in frames]


class JointBoxes:
    """Replaces boxes of people by the extent of their coarse 2D joints, as the released code makes its boxes for Test.

    Args:
        model: Config or name in ``model-index.yml`` of a top-down 2D model of MPII or COCO format.
        weights: Its checkpoint; by default that of the name, or the config's ``load_from``.
        device: Device of the model, such as 'cpu'.
        padding: Side of the crop of the 2D model divided by the side of the box.

    Raises:
        OSError, ValueError: If a file does not exist, the weights cannot be fetched, or the model is of another kind.
    """

    def __init__(self, model: str, device: str, weights: str | None = None, padding: float | None = None) -> None:
        config, weights = find_model(model, weights)
        if weights is None:
            raise ValueError(f'joint_boxes: {model} has no weights; give weights=CHECKPOINT')
        try:
            self.model = TopdownModel(config, weights, device, padding=padding)
        except URLError as error:
            raise OSError(f'the weights of the 2D model {model}, whose joints give the boxes, could not be fetched '
                          f'({error.reason}). Set joint_boxes = None in the config to use the boxes of the detector, '
                          'which are larger') from error

    def __call__(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Convert boxes (N, 5), x1, y1, x2, y2 px and score, of an (H, W, 3) BGR image; too small ones are kept."""
        if not len(boxes):
            return boxes
        keypoints, scores = self.model.predict([
            self.model.prepare(0, image, box) for box in bbox_xyxy2xywh(boxes[:, :4]).tolist()])
        extents = joint_extent(keypoints, scores > 0)
        return np.concatenate([np.where(np.isfinite(extents), extents, boxes[:, :4]), boxes[:, 4:]], axis=1)


def check_boxes(bboxes: ArrayLike, image: np.ndarray, name: str) -> np.ndarray:
    """Check the caller's boxes of one image, and add the score 1 where none is given: (N, 5) float32.

    Args:
        bboxes: (N, 4) x1, y1, x2, y2 px, or (N, 5) with scores; a single box may have shape (4,) or (5,).
        image: (H, W, 3) image; boxes may extend over its border.
        name: Name of the image, for messages.

    Raises:
        ValueError: If the shape is another one, a score is not finite, or a box is not usable, see
            :func:`mmpose_integral.formats.boxes.usable_boxes`.
    """
    given = bboxes.detach().cpu() if isinstance(bboxes, torch.Tensor) else bboxes
    boxes = to_numbers(given, f'bboxes of {name}').astype(np.float32)
    boxes = boxes.reshape(-1, 4) if boxes.size == 0 else np.atleast_2d(boxes)
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 5):
        raise ValueError(f'bboxes of {name}: (N, 4) x1, y1, x2, y2 px, or (N, 5) with scores, expected; got shape '
                         f'{boxes.shape}')
    height, width = image.shape[:2]
    good = usable_boxes(boxes[:, :4], (width, height)) & np.isfinite(boxes).all(axis=1)
    if not good.all():
        raise ValueError(f'bboxes of {name}: x1 < x2 and y1 < y2, at least 1 px within the image of {width}x{height} '
                         f'px and no side above {MAX_SIDES:g} times its longer side, expected; got '
                         f'{boxes[np.argmin(good)].tolist()}')
    return boxes if boxes.shape[1] == 5 else np.pad(boxes, ((0, 0), (0, 1)), constant_values=1)


def boxes_by_frame(bboxes: Sequence | np.ndarray, media: Media) -> Iterator[ArrayLike]:
    """Yield the boxes of each frame from those of one image, or from a sequence with one entry per image or frame.

    Raises:
        ValueError: If the number of entries is not that of the images, or a video has more frames.
    """
    if not media.is_video:
        if media.count == 1 and not (len(bboxes) == 1 and np.ndim(bboxes[0]) == 2):
            bboxes = [bboxes]
        if len(bboxes) != media.count:
            raise ValueError(f'bboxes: one entry per image expected, {media.count} in total; got {len(bboxes)}')
    yield from bboxes
    raise ValueError(f'bboxes: {len(bboxes)} entries, but the video has more frames; give one entry per frame, which '
                     'may be empty')
