"""Person detection with a model of MMDetection, one box per frame."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import pseudo_collate

from mmpose_integral.models.weights import load_weights_file
from mmpose_integral.preparation.sharded_job import fingerprint
from mmpose_integral.utils.config_files import explain_building, read_config
from mmpose_integral.utils.files import rounded


def select_person(bboxes: np.ndarray, scores: np.ndarray, image_size: tuple[int, int], score_thr: float = 0.3,
                  tie_margin: float = 0.05) -> int | None:
    """Choose the best box of a frame.

    Among the boxes whose score is within ``tie_margin`` of the highest score, the largest one is chosen. Detectors give
    a part of a body (a torso, legs behind a chair) nearly the score of the whole body. A box that cuts off limbs causes
    far larger errors than a loose one. Boxes are first clipped at the image border.

    Args:
        bboxes: (M, 4), xyxy, image px.
        scores: (M,), scores, 0 to 1.
        image_size: Width and height of the image, px.
        score_thr: Score below which boxes are not used.
        tie_margin: Difference up to which scores count as equal.

    Returns:
        Index of the box in ``bboxes``; None if no box has sides of at least 1 px and a sufficient score.
    """
    bboxes = np.clip(bboxes, 0, np.tile(image_size, 2))
    sides = bboxes[:, 2:] - bboxes[:, :2]
    eligible = np.flatnonzero((scores >= score_thr) & (sides >= 1).all(axis=1))
    if not len(eligible):
        return None
    tied = eligible[scores[eligible] >= scores[eligible].max() - tie_margin]
    return int(tied[np.argmax(sides[tied].prod(axis=1))])


class PersonDetector:
    """MMDetection model that predicts at most one box per frame.

    Args:
        config: MMDetection config file.
        checkpoint: Weights of the detector, a file or a URL.
        device: Device, such as 'cpu' or 'cuda:0'.
        person_class: Name or number of the class of persons.
        score_thr: Score below which boxes are not used.

    Raises:
        ValueError: If the detector has no such class.
        CheckpointError: If the checkpoint is damaged or not of this config.
    """

    def __init__(self, config: str | Path, checkpoint: str | Path, device: str, person_class: str | int = 'person',
                 score_thr: float = 0.3) -> None:
        from mmcv.transforms import Compose
        from mmdet.apis import init_detector
        from mmdet.utils import get_test_pipeline_cfg
        # mmdet becomes the default scope here, also in a process where mmpose was imported first. With a palette,
        # mmdet does not build the config's test dataset, which may not be available.
        with explain_building(str(config)):
            self.model = init_detector(read_config(config, 'model'), str(checkpoint), palette='random', device=device)
        check_detector(self.model, config)
        load_weights_file(self.model, checkpoint)
        self.checkpoint, self.score_thr = str(checkpoint), score_thr
        self.person_label = class_number(person_class, self.model.dataset_meta['classes'])
        # The image is read beforehand, with the project's colour type. The pipeline's own reader would rotate it by
        # its EXIF orientation.
        reader, *steps = get_test_pipeline_cfg(self.model.cfg)
        reader = dict(type='mmdet.LoadImageFromNDArray', to_float32=reader.get('to_float32', False))
        self.pipeline = Compose([reader, *steps])

    def settings(self) -> dict:
        """Settings that the boxes depend on, for :func:`run_sharded`."""
        return dict(detector=fingerprint(self.model.cfg.model.to_dict(), self.pipeline),
                    detector_weights=checkpoint_fingerprint(self.checkpoint), person_label=self.person_label,
                    score_thr=self.score_thr)

    def prepare(self, frame_id: int, image: np.ndarray) -> tuple[int, dict]:
        """Convert an image, (H, W, 3) uint8, BGR, to the detector's input; return it with the frame id."""
        return frame_id, self.pipeline(dict(img=image, img_id=frame_id))

    @torch.no_grad()
    def detect(self, batch: Sequence[tuple[int, dict]]) -> list[dict]:
        """Detect one person in each of several frames.

        Args:
            batch: Results of ``prepare``.

        Returns:
            Records with ``frame_id``, ``bbox`` ([x, y, w, h], image px, or None), ``score``.
        """
        records = []
        samples = self.model.test_step(pseudo_collate([data for _, data in batch]))
        for (frame_id, _), sample in zip(batch, samples, strict=True):
            found = sample.pred_instances
            found = found[found.labels == self.person_label].numpy()
            image_size = sample.ori_shape[1], sample.ori_shape[0]
            best = select_person(found.bboxes, found.scores, image_size, self.score_thr)
            record = dict(frame_id=frame_id, bbox=None, score=0.0)
            if best is not None:
                x1, y1, x2, y2 = np.clip(found.bboxes[best], 0, np.tile(image_size, 2))
                record.update(bbox=rounded([x1, y1, x2 - x1, y2 - y1], 2), score=rounded(found.scores[best], 4))
            records.append(record)
        return records


def check_detector(model: torch.nn.Module, config: str | Path) -> None:
    """Raise ValueError if a model, of the config that is given for the message, is no detector of MMDetection."""
    from mmdet.models import BaseDetector
    if not isinstance(model, BaseDetector):
        raise ValueError(f'{config}: its model is {type(model).__name__}, a detector of MMDetection is expected')


def class_number(person_class: str | int, classes: Sequence[str]) -> int:
    """Find the number of a class, given by name or number, among a detector's class names."""
    name, classes = str(person_class), [classes] if isinstance(classes, str) else list(classes)
    if name in classes:
        return classes.index(name)
    if name.isdigit() and int(name) < len(classes):
        return int(name)
    shown = ', '.join(classes[:5]) + (', ...' if len(classes) > 5 else '')
    raise ValueError(f'--person-class {person_class!r}: no such class; the detector has {len(classes)} classes '
                     f'({shown}). Give a name, or a number from 0 to {len(classes) - 1}')


def checkpoint_fingerprint(checkpoint: str) -> str:
    """Hash of a checkpoint's content, or of its URL."""
    path = Path(checkpoint)
    return fingerprint(path if path.is_file() else checkpoint)
