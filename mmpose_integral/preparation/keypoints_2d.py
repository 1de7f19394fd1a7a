"""Prediction of our 18 joints in image px with top-down 2D models of MMPose, from frame and box."""
from pathlib import Path

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
    """Top-down 2D model.

    Args:
        config: MMPose config file of a top-down model in MPII or COCO format.
        checkpoint: Weights of the model, a file or a URL.
        device: Device, such as 'cpu' or 'cuda:0'.
        one_based: Whether the model was trained on MPII's 1-based joints, so that its predictions are 1 px too large:
            'yes', 'no', or 'auto'. 'auto' looks for mmpose's ``MpiiDataset`` in the config's training data.
        padding: Crop side divided by box side. Default: that of the config's test pipeline.

    Raises:
        ValueError: If the joint format is another one, or the model is not top-down.
    """

    def __init__(self, config: str | Path, checkpoint: str | Path, device: str, one_based: str = 'auto',
                 padding: float | None = None) -> None:
        self.config = Config.fromfile(config)
        self.checkpoint = str(checkpoint)
        self.one_based = trains_one_based(self.config) if one_based == 'auto' else one_based == 'yes'
        # init_model sets the default scope to mmpose, also in a process where mmdet was imported first.
        self.model = init_model(self.config, self.checkpoint, device=device)
        self.format = joint_format(self.model.dataset_meta)
        pipeline = self.config.test_dataloader.dataset.pipeline
        self.pipeline = Compose(pipeline if padding is None else with_padding(pipeline, padding))

    def settings(self) -> list:
        """Settings that the joints depend on."""
        return [fingerprint(self.config.model.to_dict(), self.pipeline), checkpoint_fingerprint(self.checkpoint),
                self.one_based]

    def prepare(self, frame_id: int, image: np.ndarray, bbox: list[float]) -> dict:
        """Prepare one input of the model.

        Args:
            frame_id: Frame id for the sample's meta data.
            image: (H, W, 3) uint8, BGR.
            bbox: [x, y, w, h], image px.

        Returns:
            Entries ``inputs`` and ``data_samples``.
        """
        bbox = bbox_xywh2xyxy(np.array([bbox], dtype=np.float32))
        return self.pipeline(dict(img=image, img_id=frame_id, bbox=bbox, bbox_score=np.ones(1, dtype=np.float32),
                                  **self.model.dataset_meta))

    @torch.no_grad()
    def predict(self, inputs: list[dict]) -> tuple[np.ndarray, np.ndarray]:
        """Predict the joints of several inputs.

        Args:
            inputs: N results of ``prepare``.

        Returns:
            Joints (N, 18, 2), image px, 0-based, and scores (N, 18).
        """
        found = [sample.pred_instances for sample in self.model.test_step(pseudo_collate(inputs))]
        keypoints = np.concatenate([f.keypoints for f in found])[..., :2] - float(self.one_based)
        return to_h80k_joints(keypoints, np.concatenate([f.keypoint_scores for f in found]), self.format)


def with_padding(pipeline: list[dict], padding: float) -> list[dict]:
    """Copy a pipeline's config with another ``padding`` of ``GetBBoxCenterScale``.

    Raises:
        ValueError: If it has no such step, or the padding is not positive.
    """
    if not padding > 0:
        raise ValueError(f'--padding: a number above 0 expected, got {padding}')
    if not any(step['type'] == 'GetBBoxCenterScale' for step in pipeline):
        raise ValueError('--padding: the test pipeline has no GetBBoxCenterScale, only '
                         f'{[step["type"] for step in pipeline]}')
    return [dict(step, padding=padding) if step['type'] == 'GetBBoxCenterScale' else step for step in pipeline]


def trains_one_based(config: Config) -> bool:
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
    """Several 2D models on the same boxes, with joints merged by score.

    Args:
        models: One or more models.
        boxes: Boxes [x, y, w, h] by frame id, image px.
    """

    def __init__(self, models: list[TopdownModel], boxes: dict[int, list[float]]) -> None:
        self.models, self.boxes = models, boxes

    def prepare(self, frame_id, image):
        """Prepare the inputs of all models for one frame."""
        return frame_id, [model.prepare(frame_id, image, self.boxes[frame_id]) for model in self.models]

    def predict(self, batch: list[tuple[int, list[dict]]]) -> list[dict]:
        """Make the records of several frames.

        Args:
            batch: Frame ids and inputs, as ``prepare`` returns them.

        Returns:
            Records with ``frame_id``, ``keypoints_2d`` (18 x 2, image px), ``score`` (18).
        """
        inputs = zip(*(data for _, data in batch), strict=True)
        results = [model.predict(list(each)) for model, each in zip(self.models, inputs, strict=True)]
        keypoints, scores = merge_by_score(*(np.stack(arrays) for arrays in zip(*results, strict=True)))
        return [record(frame_id, *joints) for (frame_id, _), *joints in zip(batch, keypoints, scores, strict=True)]


def record(frame_id, keypoints=None, scores=None):
    """Make a frame's record for the parts folder; without joints, all are marked as not predicted."""
    if keypoints is None:
        keypoints, scores = np.zeros((NUM_JOINTS, 2)), np.zeros(NUM_JOINTS)
    return dict(frame_id=frame_id, keypoints_2d=rounded(keypoints, 2), score=rounded(scores, 4))
