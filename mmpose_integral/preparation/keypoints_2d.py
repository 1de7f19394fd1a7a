"""Top-down 2D models of MMPose, frame and box in, our 18 joints in image pixels out."""
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmpose.apis import init_model
from mmpose.structures.bbox import bbox_xywh2xyxy

from mmpose_integral.preparation.detection import checkpoint_fingerprint
from mmpose_integral.preparation.joint_merging import joint_format, merge_by_score, to_h80k_joints
from mmpose_integral.preparation.sharded_job import fingerprint
from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import rounded

ONE_BASED_CHOICES = ('auto', 'yes', 'no')


class TopdownModel:
    """One 2D model.

    Args:
        config (str | Path): MMPose config file of a top-down model in MPII or COCO format.
        checkpoint (str | Path): its weights, a file or a URL.
        device (str): 'cpu', 'cuda:0', ...
        one_based (str): whether the model was trained on MPII's 1-based joints and so predicts 1 px too much: 'yes',
            'no', or 'auto', which looks for mmpose's ``MpiiDataset`` in the config's training data.
        padding (float, optional): crop side over box side, in place of the one in the config's test pipeline.

    Raises:
        ValueError: another joint format, or no top-down model.
    """

    def __init__(self, config, checkpoint, device, one_based='auto', padding=None):
        self.config = Config.fromfile(config)
        self.checkpoint = str(checkpoint)
        self.one_based = trains_one_based(self.config) if one_based == 'auto' else one_based == 'yes'
        # init_model sets the default scope to mmpose, also in a process where mmdet came first.
        self.model = init_model(self.config, self.checkpoint, device=device)
        self.format = joint_format(self.model.dataset_meta)
        pipeline = self.config.test_dataloader.dataset.pipeline
        self.pipeline = Compose(pipeline if padding is None else with_padding(pipeline, padding))

    def settings(self):
        """What the joints depend on."""
        return [fingerprint(self.config.model.to_dict(), self.pipeline), checkpoint_fingerprint(self.checkpoint),
                self.one_based]

    def prepare(self, frame_id, image, bbox):
        """One input of the model.

        Args:
            frame_id (int): for the sample's meta data.
            image (np.ndarray): (H, W, 3) uint8, BGR.
            bbox (list[float]): [x, y, w, h], image px.

        Returns:
            dict: ``inputs`` and ``data_samples``.
        """
        bbox = bbox_xywh2xyxy(np.array([bbox], dtype=np.float32))
        return self.pipeline(dict(img=image, img_id=frame_id, bbox=bbox, bbox_score=np.ones(1, dtype=np.float32),
                                  **self.model.dataset_meta))

    @torch.no_grad()
    def predict(self, inputs):
        """Joints of some inputs.

        Args:
            inputs (list[dict]): what ``prepare`` made, N of them.

        Returns:
            tuple[np.ndarray, np.ndarray]: (N, 18, 2) image px, 0-based, and (N, 18) scores.
        """
        found = [sample.pred_instances for sample in self.model.test_step(pseudo_collate(inputs))]
        keypoints = np.concatenate([f.keypoints for f in found])[..., :2] - float(self.one_based)
        return to_h80k_joints(keypoints, np.concatenate([f.keypoint_scores for f in found]), self.format)


def with_padding(pipeline, padding):
    """A pipeline's config with another ``padding`` of ``GetBBoxCenterScale``.

    Raises:
        ValueError: it has no such step, or the padding is no positive number.
    """
    if not padding > 0:
        raise ValueError(f'--padding: a number above 0 expected, got {padding}')
    if not any(step['type'] == 'GetBBoxCenterScale' for step in pipeline):
        raise ValueError('--padding: the test pipeline has no GetBBoxCenterScale, only '
                         f'{[step["type"] for step in pipeline]}')
    return [dict(step, padding=padding) if step['type'] == 'GetBBoxCenterScale' else step for step in pipeline]


def trains_one_based(config):
    """Whether a config's training data is mmpose's ``MpiiDataset``, which leaves the joints 1-based."""
    stack = [config.get('train_dataloader', {})]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            kind = node.get('type')
            if getattr(kind, '__name__', str(kind)).split('.')[-1] == 'MpiiDataset':
                return True
            stack += node.values()
        elif isinstance(node, (list, tuple)):
            stack += node
    return False


class MergedModels:
    """Several 2D models on the same boxes, their joints merged by score.

    Args:
        models (list[TopdownModel]): at least one.
        boxes (dict[int, list[float]]): frame id to [x, y, w, h].
    """

    def __init__(self, models, boxes):
        self.models, self.boxes = models, boxes

    def prepare(self, frame_id, image):
        """Inputs of all models for one frame."""
        return frame_id, [model.prepare(frame_id, image, self.boxes[frame_id]) for model in self.models]

    def predict(self, batch):
        """Records of some frames.

        Args:
            batch (list[tuple[int, list[dict]]]): frame ids and what ``prepare`` made.

        Returns:
            list[dict]: ``frame_id``, ``keypoints_2d`` (18 x 2, image px), ``score`` (18).
        """
        inputs = zip(*(data for _, data in batch), strict=True)
        results = [model.predict(list(each)) for model, each in zip(self.models, inputs, strict=True)]
        keypoints, scores = merge_by_score(*(np.stack(arrays) for arrays in zip(*results, strict=True)))
        return [record(frame_id, *joints) for (frame_id, _), *joints in zip(batch, keypoints, scores, strict=True)]


def record(frame_id, keypoints=None, scores=None):
    """A frame's line in the parts folder; without joints, all of them are marked as not predicted."""
    if keypoints is None:
        keypoints, scores = np.zeros((NUM_JOINTS, 2)), np.zeros(NUM_JOINTS)
    return dict(frame_id=frame_id, keypoints_2d=rounded(keypoints, 2), score=rounded(scores, 4))
