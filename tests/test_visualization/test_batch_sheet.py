import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bodies import t_pose, to_image
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmpose_integral.codecs import Integral3DLabel
from mmpose_integral.structures.skeleton import LEFT_COLOR
from mmpose_integral.synthetic.prepare import prepare_from_truth
from mmpose_integral.visualization.batch_sheet import contact_sheet, draw_sample, input_image, read_labels

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'visualize_batch.py'
WIDTH, HEIGHT, LEFT_WRIST = 96, 128, 13


@pytest.fixture
def codec():
    return Integral3DLabel((WIDTH, HEIGHT))


def make_sample(codec, keypoints, visible=None):
    sample = PoseDataSample(metainfo=dict(dataset_name='h80k', img_id=12, flip=True))
    encoded = codec.encode(keypoints[None], visible)
    sample.gt_instance_labels = InstanceData(**{name: torch.from_numpy(value) for name, value in encoded.items()})
    return sample


def test_labels_come_back_in_input_px(codec):
    keypoints = to_image(t_pose(), 0.05, (50.0, 60.0)).astype(np.float32)
    visible = np.ones((1, 18, 3), np.float32)
    visible[:, 4:, 2] = 0
    decoded, trained = read_labels(make_sample(codec, keypoints, visible), codec)
    np.testing.assert_allclose(decoded, keypoints, atol=1e-4)
    np.testing.assert_array_equal(trained, visible[0] > 0)


def test_joints_lie_on_the_crop(codec):
    keypoints = to_image(t_pose(), 0.05, (50.0, 60.0)).astype(np.float32)
    inputs = torch.full((3, HEIGHT, WIDTH), 128, dtype=torch.uint8)
    height = 4 * (HEIGHT + 2 * int(0.08 * HEIGHT))
    tile = draw_sample(inputs, make_sample(codec, keypoints), codec, height)
    x, y = np.rint((keypoints[LEFT_WRIST, :2] + int(0.08 * HEIGHT) + 0.5) * 4 - 0.5).astype(int)
    np.testing.assert_allclose(tile[y, x], LEFT_COLOR, atol=1)
    assert (tile[:8, :8] == 225).all(), 'grey rim'


def test_flat_samples_show_no_depth(codec):
    keypoints = to_image(t_pose(), 0.05, (50.0, 60.0)).astype(np.float32)
    visible = np.ones((1, 18, 3), np.float32)
    inputs = torch.full((3, HEIGHT, WIDTH), 128, dtype=torch.uint8)
    deep = draw_sample(inputs, make_sample(codec, keypoints, visible), codec)
    visible[..., 2] = 0
    flat = draw_sample(inputs, make_sample(codec, keypoints, visible), codec)
    right = flat[:, -240:].astype(int)
    assert deep.shape == flat.shape and np.ptp(right, axis=-1).max() < 5, 'no colours, only the note'


def test_masked_joints_are_left_out_and_outside_ones_hollow(codec):
    keypoints = to_image(t_pose(), 0.05, (50.0, 60.0)).astype(np.float32)
    inputs = torch.full((3, HEIGHT, WIDTH), 128, dtype=torch.uint8)
    visible = np.ones((1, 18), np.float32)
    whole = draw_sample(inputs, make_sample(codec, keypoints, visible), codec)
    visible[0, LEFT_WRIST] = 0
    assert (draw_sample(inputs, make_sample(codec, keypoints, visible), codec) != whole).any()
    keypoints[LEFT_WRIST, 0] = WIDTH + 4.0
    height = 4 * (HEIGHT + 2 * int(0.08 * HEIGHT))
    tile = draw_sample(inputs, make_sample(codec, keypoints), codec, height)
    x, y = np.rint((keypoints[LEFT_WRIST, :2] + int(0.08 * HEIGHT) + 0.5) * 4 - 0.5).astype(int)
    assert tile[y, x].tolist() == [255, 255, 255]


def test_samples_without_labels_show_the_truth(codec):
    inputs = torch.full((3, HEIGHT, WIDTH), 128, dtype=torch.uint8)
    sample = PoseDataSample(metainfo=dict(img_id=3, box_found=False))
    bare = draw_sample(inputs, sample, codec)
    sample.gt_instances = InstanceData(keypoints_mm=t_pose()[None])
    assert (draw_sample(inputs, sample, codec) != bare).any()
    sample.gt_instance_labels = InstanceData(heatmaps=torch.zeros(1, 4))
    with pytest.raises(ValueError, match='keypoint_labels and keypoint_weights expected, got heatmaps'):
        draw_sample(inputs, sample, codec)


def test_channel_order():
    inputs = np.zeros((3, 2, 4), np.float32)
    inputs[0], inputs[1] = 200.4, -3.0
    assert input_image(inputs)[0, 0].tolist() == [0, 0, 200]
    assert input_image(inputs, bgr=False)[0, 0].tolist() == [200, 0, 0]


def test_sheet_keeps_every_tile():
    tiles = [np.full((20 + n, 10 + 3 * n, 3), 10 * n, np.uint8) for n in range(5)]
    sheet = contact_sheet(tiles, 2)
    for n, tile in enumerate(tiles):
        assert (sheet == 10 * n).all(axis=-1).sum() == tile.shape[0] * tile.shape[1]
    with pytest.raises(ValueError, match='at least one'):
        contact_sheet([])


CONFIG = '''
custom_imports = dict(imports=['mmpose_integral'])
codec = dict(type='Integral3DLabel', input_size=(96, 128))
model = dict(data_preprocessor=dict(bgr_to_rgb=True))
load = dict(type='LoadImage', color_type='color_ignore_orientation')
tail = [dict(type='TopdownAffine3D', input_size=(96, 128)), dict(type='GenerateTarget', encoder=codec),
        dict(type='PackPose3DInputs')]
train_dataloader = dict(dataset=dict(type='MixedPoseDataset', datasets=[
    dict(type='H80KDataset', data_root='{root}/h80k/', ann_file='annotations/h80k_train.npz',
         bbox_file='annotations/h80k_train_boxes.json',
         camera_file='annotations/h80k_train_cameras.npz',
         pipeline=[load, dict(type='FitWeakPerspective'), dict(type='GetBBoxCenterScale', padding=1.25), *tail]),
    dict(type='ZeroBasedMpiiDataset', data_root='{root}/mpii/', ann_file='annotations/mpii_train.json',
         data_prefix=dict(img='images/'),
         pipeline=[load, dict(type='KeypointConverter3D', source='mpii'), dict(type='GetBBoxFromKeypoints'),
                   dict(type='GetBBoxCenterScale', padding=1.35), *tail])]))
'''


def test_tool_on_the_stand_in(standin, tmp_path, monkeypatch, capsys):
    prepare_from_truth(standin, splits=('train',))
    config = tmp_path / 'mixed.py'
    config.write_text(CONFIG.replace('{root}', str(standin)))
    out_dir = str(tmp_path / 'out')
    arguments = ['visualize_batch.py', str(config), '--num', '6', '--columns', '3', '--out-dir', out_dir]
    monkeypatch.setattr(sys, 'argv', arguments)
    runpy.run_path(str(TOOL), run_name='__main__')
    sheet = cv2.imread(str(tmp_path / 'out' / 'mixed_train.png'))
    assert sheet.shape[0] > 2 * 320 and 'mixed_train.png' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'argv', [*arguments, '--split', 'val'])
    with pytest.raises(SystemExit, match='no val_dataloader'):
        runpy.run_path(str(TOOL), run_name='__main__')


def test_samples_are_chosen_in_equal_parts():
    choose = runpy.run_path(str(TOOL))['choose_samples']
    chosen = choose([5, 100, 2], 12, np.random.default_rng(0))
    assert len(set(chosen)) == 12
    sources = np.searchsorted([5, 105], chosen, side='right')
    assert np.bincount(sources).tolist() == [5, 5, 2]
    assert sorted(choose([3], 9, np.random.default_rng(0))) == [0, 1, 2]
