"""A photo becomes a picture and a JSON; nobody's place in it is ever guessed."""
import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mmpose_integral.apis import register_alias
from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.structures.skeleton import JOINT_NAMES

REPO = Path(__file__).parents[2]
CONFIG = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
CHECKPOINT = REPO / 'mmpose_integral' / 'assets' / 'integral_r18w32_standin.pth'
DETECTOR = REPO / 'configs' / 'quickstart' / 'detector_rtmdet_nano.py'


@pytest.fixture(scope='module')
def demo():
    """Runs the tool in this process; tools are no package."""
    spec = importlib.util.spec_from_file_location('image_demo', REPO / 'tools' / 'image_demo.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *args: module.main([*map(str, args), '--device', 'cpu'])


@pytest.fixture(scope='module')
def photo(standin, tmp_path_factory):
    """An upright photo of other width than height, stored turned by 90 degrees with an EXIF note that says so."""
    image = Image.open(standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg').crop((10, 0, 100, 120))
    path = tmp_path_factory.mktemp('photo') / 'turned.jpg'
    image.save(path.with_name('upright.jpg'), quality=100, subsampling=0)
    exif = image.getexif()
    exif[0x0112] = 6  # to be shown turned clockwise
    image.rotate(90, expand=True).save(path, exif=exif, quality=100, subsampling=0)
    return path


def read(out_dir, stem):
    return json.loads((out_dir / f'{stem}_pose.json').read_text())


def test_a_photo_is_turned_by_its_exif(demo, photo, tmp_path):
    for name in ('turned', 'upright'):
        assert demo(photo.with_name(f'{name}.jpg'), CONFIG, CHECKPOINT, '--whole-image', '--out-dir', tmp_path) == 0
    turned, upright = (read(tmp_path, name)['instances'][0] for name in ('turned', 'upright'))
    assert turned['bbox'] == upright['bbox'] == [0.0, 0.0, 90.0, 120.0]
    np.testing.assert_allclose(turned['keypoints_2d'], upright['keypoints_2d'], atol=1)
    np.testing.assert_allclose(turned['keypoint_scores'], upright['keypoint_scores'], atol=0.05)


def test_boxes_bone_length_and_alias(demo, photo, tmp_path, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    register_alias('official', CONFIG, CHECKPOINT)
    boxes = [5, 10, 60, 110.5, 20, 0, 90, 120]
    assert demo(photo, '--alias', 'official', '--bbox', *boxes, '--bone-length', 4000, '--out-dir', tmp_path) == 0
    result = read(tmp_path, 'turned')
    assert result['bone_length_mm'] == 4000 and result['keypoint_names'] == list(JOINT_NAMES)
    assert [person['bbox'] for person in result['instances']] == [boxes[:4], boxes[4:]]
    for person in result['instances']:
        assert skeleton_length(person['keypoints']) == pytest.approx(4000, abs=0.1)
        assert person['keypoints'][0] == [0, 0, 0]
        assert np.shape(person['keypoints']) == (18, 3) and np.shape(person['keypoints_2d']) == (18, 2)
        assert len(person['keypoint_scores']) == 18 and 0 <= min(person['keypoint_scores'])
    first, second = (np.array(person['keypoints_2d']) for person in result['instances'])
    assert np.abs(first - second).max() > 1  # each from its own box
    picture = cv2.imread(str(tmp_path / 'turned_pose.jpg'))
    assert picture.shape[0] >= 480 and picture.shape[1] > picture.shape[0] * 90 / 120 and picture.std() > 20
    # Without --bone-length, the mean that training stored.
    assert demo(photo, '--alias', 'official', '--bbox', *boxes[:4], '--out-dir', tmp_path) == 0
    stored = torch.load(CHECKPOINT)['meta']['dataset_meta']['skeleton_length']['train+val']
    assert read(tmp_path, 'turned')['bone_length_mm'] == stored


def test_a_detector_finds_the_people(demo, photo, tmp_path):
    from mmdet.apis import init_detector
    config = tmp_path / 'two.py'
    config.write_text(f'_base_ = {str(DETECTOR)!r}\nmodel = dict(test_cfg=dict(max_per_img=2))\n')
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match='checkpoint is None'):
        detector = init_detector(str(config), None, palette='random', device='cpu')

    def write(bias):
        """Untrained, it would find nothing: let it give every place a box of a fair size and one score."""
        for scores, sides in zip(detector.bbox_head.rtm_cls, detector.bbox_head.rtm_reg, strict=True):
            torch.nn.init.constant_(scores.bias, bias)
            torch.nn.init.constant_(sides.bias, 1.2)
        torch.save(dict(state_dict=detector.state_dict(), meta=dict(dataset_meta=dict(classes=('person', )))),
                   tmp_path / 'det.pth')
        return ['--det-config', config, '--det-checkpoint', tmp_path / 'det.pth', '--out-dir', tmp_path]

    assert demo(photo, CONFIG, CHECKPOINT, *write(0.5)) == 0
    boxes = np.array([person['bbox'] for person in read(tmp_path, 'turned')['instances']])
    assert boxes.shape == (2, 4) and (boxes >= 0).all() and (boxes <= (90, 120, 90, 120)).all()
    assert demo(photo, CONFIG, CHECKPOINT, *write(-9)) == 1


@pytest.mark.parametrize('args, message', [
    (['{config}', '{checkpoint}'], 'where is the person? Give one of --bbox'),
    (['{config}', '{checkpoint}', '--whole-image', '--bbox', 1, 2, 3, 4], 'where is the person?'),
    (['{config}', '--whole-image'], 'either CONFIG and CHECKPOINT or --alias'),
    (['{config}', '{checkpoint}', '--alias', 'official', '--whole-image'], 'either CONFIG and CHECKPOINT or --alias'),
    (['{config}', '{checkpoint}', '--bbox', 1, 2, 3], 'four numbers a person expected, got 3'),
    (['{config}', '{checkpoint}', '--det-checkpoint', 'x.pth'], 'is of a --det-config'),
    (['{config}', '{checkpoint}', '--whole-image', '--bone-length', 0], 'a positive number of mm expected'),
    (['{config}', '{checkpoint}', '--bbox', 1, 2, 9, 9, 50, 10, 20, 30], 'within the photo of 90x120 px expected'),
    (['{config}', 'absent.pth', '--whole-image'], 'absent.pth: no such file'),
    (['--alias', 'unknown', '--whole-image'], "alias 'unknown' is not in")])
def test_mistakes_end_in_a_sentence_and_write_nothing(args, message, demo, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    args = [str(arg).format(config=CONFIG, checkpoint=CHECKPOINT) for arg in args]
    try:
        assert demo(photo, *args, '--out-dir', tmp_path / 'out') == 1
    except SystemExit as stop:
        assert stop.code == 2
    assert message in capsys.readouterr().err and not (tmp_path / 'out').exists()


def test_what_is_no_photo_is_named(demo, tmp_path, capsys):
    (tmp_path / 'a.jpg').write_text('text')
    assert demo(tmp_path / 'a.jpg', CONFIG, CHECKPOINT, '--whole-image') == 1
    assert 'a.jpg cannot be decoded' in capsys.readouterr().err
