"""The command infer: pictures, JSON, tables and exit statuses, for good and for faulty inputs."""
import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from small_training import REPO, files_in

from mmpose_integral.apis import IntegralPose3DInferencer, register_alias
from mmpose_integral.cli.infer.arguments import parse_args
from mmpose_integral.cli.infer.command import call_arguments
from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.formats.people_table import read_npz

CONFIG = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
CHECKPOINT = REPO / 'mmpose_integral' / 'assets' / 'integral_r18_standin.pth'
STORED_LENGTH = torch.load(CHECKPOINT)['meta']['dataset_meta']['skeleton_length']['train+val']

pytestmark = pytest.mark.usefixtures('one_thread')


def people_of(out_dir, name):
    return json.loads((out_dir / 'predictions' / f'{name}.json').read_text())


def frames_in(path):
    return cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)


def test_a_photo_is_rotated_by_its_exif_orientation(infer, photo, tmp_path):
    assert infer(photo, photo.with_name('upright.jpg'), '--whole-image', '--out-dir', tmp_path) == 0
    (turned, ), (upright, ) = (people_of(tmp_path, name) for name in ('turned', 'upright'))
    assert turned['bbox'] == upright['bbox'] == [[0.0, 0.0, 90.0, 120.0]]
    np.testing.assert_allclose(turned['keypoints_2d'], upright['keypoints_2d'], atol=1)
    np.testing.assert_allclose(turned['keypoint_scores'], upright['keypoint_scores'], atol=0.05)


def test_boxes_bone_length_and_alias(infer, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    register_alias('mine', CONFIG, CHECKPOINT)
    boxes = [5, 10, 60, 110.5], [20, 0, 90, 120]
    assert infer('--bbox', *boxes[0], '--bbox', *boxes[1], photo, '--bone-length', 4000, '--focal-length', 1000,
                 '--out-dir', tmp_path, model=('--pose3d', 'mine')) == 0
    people = people_of(tmp_path, 'turned')
    assert [person['bbox'][0] for person in people] == [list(box) for box in boxes]
    for person in people:
        assert skeleton_length(person['keypoints']) == pytest.approx(4000, abs=0.1) and person['bone_length'] == 4000
        assert person['keypoints'][0] == [0, 0, 0] and np.shape(person['keypoints_2d']) == (18, 2)
        camera = person['camera']
        points = np.add(person['keypoints'], camera['root_position'])
        projected = points[:, :2] / points[:, 2:] * 1000 + camera['principal_point']
        np.testing.assert_allclose(projected, person['keypoints_2d'], atol=0.1)
        assert camera['root_position'][2] == pytest.approx(1000 / camera['scale'], rel=0.02)
    first, second = (np.array(person['keypoints_2d']) for person in people)
    assert np.abs(first - second).max() > 1  # each from its own box
    picture = cv2.imread(str(tmp_path / 'visualizations' / 'turned.jpg'))
    assert picture.shape[0] >= 480 and picture.shape[1] > picture.shape[0] * 90 / 120 and picture.std() > 20
    assert capsys.readouterr().out.startswith('1 image (2 people, 0 without a person), 0 failed, ')
    # The default bone length is the stored mean of the training data.
    assert infer('--bbox', *boxes[0], photo, '--views', 'none', '--vis-out-dir', tmp_path / 'one.png', '--npz',
                 tmp_path / 'one.npz', model=('--pose3d', CONFIG, '--pose3d-weights', CHECKPOINT)) == 0
    np.testing.assert_allclose(read_npz(tmp_path / 'one.npz')['bone_length_mm'], [STORED_LENGTH], rtol=1e-6)
    assert cv2.imread(str(tmp_path / 'one.png')).shape[1] < picture.shape[1]  # without views


def test_a_damaged_file_stops_neither_its_batch_nor_the_rest(infer, frames, tmp_path, capsys):
    one, two, out = (tmp_path / name for name in ('one', 'two', 'out'))
    one.mkdir(), two.mkdir()
    for frame in frames[:4]:
        shutil.copy(frame, one)
    (one / '00002.jpg').write_text('text')
    shutil.copy(frames[4], two / '00001.jpg')
    assert infer(one, two, '--batch-size', 2, '--out-dir', out, '--csv', out / 'all.csv', '--npz', out / 'all.npz') == 1
    printed, err = capsys.readouterr()
    assert err.splitlines() == [f'infer: {one / "00002.jpg"} cannot be decoded as an image']
    assert printed.startswith('4 images (4 people, 0 without a person), 1 failed, ') and printed.count('\n') == 1
    assert str(out / 'all.csv') in printed and str(out / 'visualizations') in printed
    stems = ['00001', '00001_1', '00003', '00004']  # files with the same name in two folders do not replace each other
    assert files_in(out) == sorted(['all.csv', 'all.npz', *(f'predictions/{stem}.json' for stem in stems),
                                    *(f'visualizations/{stem}.jpg' for stem in stems)])
    people = [people_of(out, stem)[0] for stem in ('00001', '00003', '00004', '00001_1')]
    table = read_npz(out / 'all.npz')
    assert table['frame_path'].tolist() == [str(path) for path in (
        one / '00001.jpg', one / '00003.jpg', one / '00004.jpg', two / '00001.jpg')]
    np.testing.assert_allclose(table['keypoints_mm'], [person['keypoints'] for person in people], atol=1e-3)
    assert len((out / 'all.csv').read_text().splitlines()) == 1 + 4 * 18
    # The box of the detector is smaller than the image.
    assert all(np.ptp(np.reshape(person['bbox'], (2, 2)), axis=0).max() < 120 for person in people)


def test_finished_images_are_not_predicted_again(infer, frames, tmp_path, capsys):
    for frame in frames[:3]:
        shutil.copy(frame, tmp_path)
    out, table = tmp_path / 'out', tmp_path / 'all.npz'
    args = [tmp_path, '--whole-image', '--pred-out-dir', out, '--npz', table, '--skip-done']
    assert infer(*args) == 0
    assert read_npz(table)['frame_people'].tolist() == [1, 1, 1]
    marked = json.loads((out / '00001.json').read_text())
    marked[0]['bone_length'] = 1234.5
    (out / '00001.json').write_text(json.dumps(marked))
    (out / '00002.json').unlink()
    (out / '00003.json').write_text('{"half": ')
    capsys.readouterr()
    assert infer(*args) == 0
    assert '3 images (3 people, 0 without a person, 1 of them done earlier)' in capsys.readouterr().out
    np.testing.assert_allclose(read_npz(table)['bone_length_mm'], [1234.5, STORED_LENGTH, STORED_LENGTH], rtol=1e-6)
    assert files_in(out) == ['00001.json', '00002.json', '00003.json']
    # Another image with the same name is predicted.
    cv2.imwrite(str(tmp_path / '00001.jpg'), cv2.imread(str(frames[4])))
    assert infer(*args) == 0
    assert '2 of them done earlier' in capsys.readouterr().out
    assert json.loads((out / '00001.json').read_text())[0]['bone_length'] == pytest.approx(STORED_LENGTH)


def test_people_in_a_video_are_tracked_and_smoothed(infer, video, frames, tmp_path, capsys):
    """An image has the same name as the video, so its files get another name."""
    image = shutil.copy(frames[1], tmp_path / 'walk.jpg')
    plain, smooth = tmp_path / 'plain', tmp_path / 'smooth'
    for out, options in ((plain, []), (smooth, ['--smooth'])):
        assert infer(video, image, *options, '--batch-size', 3, '--out-dir', out, '--npz', out / 'all.npz') == 0
        printed, err = capsys.readouterr()
        assert printed.startswith('1 image (1 person, 0 without a person), 1 video (7 frames, 7 poses, 0 without')
        assert not err and files_in(out / 'visualizations') == ['walk.mp4', 'walk_1.jpg']
        assert frames_in(out / 'visualizations' / 'walk.mp4') == 7
        assert [frame['frame_id'] for frame in people_of(out, 'walk')] == list(range(7))
    tables = [read_npz(out / 'all.npz') for out in (plain, smooth)]
    for table in tables:
        assert table['frame_path'].tolist() == [str(image), *[str(video)] * 7]
        assert table['frame_id'].tolist() == [0, *range(7)]
        np.testing.assert_allclose(table['frame_time_s'], [np.nan, *np.arange(7) / 8])
    assert (tables[0]['track_id'] == -1).all() and tables[1]['track_id'].tolist() == [-1, *[0] * 7]
    jumps = [np.abs(np.diff(table['keypoints_mm'][1:], n=2, axis=0)).mean() for table in tables]
    assert jumps[1] < 0.7 * jumps[0]


def test_ctrl_c_keeps_finished_work(infer, video, frames, tmp_path, capsys, monkeypatch):
    forward, calls = IntegralPose3DInferencer.forward, []

    def interrupted(self, *args, **kwargs):
        calls.append(0)
        if len(calls) == 4:  # after two batches of images and one of the video
            raise KeyboardInterrupt
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(IntegralPose3DInferencer, 'forward', interrupted)
    out = tmp_path / 'out'
    assert infer(*frames[:3], video, '--batch-size', 2, '--out-dir', out, '--csv', out / 'all.csv', '--npz',
                 out / 'all.npz') == 130
    printed, err = capsys.readouterr()
    assert err == 'infer: interrupted; finished work is kept\n'
    assert printed.startswith('3 images (3 people, 0 without a person), 1 video (2 frames, 2 poses, ')
    assert files_in(out) == sorted([
        'all.csv', 'all.npz', *(f'visualizations/{name}' for name in ('walk.mp4', *(f.name for f in frames[:3]))),
        *(f'predictions/{stem}.json' for stem in ('walk', *(f.stem for f in frames[:3])))])
    assert frames_in(out / 'visualizations' / 'walk.mp4') == 2
    assert [frame['frame_id'] for frame in people_of(out, 'walk')] == [0, 1]
    assert read_npz(out / 'all.npz')['frame_id'].tolist() == [0, 0, 0, 0, 1]
    assert len((out / 'all.csv').read_text().splitlines()) == 1 + 5 * 18


def test_inputs_without_a_person_have_an_exit_status(infer, frames, tmp_path, capsys):
    blank = tmp_path / 'blank.png'
    cv2.imwrite(str(blank), np.full((90, 70, 3), 127, np.uint8))
    out = ['--pred-out-dir', tmp_path / 'out']
    assert infer(blank, *out) == 3
    assert capsys.readouterr().err == f'infer: {blank}: no person found\n'
    assert json.loads((tmp_path / 'out' / 'blank.json').read_text()) == []
    assert infer(blank, frames[0], *out) == 0
    assert infer(blank, frames[0], *out, '--strict') == 3
    (tmp_path / 'broken.jpg').write_text('text')
    assert infer(blank, tmp_path / 'broken.jpg', *out) == 1
    assert infer(frames[0], '--bbox-thr', 1, *out) == 3


def test_the_progress_bar_is_shown_on_a_terminal_or_on_request(infer, frames, tmp_path, capsys):
    args = [frames[0], '--whole-image', '--pred-out-dir', tmp_path]
    assert infer(*args) == 0 and capsys.readouterr().err == ''
    assert infer(*args, '--show-progress') == 0 and 'Images: 100%' in capsys.readouterr().err


@pytest.mark.parametrize('options, expected', [([], None), (['--upright'], True), (['--no-upright'], False)])
def test_upright_reaches_the_inferencer(options, expected):
    args = parse_args(['a.jpg', '--pose3d', 'standin', *options], '')
    assert call_arguments(args)['upright'] is expected and 'upright' in IntegralPose3DInferencer.forward_kwargs


def test_flip_test_gives_the_poses_of_a_config_with_flip_test(infer, frames, tmp_path):
    cfg = Config.fromfile(CONFIG)
    cfg.model.test_cfg = dict(flip_test=True)
    cfg.dump(tmp_path / 'flip.py')
    models = dict(wanted=('--pose3d', tmp_path / 'flip.py', '--pose3d-weights', CHECKPOINT),
                  plain=('--pose3d', 'standin'), found=('--pose3d', 'standin', '--flip-test'))
    for name, model in models.items():
        assert infer(frames[0], '--whole-image', '--npz', tmp_path / f'{name}.npz', model=model) == 0
    wanted, plain, found = (read_npz(tmp_path / f'{name}.npz')['keypoints_mm'] for name in models)
    np.testing.assert_array_equal(found, wanted)
    assert np.abs(found - plain).max() > 1


def test_a_damaged_video_is_named_and_the_next_one_is_processed(infer, video, tmp_path, capsys):
    (tmp_path / 'a.mp4').write_text('text')
    assert infer(tmp_path / 'a.mp4', video, '--whole-image', '--pred-out-dir', tmp_path) == 1
    out, err = capsys.readouterr()
    assert 'a.mp4 cannot be decoded as a video' in err and '1 video (7 frames' in out
    assert files_in(tmp_path) == ['a.mp4', 'walk.json']
    shutil.copy(video, tmp_path)
    assert infer(tmp_path / 'walk.mp4', video, '--whole-image', '--pred-out-dir', tmp_path / 'out') == 1
    assert 'would both be written as walk.mp4 and walk.json' in capsys.readouterr().err


def test_the_aliases_are_listed(infer, capsys):
    assert infer(model=['--show-alias']) == 0
    assert 'standin ' in capsys.readouterr().out
