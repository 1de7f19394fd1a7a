"""A person detector of MMDetection, frame in, best box out."""
import copy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmpose_integral.formats.boxes import clip_boxes
from mmpose_integral.preparation.box_selection import select_person
from mmpose_integral.preparation.sharded_job import fingerprint
from mmpose_integral.utils.files import rounded


class PreparedFrame:
    """Turns a frame into a detector's input; small enough to send to worker processes.

    Args:
        config (Config): the detector's.
    """

    def __init__(self, config):
        from mmcv.transforms import Compose
        from mmdet.utils import get_test_pipeline_cfg
        pipeline = copy.deepcopy(get_test_pipeline_cfg(config))
        # The image is read by us, with our colour type; the pipeline's own reader would turn it by its EXIF
        # orientation.
        pipeline[0] = dict(type='mmdet.LoadImageFromNDArray', to_float32=pipeline[0].get('to_float32', False))
        self.pipeline = Compose(pipeline)

    def __call__(self, frame_id, image):
        return frame_id, self.pipeline(dict(img=image, img_id=frame_id))


class PersonDetector:
    """An MMDetection model that gives at most one box a frame.

    Args:
        config (str | Path): MMDetection config file.
        checkpoint (str | Path): its weights, a file or a URL.
        device (str): 'cpu', 'cuda:0', ...
        person_class (str): name or number of the class that counts.
        score_thr (float): boxes below it do not count.

    Raises:
        ValueError: the detector has no such class.
    """

    def __init__(self, config, checkpoint, device, person_class='person', score_thr=0.3):
        from mmdet.apis import init_detector
        self.config = Config.fromfile(config)
        self.checkpoint = str(checkpoint)
        self.score_thr = score_thr
        # mmdet becomes the default scope here, also in a process where mmpose was imported first. Any palette given
        # spares the building of the config's test data set, which may not be on this machine.
        self.model = init_detector(self.config, self.checkpoint, palette='random', device=device)
        self.person_label = class_number(person_class, self.model.dataset_meta['classes'])
        self.prepare = PreparedFrame(self.config)

    def settings(self):
        """What the boxes depend on, for :class:`ShardedJob`."""
        return dict(detector=fingerprint(self.config.model.to_dict(), self.prepare.pipeline),
                    detector_weights=checkpoint_fingerprint(self.checkpoint), person_label=self.person_label,
                    score_thr=self.score_thr)

    @torch.no_grad()
    def detect(self, batch):
        """Detect one person in each of some frames.

        Args:
            batch (list[tuple[int, dict]]): frame ids and what ``prepare`` made of the images.

        Returns:
            list[dict]: ``frame_id``, ``bbox`` ([x, y, w, h], image px, or None), ``score``.
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


def class_number(person_class, classes):
    """Number of a class that is given by name or number, among a detector's class names."""
    if person_class in classes:
        return list(classes).index(person_class)
    if str(person_class).isdigit() and int(person_class) < len(classes):
        return int(person_class)
    shown = ', '.join(classes[:5]) + (', ...' if len(classes) > 5 else '')
    raise ValueError(f'--person-class {person_class!r}: the detector knows {len(classes)} classes ({shown}); give a '
                     'name, or a number from 0')


def checkpoint_fingerprint(checkpoint):
    """Hash of a checkpoint's content, or of its URL."""
    path = Path(checkpoint)
    return fingerprint(path if path.is_file() else str(checkpoint))
