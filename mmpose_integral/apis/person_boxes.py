"""Where the people are: a detector's boxes, the caller's, or the whole image when that is asked for."""
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
    """An MMDetection model that gives the boxes of all people, in batches.

    Args:
        model (str | Path | mmengine.Config): config file, or a name of ``model-index.yml`` or of MMDetection's own
            index.
        weights (str, optional): file or address; by default those of the index, or the config's ``load_from``.
        cat_ids (int | Sequence[int] | None): classes that count; by default the one called person.
        device (str): 'cpu', 'cuda:0', ...

    Raises:
        FileNotFoundError: no such file.
        ValueError: no weights are given or known, or no class is called person.
    """

    def __init__(self, model, weights=None, cat_ids=None, device=None):
        from mmpose_integral.apis.box_inferencer import BoxInferencer  # only who looks for people needs MMDetection
        model, weights = _with_weights(model, weights)
        with DefaultScope.overwrite_default_scope('mmdet'):
            # Any palette given spares the building of the config's test data set, which may not be on this machine.
            self.inferencer = BoxInferencer(model, weights, device, palette='random', show_progress=False)
        classes = list(self.inferencer.model.dataset_meta.get('classes', ()))
        if cat_ids is None and 'person' not in classes:
            raise ValueError(f'det_model {model}: no class is called person; give det_cat_ids, numbers of {classes}')
        cat_ids = classes.index('person') if cat_ids is None else cat_ids
        self.cat_ids = list(cat_ids) if isinstance(cat_ids, (tuple, list)) else [cat_ids]

    def __call__(self, images, bbox_thr=0.3, nms_thr=0.3):
        """Boxes of all people, the surest first.

        Args:
            images (list[np.ndarray]): (H, W, 3) uint8 BGR, of any sizes.
            bbox_thr (float): boxes of this score or less do not count.
            nms_thr (float): of two boxes that overlap by more (IoU), the surer stays.

        Returns:
            list[np.ndarray]: (N, 5) float32 x1, y1, x2, y2 px and score, for each image.

        Raises:
            ValueError: an image of a few px by thousands.
        """
        with DefaultScope.overwrite_default_scope('mmdet'):
            try:
                samples = self.inferencer(images, batch_size=len(images), return_datasamples=True)['predictions']
            except cv2.error as error:  # of its resize, which would leave a side of 0 px
                height, width = min((image.shape[:2] for image in images), key=min)
                raise ValueError(f'an image of {width}x{height} px is too narrow for the person detector; give '
                                 'bboxes=') from error
        return [self._people(sample.pred_instances.cpu().numpy(), bbox_thr, nms_thr) for sample in samples]

    def _people(self, found, bbox_thr, nms_thr):
        found = found[np.isin(found.labels, self.cat_ids) & (found.scores > bbox_thr)]
        boxes = np.concatenate([found.bboxes, found.scores[:, None]], axis=1).astype(np.float32)
        return boxes[nms(boxes, nms_thr)].reshape(-1, 5)


def _with_weights(model, weights):
    """Config and weights, where the caller left the weights to us."""
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
    """The detector that an inferencer was asked for.

    Args:
        det_model (str | mmengine.Config | None): see :class:`PeopleDetector`; 'whole_image' for none.
        det_weights, det_cat_ids, device: see :class:`PeopleDetector`.
        default (str, optional): name in ``model-index.yml``, for ``det_model=None``.

    Returns:
        PeopleDetector | None: None means that the whole image is one person.

    Raises:
        ValueError: weights without a model.
        OSError: weights cannot be fetched.
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


def check_boxes(bboxes, image, name):
    """Boxes of one image that the caller gives.

    Args:
        bboxes (array-like): (N, 4) x1, y1, x2, y2 px, or (N, 5) with scores; one box may come without its axis.
        image (np.ndarray): (H, W, 3); boxes may reach over its border.
        name (str): of the image, for messages.

    Returns:
        np.ndarray: (N, 5) float32; the score is 1 where none is given.

    Raises:
        ValueError: another shape, or a box that is empty or outside the image.
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
    """Boxes as a sequence with one entry an image.

    Args:
        bboxes (array-like | None): (N, 4 | 5) for one image, or a sequence of such for several.
        media (Media): the images.

    Returns:
        Sequence | None: None where none are given.

    Raises:
        ValueError: there are not as many entries as images.
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
    """Entry of a frame of :func:`split_by_image`'s, or ValueError where a video is longer."""
    if index >= len(bboxes):
        raise ValueError(f'bboxes: there is no entry for frame {index}, only {len(bboxes)}; give one a frame, which '
                         'may be empty')
    return bboxes[index]
