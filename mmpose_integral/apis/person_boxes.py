"""Bounding boxes of people: from a detector, from the caller, or the whole image on request."""
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

import cv2
import mmengine
import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.evaluation.functional import nms

from mmpose_integral.apis.model_alias import find_alias
from mmpose_integral.apis.model_index import indexed_models

WHOLE_IMAGE = ('whole_image', 'whole-image')
# The person detector of configs/detection, by its name in model-index.yml.
DEFAULT_DETECTOR = 'rtmdet_m_640-8xb32_coco-person'


class PeopleDetector:
    """An MMDetection model that returns the boxes of all people in a batch of images.

    Args:
        model: Config, config file, or a name of ``model-index.yml`` or of MMDetection's own index.
        weights: File or URL; by default those of the index, or the config's ``load_from``.
        cat_ids: Classes that count as people; by default the one called person.
        device: Device of the model, 'cpu', 'cuda:0', ...

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If no weights are given or known, or no class is called person.
    """

    def __init__(self, model: str | Path | Config, weights: str | Path | None = None,
                 cat_ids: int | Sequence[int] | None = None, device: str | None = None) -> None:
        from mmpose_integral.apis.box_inferencer import BoxInferencer  # MMDetection is needed for detection only
        model, weights = _with_weights(model, weights)
        with DefaultScope.overwrite_default_scope('mmdet'):
            # Without a palette, MMDetection builds the config's test data set, which may not be on this machine.
            self.inferencer = BoxInferencer(model, weights, device, palette='random', show_progress=False)
        classes = list(self.inferencer.model.dataset_meta.get('classes', ()))
        if cat_ids is None and 'person' not in classes:
            raise ValueError(f'det_model {model}: no class is called person; give det_cat_ids, numbers of {classes}')
        cat_ids = classes.index('person') if cat_ids is None else cat_ids
        self.cat_ids = list(cat_ids) if isinstance(cat_ids, (tuple, list)) else [cat_ids]

    def __call__(self, images: list[np.ndarray], bbox_thr: float = 0.3, nms_thr: float = 0.3) -> list[np.ndarray]:
        """Detect all people; boxes are sorted by score, the highest first.

        Args:
            images: (H, W, 3) uint8 BGR images, of any sizes.
            bbox_thr: Score threshold; only boxes with a higher score count.
            nms_thr: IoU threshold; of two boxes that overlap by more, the one with the higher score is kept.

        Returns:
            (N, 5) float32 x1, y1, x2, y2 px and score, for each image.

        Raises:
            ValueError: If an image is too narrow to be resized, such as a few px by thousands.
        """
        with DefaultScope.overwrite_default_scope('mmdet'):
            try:
                samples = self.inferencer(images, batch_size=len(images), return_datasamples=True)['predictions']
            except cv2.error as error:  # the detector's resize would give a side of 0 px
                height, width = min((image.shape[:2] for image in images), key=min)
                raise ValueError(f'an image of {width}x{height} px is too narrow for the person detector; give '
                                 'bboxes=') from error
        return [self._people(sample.pred_instances.cpu().numpy(), bbox_thr, nms_thr) for sample in samples]

    def _people(self, found, bbox_thr, nms_thr):
        found = found[np.isin(found.labels, self.cat_ids) & (found.scores > bbox_thr)]
        boxes = np.concatenate([found.bboxes, found.scores[:, None]], axis=1).astype(np.float32)
        return boxes[nms(boxes, nms_thr)].reshape(-1, 5)


def _with_weights(model, weights):
    """Return config and weights; missing weights are looked up in the index or the config."""
    weights = None if weights is None else str(weights)
    if not isinstance(model, (str, Path)):
        return model, weights
    model = str(model)
    if model in indexed_models():
        alias = find_alias(model)
        return alias.config, weights or alias.checkpoint
    if model.endswith('.py'):
        if not mmengine.exists(model):
            raise FileNotFoundError(f'det_model {model}: no such config file')
        weights = weights or Config.fromfile(model).get('load_from')
        if not weights:
            raise ValueError(f'det_model {model}: give det_weights, its checkpoint; the config has no load_from')
    return model, weights


def build_detector(det_model, det_weights, det_cat_ids, device, default=None):
    """Build the detector of an inferencer.

    Args:
        det_model (str | mmengine.Config | None): Model of :class:`PeopleDetector`, or 'whole_image' for no detector.
        det_weights, det_cat_ids, device: Arguments of :class:`PeopleDetector`.
        default (str, optional): Model for ``det_model=None``, such as a name in ``model-index.yml``.

    Returns:
        PeopleDetector | None: Detector; None means that the whole image is one person.

    Raises:
        ValueError: If there are weights without a model.
        OSError: If the weights cannot be fetched.
    """
    if isinstance(det_model, str) and det_model in WHOLE_IMAGE:
        return None
    if det_model is None and det_weights is not None:
        raise ValueError(f'det_weights: {det_weights} belong to a det_model, which is not given')
    name = det_model or default or DEFAULT_DETECTOR
    try:
        return PeopleDetector(name, det_weights, det_cat_ids, device)
    except URLError as error:
        raise OSError(
            f'the weights of the person detector {name} could not be fetched ({error.reason}). Give '
            "det_model=CONFIG, det_weights=CHECKPOINT; or det_model='whole_image' and bboxes= in each call, or for "
            'images that one person fills') from error


def check_boxes(bboxes, image: np.ndarray, name: str) -> np.ndarray:
    """Check the caller's boxes of one image.

    Args:
        bboxes (array-like): (N, 4) x1, y1, x2, y2 px, or (N, 5) with scores; a single box may have shape (4,) or (5,).
        image: (H, W, 3) image; boxes may extend over its border.
        name: Name of the image, for messages.

    Returns:
        (N, 5) float32; the score is 1 where none is given.

    Raises:
        ValueError: If the shape is another one, or a box is empty or outside the image.
    """
    bboxes = bboxes.detach().cpu() if hasattr(bboxes, 'detach') else bboxes
    boxes = np.asarray(bboxes, dtype=np.float32)
    boxes = boxes.reshape(-1, 4) if boxes.size == 0 else boxes[None] if boxes.ndim == 1 else boxes
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 5):
        raise ValueError(f'bboxes of {name}: (N, 4) x1, y1, x2, y2 px, or (N, 5) with scores, expected; got shape '
                         f'{np.shape(bboxes)}')
    size = image.shape[1], image.shape[0]
    inside = (np.maximum(boxes[:, :2], 0) < np.minimum(boxes[:, 2:4], size)).all(axis=1)
    if not (inside & np.isfinite(boxes).all(axis=1)).all():
        bad = boxes[np.argmin(inside & np.isfinite(boxes).all(axis=1))].tolist()
        raise ValueError(f'bboxes of {name}: x1 < x2 and y1 < y2, within or over the border of the image of '
                         f'{size[0]}x{size[1]} px, expected; got {bad}')
    return boxes if boxes.shape[1] == 5 else np.pad(boxes, ((0, 0), (0, 1)), constant_values=1)


def split_by_image(bboxes, media):
    """Arrange boxes as a sequence with one entry per image.

    Args:
        bboxes (array-like | None): (N, 4 | 5) boxes of one image, or a sequence of such arrays for several images.
        media (Media): Images.

    Returns:
        Sequence | None: Boxes by image; None if none are given. Boxes of a video are returned unchanged.

    Raises:
        ValueError: If the number of entries is not that of the images.
    """
    if bboxes is None or media.is_video:
        return bboxes
    if media.count == 1:
        wrapped = len(bboxes) == 1 and np.ndim(bboxes[0]) == 2
        return bboxes if wrapped else [bboxes]
    if len(bboxes) != media.count:
        raise ValueError(f'bboxes: one entry an image expected, {media.count} in all; got {len(bboxes)}')
    return bboxes


def boxes_of_frame(bboxes, index):
    """Entry of one frame in the boxes from :func:`split_by_image`.

    Raises:
        ValueError: If the video has more frames than there are entries.
    """
    if index >= len(bboxes):
        raise ValueError(f'bboxes: there is no entry for frame {index}, only {len(bboxes)}; give one a frame, which '
                         'may be empty')
    return bboxes[index]
