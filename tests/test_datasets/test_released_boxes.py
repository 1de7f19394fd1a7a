"""The boxes of the released code, as the configs make them, against numbers computed from its description.

It widens each box to the aspect ratio of the input, and then enlarges it: the extent of the aligned joints (Train, Val,
MPII) and of the predicted 2D joints (Test), and COCO's box, by 1.25; the detector's box for the 2D model by 1.1.
"""
import numpy as np
import pytest
from mmengine.config import Config
from mmpose.registry import DATASETS, MODELS, TRANSFORMS
from small_training import REPO, save_random_weights

from mmpose_integral.datasets.transforms.boxes import joint_extent
from mmpose_integral.preparation.keypoints_2d import TopdownModel
from mmpose_integral.synthetic.prepare import prepare_from_truth

RELEASED = 'variants/integral_res152_4xb12-186e_h80k-mpii-coco-288x384_released.py'
OFFICIAL = 'official/integral_r152_train_288x384.py'
KEYPOINTS_2D = REPO / 'configs' / 'quickstart' / 'keypoints_2d_r18_mpii.py'
IMAGE = np.zeros((1000, 1000, 3), np.uint8)


def crop(pipeline, sample):
    """Centre and size of the crop of a sample, image px, without random steps."""
    for step in pipeline:
        if step['type'] not in ('LoadImage', 'ReleasedCodeCropBox'):
            sample = TRANSFORMS.build(step)(sample)
        if step['type'] == 'TopdownAffine3D':
            return [*sample['input_center'], *sample['input_scale']]


def joints_within(count, left, top, right, bottom):
    """(1, count, 2) points whose extent is the given box."""
    points = np.random.default_rng(count).uniform((left, top), (right, bottom), (count, 2))
    points[[2, 5]] = [[left, bottom], [right, top]]
    return points[None].astype(np.float32)


def source(number):
    dataset = Config.fromfile(REPO / 'configs' / RELEASED).train_dataloader.dataset
    return [*dataset.datasets[number].pipeline, *dataset.pipeline]


@pytest.mark.parametrize('pipeline', [
    source(0), Config.fromfile(REPO / 'configs' / RELEASED).test_dataloader.dataset.pipeline,
    Config.fromfile(REPO / 'configs' / 'official/integral_r152_train_288x384_true-boxes.py')
    .test_dataloader.dataset.pipeline])
def test_boxes_of_train_and_val(pipeline):
    # 600 x 1800 mm at 0.2 px per mm are 120 x 360 px; 360 x 0.75 x 1.25 = 337.5 wide, 360 x 1.25 = 450 high
    xy = joints_within(18, -300, -900, 300, 900)
    sample = dict(img=IMAGE, keypoints_mm=np.concatenate([xy, xy[..., :1]], axis=-1),
                  keypoints_2d=xy * 0.2 + [460, 480], keypoints_2d_score=np.ones((1, 18)))
    np.testing.assert_allclose(crop(pipeline, sample), [460, 480, 337.5, 450], rtol=1e-4)


def test_boxes_of_mpii_and_coco():
    # The extent is 200 x 120 px: 200 x 1.25 = 250 wide, 200 / 0.75 x 1.25 = 333.3 high.
    keypoints = joints_within(16, 300, 400, 500, 520)
    sample = dict(img=IMAGE, keypoints=keypoints, keypoints_visible=np.ones((1, 16)), bbox=np.array([[0., 0, 9, 9]]))
    np.testing.assert_allclose(crop(source(1), sample), [400, 460, 250, 1000 / 3], rtol=1e-4)
    sample = dict(img=IMAGE, keypoints=joints_within(17, 300, 400, 500, 520), keypoints_visible=np.ones((1, 17)),
                  bbox=np.array([[100., 100, 300, 600]]))  # 500 x 0.75 x 1.25 = 468.75 wide, 625 high
    np.testing.assert_allclose(crop(source(2), sample), [200, 350, 468.75, 625], rtol=1e-4)


@pytest.fixture(scope='module')
def test_split(standin, tmp_path_factory):
    """Test of the stand-in data (128 px), with 2D joints in a known box in the first frame, and none in the second."""
    folder = tmp_path_factory.mktemp('released')
    prepare_from_truth(standin, folder, ('test', ))
    with np.load(folder / 'h80k_test_keypoints_2d.npz') as file:
        arrays = dict(file)
    arrays['keypoints_2d'][0], arrays['keypoints_2d_score'][0] = joints_within(18, 20, 10, 50, 110), 1
    arrays['keypoints_2d'][0, 7] = arrays['keypoints_2d_score'][0, 7] = 0  # a joint that the 2D model lacks
    arrays['keypoints_2d_score'][1] = 0
    np.savez(folder / 'h80k_test_keypoints_2d.npz', **arrays)
    return standin / 'h80k', folder


@pytest.mark.parametrize('config', [OFFICIAL, RELEASED, 'official/integral_r152_trainval_288x384.py'])
def test_boxes_of_test(test_split, config):
    root, folder = test_split
    options = Config.fromfile(REPO / 'configs' / config).submission_dataloader.dataset
    options.update(data_root=str(root), ann_file=f'{folder}/h80k_test.npz', keypoints_2d_file=(
        f'{folder}/h80k_test_keypoints_2d.npz'))
    dataset = DATASETS.build(options)
    samples = [dataset[i]['data_samples'].metainfo for i in range(2)]
    assert [sample['box_found'] for sample in samples] == [True, False]
    crops = [[*sample['input_center'], *sample['input_scale']] for sample in samples]
    # 30 x 100 px: 100 x 0.75 x 1.25 = 93.75 wide, 125 high. The whole image of 128 x 128 px is not enlarged.
    np.testing.assert_allclose(crops, [[35, 60, 93.75, 125], [64, 64, 128, 128 / 0.75]], rtol=1e-4)


def test_crop_of_the_2d_model(tmp_path):
    weights = save_random_weights(KEYPOINTS_2D, tmp_path / 'pose.pth')
    model = TopdownModel(KEYPOINTS_2D, weights, 'cpu', padding=1.1)
    width, height = model.model.cfg.codec.input_size
    sample = model.prepare(1, IMAGE, [300, 200, 100, 400])[0]['data_samples'].metainfo
    # 400 px high: 440 px with the padding; the width follows from the aspect ratio
    np.testing.assert_allclose([*sample['input_center'], *sample['input_scale']],
                               [350, 400, 440 * width / height, 440], rtol=1e-4)


def test_whole_image_of_row_1():
    pipeline = Config.fromfile(REPO / 'configs/ablation/integral_res50_4xb16_h80k-256x256_no-box.py')
    sample = dict(img=IMAGE, bbox=np.array([[0., 0, 1000, 1000]]), box_found=False)
    np.testing.assert_allclose(crop(pipeline.test_dataloader.dataset.pipeline, sample), [500, 500, 1000, 1000])


def test_extent_of_several_people():
    keypoints = np.array([[[5, 9], [1, 20], [300, 300]], [[7, 7], [8, 9], [0, 0]], [[0, 0]] * 3], dtype=np.float32)
    present = np.array([[True, True, False], [True, True, False], [False] * 3])
    np.testing.assert_array_equal(joint_extent(keypoints, present), [[1, 9, 5, 20], [np.nan] * 4, [np.nan] * 4])


def test_configurations():
    """Learning rate, batch size per GPU and input of the released code's configurations for ResNet-152."""
    expected = {'integral_res152_4xb24-186e_h80k-mpii-256x256_released': (1e-3, 24, (256, 256), 64),
                'integral_res152_4xb12-186e_h80k-mpii-coco-288x384_released': (1e-4, 12, (288, 384), 72)}
    for name, values in expected.items():
        cfg = Config.fromfile(REPO / 'configs' / 'variants' / f'{name}.py')
        assert values == (cfg.optim_wrapper.optimizer.lr, cfg.train_dataloader.batch_size,
                          cfg.model.head.decoder.input_size, cfg.model.head.depth_bins)
        assert cfg.model.backbone.depth == 152 and MODELS.build(cfg.model.head).num_joints == 18
        assert cfg.auto_scale_lr.base_batch_size == 4 * cfg.train_dataloader.batch_size
