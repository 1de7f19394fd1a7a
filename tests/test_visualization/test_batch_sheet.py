from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bodies import LEFT_WRIST, t_pose, to_image
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmpose_integral.cli import visualize_batch
from mmpose_integral.codecs import Integral3DLabel
from mmpose_integral.structures.skeleton import LEFT_COLOR
from mmpose_integral.synthetic.prepare import prepare_from_truth
from mmpose_integral.visualization import batch_sheet
from mmpose_integral.visualization.batch_sheet import contact_sheet, draw_sample, input_image, read_labels

QUICKSTART = Path(__file__).resolve().parents[2] / 'configs' / 'quickstart' / 'integral_r18_standin.py'
WIDTH, HEIGHT = 96, 128
RIM = int(0.08 * HEIGHT)
INPUTS = torch.full((3, HEIGHT, WIDTH), 128, dtype=torch.uint8)
CODEC = Integral3DLabel((WIDTH, HEIGHT))


@pytest.fixture
def keypoints():
    return to_image(t_pose(), 0.05, (50.0, 60.0)).astype(np.float32)


def make_sample(keypoints, visible=None):
    sample = PoseDataSample(metainfo=dict(dataset_name='h80k', img_id=12, flip=True))
    encoded = CODEC.encode(keypoints[None], visible)
    sample.gt_instance_labels = InstanceData(**{name: torch.from_numpy(value) for name, value in encoded.items()})
    return sample


def draw(keypoints, visible=None, height=320):
    return draw_sample(INPUTS, make_sample(keypoints, visible), CODEC, height)


def test_labels_are_decoded_to_input_px(keypoints):
    visible = np.ones((1, 18, 3), np.float32)
    visible[:, 4:, 2] = 0
    keypoints[3, 2] = WIDTH
    decoded, trained, inside = read_labels(make_sample(keypoints, visible), CODEC)
    np.testing.assert_allclose(decoded, keypoints, atol=1e-4)
    np.testing.assert_array_equal(trained, visible[0] > 0)
    assert np.argwhere(~inside).tolist() == [[3, 2]]


@pytest.mark.parametrize('x, color', [(None, LEFT_COLOR), (WIDTH + 4.0, (255, 255, 255))])
def test_joints_are_drawn_on_the_crop_and_hollow_outside_of_it(keypoints, x, color):
    keypoints[LEFT_WRIST, 0] = x or keypoints[LEFT_WRIST, 0]
    tile = draw(keypoints, height=4 * (HEIGHT + 2 * RIM))
    column, row = np.rint((keypoints[LEFT_WRIST, :2] + RIM + 0.5) * 4 - 0.5).astype(int)
    np.testing.assert_allclose(tile[row, column], color, atol=1)
    assert (tile[:8, :8] == 225).all(), 'grey rim'


def test_masked_coordinates_are_not_drawn(keypoints):
    visible = np.ones((1, 18, 3), np.float32)
    whole = draw(keypoints, visible)
    visible[0, LEFT_WRIST] = 0
    assert (draw(keypoints, visible) != whole).any()
    visible[..., 2] = 0
    flat = draw(keypoints, visible)
    assert flat.shape == whole.shape and np.ptp(flat[:, -240:].astype(int), axis=-1).max() < 5, 'a note without colours'


def test_labels_outside_the_volume_are_counted_per_axis(keypoints, monkeypatch):
    texts = []
    monkeypatch.setattr(batch_sheet, 'put_text', lambda tile, text, *args, **kwargs: texts.append(text))
    keypoints[3, 0], keypoints[4:6, 2] = -1, WIDTH
    draw(keypoints)
    assert texts == ['h80k 12', '18 joints, 1 outside in x, 2 outside in z, flipped']


def test_samples_without_labels_show_the_truth():
    sample = PoseDataSample(metainfo=dict(img_id=3, box_found=False))
    bare = draw_sample(INPUTS, sample, CODEC)
    sample.gt_instances = InstanceData(keypoints_mm=t_pose()[None])
    assert (draw_sample(INPUTS, sample, CODEC) != bare).any()
    sample.gt_instance_labels = InstanceData(heatmaps=torch.zeros(1, 4))
    with pytest.raises(ValueError, match='keypoint_labels and keypoint_weights expected, got heatmaps'):
        draw_sample(INPUTS, sample, CODEC)


def test_channel_order_of_the_input():
    inputs = np.zeros((3, 2, 4), np.float32)
    inputs[0], inputs[1] = 200.4, -3.0
    assert input_image(inputs)[0, 0].tolist() == [0, 0, 200]
    assert input_image(inputs, bgr=False)[0, 0].tolist() == [200, 0, 0]


def test_sheet_contains_every_tile():
    tiles = [np.full((20 + n, 10 + 3 * n, 3), 10 * n, np.uint8) for n in range(5)]
    sheet = contact_sheet(tiles, 2)
    for n, tile in enumerate(tiles):
        assert (sheet == 10 * n).all(axis=-1).sum() == tile.shape[0] * tile.shape[1]
    with pytest.raises(ValueError, match='at least one'):
        contact_sheet([])


@pytest.mark.parametrize('split', ['train', 'val'])
def test_command_on_the_stand_in(standin, tmp_path, capsys, monkeypatch, split):
    prepare_from_truth(standin, splits=(split,))
    cameras = standin / 'h80k' / 'annotations' / 'h80k_train_perspective_cameras.npz'
    monkeypatch.setenv('STANDIN_ROOT', str(standin))
    visualize_batch.main([str(QUICKSTART), '--num', '6', '--columns', '3', '--out-dir', str(tmp_path / 'out'),
                          '--split', split, '--cfg-options',
                          f'train_dataloader.dataset.datasets.0.camera_file={cameras}'])
    file = tmp_path / 'out' / f'{QUICKSTART.stem}_{split}.png'
    assert cv2.imread(str(file)).shape[0] > 2 * 320 and str(file) in capsys.readouterr().out


def test_config_without_the_split(tmp_path):
    (tmp_path / 'a.py').write_text("codec = dict(type='Integral3DLabel', input_size=(96, 128))")
    with pytest.raises(ValueError, match='no train_dataloader'):
        visualize_batch.main([str(tmp_path / 'a.py')])


def test_samples_are_chosen_in_equal_parts():
    chosen = visualize_batch.choose_samples([5, 100, 2], 12, np.random.default_rng(0))
    assert len(set(chosen)) == 12
    sources = np.searchsorted([5, 105], chosen, side='right')
    assert np.bincount(sources).tolist() == [5, 5, 2]
    assert sorted(visualize_batch.choose_samples([3], 9, np.random.default_rng(0))) == [0, 1, 2]
