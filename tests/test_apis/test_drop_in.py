"""All models but image-based 3D models run in mmpose's own inferencers, with the same results."""
from pathlib import Path

import mmpose
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import MMPoseInferencer as Stock
from mmpose.apis.inference import dataset_meta_from_config
from mmpose.apis.inferencers import Pose2DInferencer, Pose3DInferencer
from mmpose.registry import MODELS

from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.apis.model_zoo import is_image_based

STOCK_CONFIGS = Path(mmpose.__file__).parent / '.mim' / 'configs'
POSE_2D = STOCK_CONFIGS / 'body_2d_keypoint/topdown_heatmap/coco/td-hm_mobilenetv2_8xb64-210e_coco-256x192.py'
LIFTER = STOCK_CONFIGS / 'body_3d_keypoint/image_pose_lift/h36m/image-pose-lift_tcn_8xb64-200e_h36m.py'
REPO = Path(__file__).parents[2]


@pytest.fixture
def weights(tmp_path):
    """Untrained weights of a 2D model and of a lifter, as checkpoints with their meta data."""
    paths = []
    for config in (POSE_2D, LIFTER):
        config = Config.fromfile(config)
        if 'backbone' in config.model:
            config.model.backbone.init_cfg = None
        torch.manual_seed(0)
        meta = dataset_meta_from_config(config)
        if config.model.type == 'PoseLifter':
            meta['stats_info'] = dict(bbox_center=(528., 427.), bbox_scale=400.)
        paths.append(str(tmp_path / f'{len(paths)}.pth'))
        torch.save(dict(state_dict=MODELS.build(config.model).state_dict(), meta=dict(dataset_meta=meta)), paths[-1])
    return paths


def assert_same(ours, stock, image, **kwargs):
    (mine, ), (theirs, ) = (next(inferencer(image, **kwargs))['predictions'] for inferencer in (ours, stock))
    assert len(mine) == len(theirs) == 1 and mine[0].keys() == theirs[0].keys()
    for name in ('keypoints', 'keypoint_scores'):
        np.testing.assert_allclose(mine[0][name], theirs[0][name], rtol=1e-5, atol=1e-5)


def test_2d_models_and_lifters_give_mmposes_results(weights):
    image = np.random.default_rng(0).integers(0, 255, (120, 90, 3), dtype=np.uint8)
    flat = dict(pose2d=str(POSE_2D), pose2d_weights=weights[0], det_model='whole_image', device='cpu')
    ours = MMPoseInferencer(**flat)
    assert type(ours.inferencer) is Pose2DInferencer
    assert_same(ours, Stock(**flat), image, kpt_thr=0.2)
    lifter = dict(flat, pose3d=str(LIFTER), pose3d_weights=weights[1])
    ours = MMPoseInferencer(**lifter)
    assert type(ours.inferencer) is Pose3DInferencer
    assert_same(ours, Stock(**lifter), image, use_oks_tracking=False)
    with pytest.raises(TypeError, match="unexpected keyword argument 'kpt_threshold'"):
        ours(image, kpt_threshold=0.2)
    with pytest.raises(TypeError, match="'bone_length'"):
        ours(image, bone_length=4000)
    with pytest.raises(ValueError, match='bone_length: only image-based 3D models take it'):
        MMPoseInferencer(**flat, bone_length=4000)


def test_image_based_models():
    for name in ('standin', 'integral_r18_standin', 'official', 'integral_r152_h80k', 'integral_r152_h80k_trainval',
                 REPO / 'configs/integral_r152_h80k.py',
                 str(REPO / 'configs/variants/integral-l2_res50_4xb16_h80k-mpii-256x256.py'),
                 Config.fromfile(REPO / 'configs/quickstart/integral_r18_standin.py')):
        assert is_image_based(name), name
    for name in ('human3d', 'hand3d', str(LIFTER), 'internet', str(POSE_2D)):
        assert not is_image_based(name), name


def test_arguments_of_mmpose_without_effect_are_accepted():
    image = np.full((64, 48, 3), 90, np.uint8)
    inferencer = MMPoseInferencer(pose3d='standin', det_model='whole-image', device='cpu')
    result = next(inferencer(image, use_oks_tracking=True, disable_rebase_keypoint=True, pose_based_nms=True,
                             merge_results=True, draw_heatmap=False, skeleton_style='mmpose', radius=4, thickness=2,
                             return_vis=True, black_background=True, num_instances=1, tracking_thr=0.3))
    assert len(result['predictions'][0]) == 1 and result['visualization'][0].dtype == np.uint8
