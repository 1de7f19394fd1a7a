"""Skeletons and samples whose joints can be checked by hand."""
from pathlib import Path

import numpy as np
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmpose_integral.structures.skeleton import add_thorax

LENGTH = 4000.0
HEAD, LEFT_WRIST, RIGHT_WRIST = 10, 13, 16


def t_pose(size: float = 1.0) -> np.ndarray:
    """(18, 3) mm: facing the camera, arms out; the person's left is on the picture's right (x > 0)."""
    rows = [(0, 0, 0), (-130, 10, 0), (-140, 450, 20), (-150, 880, 60), (130, 10, 0), (140, 450, 20), (150, 880, 60),
            (0, -240, 10), (0, -540, 10), (0, -600, -80), (0, -720, 0), (180, -470, 0), (450, -470, 0),
            (700, -470, 0), (-180, -470, 0), (-450, -470, 0), (-700, -470, 0)]
    return add_thorax(np.array(rows, np.float64)) * size


def to_image(mm: np.ndarray, scale: float = 0.2, center: tuple[float, float] = (150.0, 200.0)) -> np.ndarray:
    """(18, 3) image px under a weak-perspective camera."""
    return np.concatenate([mm[:, :2] * scale + center, mm[:, 2:] * scale], axis=1)


def make_sample(path: str | Path | None = None, people: int = 1, truth: bool = True,
                **fields: np.ndarray) -> PoseDataSample:
    """A data sample as the estimator returns it, with px in x, y and z; ``fields`` are added to the prediction."""
    flat = np.stack([to_image(t_pose(), 0.2 - 0.02 * n, (110 + 70.0 * n, 180)) for n in range(people)])
    pred = InstanceData(keypoints=flat.astype(np.float32), keypoint_scores=np.full((people, 18), 0.9, np.float32),
                        keypoint_std=np.full((people, 18, 3), 4.0, np.float32),
                        bboxes=np.tile([[10.0, 20, 200, 400]], (people, 1)))
    for name, value in fields.items():
        pred.set_field(value, name)
    sample = PoseDataSample(metainfo=dict(img_path=str(path), img_id=7, box_found=True), pred_instances=pred,
                            gt_instances=InstanceData(bboxes=pred.bboxes))
    if truth:
        sample.gt_instances.keypoints_mm = np.stack([t_pose()] * people).astype(np.float32)
    return sample
