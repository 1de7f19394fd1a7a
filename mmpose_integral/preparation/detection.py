"""Person detection with a model of MMDetection, one box per frame."""
import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmpose_integral.formats.boxes import clip_boxes
from mmpose_integral.preparation.box_selection import select_person
from mmpose_integral.preparation.sharded_job import fingerprint
from mmpose_integral.utils.files import rounded


class PreparedFrame:
    """Conversion of a frame to a detector's input, small enough to send to worker processes.

    Args:
        config: Config of the detector.
    """

    def __init__(self, config: Config) -> None:
        from mmcv.transforms import Compose
        from mmdet.utils import get_test_pipeline_cfg
        pipeline = copy.deepcopy(get_test_pipeline_cfg(config))
        # The image is read beforehand, with our colour type. The pipeline's own reader would rotate it by its EXIF
        # orientation.
        pipeline[0] = dict(type='mmdet.LoadImageFromNDArray', to_float32=pipeline[0].get('to_float32', False))
        self.pipeline = Compose(pipeline)

    def __call__(self, frame_id, image):
        return frame_id, self.pipeline(dict(img=image, img_id=frame_id))


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
    """

    def __init__(self, config: str | Path, checkpoint: str | Path, device: str, person_class: str = 'person',
                 score_thr: float = 0.3) -> None:
        from mmdet.apis import init_detector
        self.config = Config.fromfile(config)
        self.checkpoint = str(checkpoint)
        self.score_thr = score_thr
        # mmdet becomes the default scope here, also in a process where mmpose was imported first. With a palette,
        # mmdet does not build the config's test dataset, which may not be available.
        self.model = init_detector(self.config, self.checkpoint, palette='random', device=device)
        self.person_label = class_number(person_class, self.model.dataset_meta['classes'])
        self.prepare = PreparedFrame(self.config)

    def settings(self) -> dict:
        """Settings that the boxes depend on, for :class:`ShardedJob`."""
        return dict(detector=fingerprint(self.config.model.to_dict(), self.prepare.pipeline),
                    detector_weights=checkpoint_fingerprint(self.checkpoint), person_label=self.person_label,
                    score_thr=self.score_thr)

    @torch.no_grad()
    def detect(self, batch: list[tuple[int, dict]]) -> list[dict]:
        """Detect one person in each of several frames.

        Args:
            batch: Frame ids and the inputs that ``prepare`` made of the images.

        Returns:
            Records with ``frame_id``, ``bbox`` ([x, y, w, h], image px, or None), ``score``.
        """
        samples = self.model.test_step(pseudo_collate([data for _, data in batch]))
        return [self._record(frame_id, sample) for (frame_id, _), sample in zip(batch, samples, strict=True)]

    def _record(self, frame_id, sample):
        found = sample.pred_instances
        found = found[found.labels == self.person_label].numpy()
        image_size = sample.ori_shape[1], sample.ori_shape[0]
        best = select_person(found.bboxes, found.scores, image_size, self.score_thr)
        if best is None:
            return dict(frame_id=frame_id, bbox=None, score=0.0)
        x1, y1, x2, y2 = clip_boxes(found.bboxes[best], image_size)[0]
        return dict(frame_id=frame_id, bbox=rounded([x1, y1, x2 - x1, y2 - y1], 2),
                    score=rounded(found.scores[best], 4))


def class_number(person_class: str | int, classes: Sequence[str]) -> int:
    """Find the number of a class, given by name or number, among a detector's class names."""
    if person_class in classes:
        return list(classes).index(person_class)
    if str(person_class).isdigit() and int(person_class) < len(classes):
        return int(person_class)
    shown = ', '.join(classes[:5]) + (', ...' if len(classes) > 5 else '')
    raise ValueError(f'--person-class {person_class!r}: the detector knows {len(classes)} classes ({shown}); give a '
                     'name, or a number from 0')


def checkpoint_fingerprint(checkpoint: str | Path) -> str:
    """Hash of a checkpoint's content, or of its URL."""
    path = Path(checkpoint)
    return fingerprint(path if path.is_file() else str(checkpoint))
