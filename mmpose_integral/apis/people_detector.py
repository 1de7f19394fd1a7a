"""Person detection by MMDetection, which is imported only for detection."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmpose.evaluation.functional import nms

from mmpose_integral.formats.boxes import usable_boxes
from mmpose_integral.models.weights import load_weights
from mmpose_integral.preparation.detection import check_detector
from mmpose_integral.utils.config_files import explain_building

from .model_zoo import find_model


class PeopleDetector:
    """An MMDetection model that returns the boxes of all people in a batch of images.

    Args:
        model: Config, config file, or a name of ``model-index.yml`` or of MMDetection's own index.
        weights: File or URL; by default those of the index, or the config's ``load_from``.
        cat_ids: Classes that count as people; by default the one called person.

    Raises:
        FileNotFoundError, ValueError: If a file does not exist, no weights are known, or no class is called person.
    """

    def __init__(self, model: str | Path | Config, weights: str | Path | None = None,
                 cat_ids: int | Sequence[int] | None = None, device: str | None = None) -> None:
        model, weights = find_model(model, weights, other_index=True)
        if weights is None and (isinstance(model, Config) or Path(model).is_file()):
            raise ValueError(f'det_model {model}: give det_weights, its checkpoint; the config has no load_from')
        with DefaultScope.overwrite_default_scope('mmdet'), explain_building(f'det_model {model}'):
            # Without a palette, MMDetection builds the config's test data set, which may not be on this machine.
            self.inferencer = _BoxInferencer(model, weights, device, palette='random', show_progress=False)
        check_detector(self.inferencer.model, model if isinstance(model, str) else 'det_model')
        classes = list(self.inferencer.model.dataset_meta.get('classes', ()))
        if cat_ids is None and 'person' not in classes:
            raise ValueError(f'det_model {model}: no class is called person; give det_cat_ids, numbers of {classes}')
        unknown = [number for number in np.ravel(cat_ids if cat_ids is not None else []) if number >= len(classes)]
        if unknown and classes:
            raise ValueError(f'det_cat_ids: 0 to {len(classes) - 1} expected, the numbers of {classes[:5]}, got '
                             f'{unknown[0]}')
        self.cat_ids = classes.index('person') if cat_ids is None else cat_ids

    def __call__(self, images: list[np.ndarray], bbox_thr: float = 0.3, nms_thr: float = 0.3) -> list[np.ndarray]:
        """Detect all people: (N, 5) float32 x1, y1, x2, y2 px and score for each image, the highest score first.

        Args:
            images: (H, W, 3) uint8 BGR images, of any sizes.
            bbox_thr: Score threshold; only boxes with a higher score count.
            nms_thr: IoU threshold; of two boxes that overlap by more, the one with the higher score is kept.
        """
        with DefaultScope.overwrite_default_scope('mmdet'):
            try:
                samples = self.inferencer(images, batch_size=len(images), return_datasamples=True)['predictions']
            except cv2.error as error:  # the detector's resize would give a side of 0 px
                height, width = min((image.shape[:2] for image in images), key=min)
                raise ValueError(f'an image of {width}x{height} px is too narrow for the person detector; give '
                                 'bboxes=') from error
        people = []
        for image, sample in zip(images, samples, strict=True):
            found = sample.pred_instances.cpu().numpy()
            found = found[np.isin(found.labels, self.cat_ids) & (found.scores > bbox_thr)
                          & usable_boxes(found.bboxes, image.shape[1::-1])]
            boxes = np.concatenate([found.bboxes, found.scores[:, None]], axis=1).astype(np.float32)
            people.append(boxes[nms(boxes, nms_thr)].reshape(-1, 5))
        return people


class _BoxInferencer(DetInferencer):
    """MMDetection's inferencer, with an error for the weights of another model, and without two further warnings."""

    def _init_model(self, cfg: Config, weights: str | None, device: str = 'cpu') -> torch.nn.Module:
        self.weights = weights  # for error messages
        return super()._init_model(cfg, weights, device)

    def _load_weights_to_model(self, model: torch.nn.Module, checkpoint: dict | None, cfg: Config) -> None:
        if checkpoint is not None:
            load_weights(model, checkpoint, self.weights)
        super()._load_weights_to_model(model, checkpoint, cfg)

    def _init_collate(self, cfg: Config) -> object:
        return pseudo_collate

    def _init_visualizer(self, cfg: Config) -> None:
        return None
