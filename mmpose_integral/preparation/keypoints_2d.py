"""Prediction of the project's 18 joints in image px with top-down 2D models of MMPose, from frame and box."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmpose.apis import init_model
from mmpose.structures import PoseDataSample
from mmpose.structures.bbox import bbox_xywh2xyxy

from mmpose_integral.models.upright_crops import Crop, Person, UprightCrops, crop_person, predict_crops
from mmpose_integral.models.weights import load_weights_file
from mmpose_integral.preparation.detection import checkpoint_fingerprint
from mmpose_integral.preparation.sharded_job import fingerprint
from mmpose_integral.structures.skeleton import JOINT_MAPS, NUM_JOINTS
from mmpose_integral.utils.config_files import check_entries, explain_building, read_config
from mmpose_integral.utils.files import rounded

# Our own models, such as `photo`, predict our joints; the format is named after the dataset.
_FORMAT_MAPS = dict(JOINT_MAPS, h80k=tuple(range(NUM_JOINTS)))
FORMAT_SIZES = dict(mpii=16, coco=17, h80k=NUM_JOINTS)


def joint_format(dataset_meta: dict) -> str:
    """Determine the joint format of a model, a key of ``FORMAT_SIZES``, from the meta data of its dataset.

    Raises:
        ValueError: If the format is unknown.
    """
    name, size = str(dataset_meta.get('dataset_name')), dataset_meta.get('num_keypoints')
    if FORMAT_SIZES.get(name) != size:
        raise ValueError(f'the 2D model predicts the {size} joints of dataset {name!r}; a model of MPII (16 joints) or '
                         'COCO (17 joints), or one of this package, is expected')
    return name


def to_h80k_joints(keypoints: np.ndarray, scores: np.ndarray, joint_format: str) -> tuple[np.ndarray, np.ndarray]:
    """Convert a model's joints, (N, J, 2) image px, and their scores, (N, J), to the project's joints.

    Returns:
        (N, 18, 2) and (N, 18) float32; joints that the format lacks are 0 in both. Scores are clipped to [0, 1],
        because heat-map peaks may lie slightly outside this range.

    Raises:
        ValueError: If J is not the format's number of joints.
    """
    if keypoints.shape[1] != FORMAT_SIZES[joint_format]:
        raise ValueError(f'keypoints: shape (N, {FORMAT_SIZES[joint_format]}, 2) expected for format {joint_format!r}, '
                         f'got {keypoints.shape}')
    source = np.array(_FORMAT_MAPS[joint_format])
    present = source >= 0
    mapped = np.where(present[:, None], keypoints[:, source], 0).astype(np.float32)
    return mapped, np.where(present, np.clip(scores[:, source], 0, 1), 0).astype(np.float32)


def merge_by_score(keypoints: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take each joint from the model with the highest score; of equal scores, the one of the earlier model is taken.

    Args:
        keypoints: (M, N, K, 2), one entry per model, image px.
        scores: (M, N, K), scores; 0 = not predicted.

    Returns:
        Joints (N, K, 2) and scores (N, K).
    """
    best = np.argmax(scores, axis=0)[None]
    return np.take_along_axis(keypoints, best[..., None], axis=0)[0], np.take_along_axis(scores, best, axis=0)[0]


class TopdownModel:
    """Top-down 2D model, or 3D model of this package, whose x and y are used.

    If the config has ``upright``, people are predicted in several crops (:class:`UprightCrops`).

    Args:
        config: Config file of a top-down model in MPII or COCO format, or of this package.
        checkpoint: Weights of the model, a file or a URL.
        device: Device, such as 'cpu' or 'cuda:0'.
        one_based: Whether the model was trained on MPII's 1-based joints, so that its predictions are 1 px too large:
            'yes', 'no', or 'auto'. 'auto' looks for mmpose's ``MpiiDataset`` in the config's training data.
        padding: Crop side divided by box side. Default: that of the config's test pipeline.

    Raises:
        ValueError: If the joint format is another one, or the model is not top-down.
        CheckpointError: If the checkpoint is damaged or not of this config.
    """

    def __init__(self, config: str | Path, checkpoint: str | Path, device: str, one_based: str = 'auto',
                 padding: float | None = None) -> None:
        cfg = read_config(config, 'model')
        self.checkpoint = str(checkpoint)
        self.one_based = trains_one_based(cfg) if one_based == 'auto' else one_based == 'yes'
        # init_model sets the default scope to mmpose, also in a process where mmdet was imported first.
        with explain_building(str(config)):
            self.model = init_model(cfg, self.checkpoint, device=device)
        load_weights_file(self.model, self.checkpoint)
        check_entries(cfg, config, 'test_dataloader')
        self.format = joint_format(self.model.dataset_meta)
        pipeline = cfg.test_dataloader.dataset.pipeline
        self.pipeline = Compose(pipeline if padding is None else with_padding(pipeline, padding))
        options = cfg.get('upright')
        self.upright = UprightCrops(**(options if isinstance(options, dict) else {})) if options else None

    def settings(self) -> list:
        """Settings that the joints depend on."""
        return [fingerprint(self.model.cfg.model.to_dict(), self.pipeline), checkpoint_fingerprint(self.checkpoint),
                self.one_based, self.upright and fingerprint(vars(self.upright))]

    def prepare(self, frame_id: int, image: np.ndarray, bbox: list[float]) -> tuple[dict, Person]:
        """Convert an image, (H, W, 3) uint8, BGR, and a box, [x, y, w, h] in image px, to the model's input."""
        box = np.append(bbox_xywh2xyxy(np.array([bbox], dtype=np.float32)), np.float32(1))
        person = Person(image, box, dict(img_id=frame_id))
        crop = crop_person(self.pipeline, self.model.dataset_meta, person, Crop())
        return crop, person if self.upright else person._replace(image=image[:0])  # a large image is slow to send

    @torch.no_grad()
    def predict(self, inputs: Sequence[tuple[dict, Person]]) -> tuple[np.ndarray, np.ndarray]:
        """Predict the joints of N results of ``prepare``.

        Returns:
            Joints (N, 18, 2), image px, 0-based, and scores (N, 18); those of models of this package are 1.
        """
        def predict(people: Sequence[int], crops: Sequence[Crop]) -> list[PoseDataSample]:
            if all(not crop.angle and crop.box is None for crop in crops):  # these crops were made by ``prepare``
                return self.model.test_step(pseudo_collate([inputs[i][0] for i in people])) if len(people) else []
            return predict_crops(self.model, self.pipeline, pseudo_collate, [inputs[i][1] for i in people], crops)

        everyone = range(len(inputs))
        samples = self.upright.predict(predict, len(inputs))[0] if self.upright else predict(everyone, [])
        found = [sample.pred_instances for sample in samples]
        keypoints = np.concatenate([f.keypoints for f in found])[..., :2] - float(self.one_based)
        scores = np.concatenate([f.keypoint_scores for f in found])
        if self.format == 'h80k':
            scores = np.ones_like(scores)  # the model's are for positions from the root, not for px
        return to_h80k_joints(keypoints, scores, self.format)


def with_padding(pipeline: list[dict], padding: float) -> list[dict]:
    """Copy a pipeline's config with another ``padding`` of ``GetBBoxCenterScale``.

    Raises:
        ValueError: If it has no such step, or the padding is not positive.
    """
    if not padding > 0:
        raise ValueError(f'--padding: a number above 0 expected, got {padding}')
    if not any(step['type'] == 'GetBBoxCenterScale' for step in pipeline):
        raise ValueError('--padding: GetBBoxCenterScale expected in the test pipeline, which has only '
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

    def __init__(self, models: Sequence[TopdownModel], boxes: dict[int, list[float]]) -> None:
        self.models, self.boxes = models, boxes

    def prepare(self, frame_id: int, image: np.ndarray) -> tuple[int, list[tuple[dict, Person]]]:
        """Prepare the inputs of all models for one frame."""
        return frame_id, [model.prepare(frame_id, image, self.boxes[frame_id]) for model in self.models]

    def predict(self, batch: Sequence[tuple[int, list[tuple[dict, Person]]]]) -> list[dict]:
        """Make the records of several frames from results of ``prepare``; see :func:`record`."""
        inputs = zip(*(data for _, data in batch), strict=True)
        results = [model.predict(each) for model, each in zip(self.models, inputs, strict=True)]
        keypoints, scores = merge_by_score(*(np.stack(arrays) for arrays in zip(*results, strict=True)))
        return [record(frame_id, *joints) for (frame_id, _), *joints in zip(batch, keypoints, scores, strict=True)]


def record(frame_id: int, keypoints: np.ndarray | None = None, scores: np.ndarray | None = None) -> dict:
    """Make a frame's record for the parts folder from joints (18, 2), image px, and scores (18,).

    Without joints, all are marked as not predicted.
    """
    if keypoints is None or scores is None:
        keypoints, scores = np.zeros((NUM_JOINTS, 2)), np.zeros(NUM_JOINTS)
    return dict(frame_id=frame_id, keypoints_2d=rounded(keypoints, 2), score=rounded(scores, 4))
