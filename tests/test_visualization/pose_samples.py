"""Samples as an estimator makes them."""
import numpy as np
from bodies import t_pose, to_image
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

LENGTH = 4000.0


def make_sample(path=None, people=1, truth=True, **fields):
    """A sample as it leaves the estimator: px in x, y and z."""
    flat = np.stack([to_image(t_pose(), 0.2 - 0.02 * n, (110 + 70.0 * n, 180)) for n in range(people)])
    pred = InstanceData(keypoints=flat.astype(np.float32), keypoint_scores=np.full((people, 18), 0.9, np.float32),
                        keypoint_std=np.full((people, 18, 3), 4.0, np.float32),
                        bboxes=np.tile([[10.0, 20, 200, 400]], (people, 1)))
    for name, value in fields.items():
        pred.set_field(value, name)
    sample = PoseDataSample(metainfo=dict(img_path=str(path), img_id=7, box_found=True))
    sample.pred_instances = pred
    sample.gt_instances = InstanceData(bboxes=pred.bboxes)
    if truth:
        sample.gt_instances.keypoints_mm = np.stack([t_pose()] * people).astype(np.float32)
    return sample
