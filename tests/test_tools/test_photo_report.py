"""The comparison of models on photographs: figures in closed form, MediaPipe's worker with a made-up mediapipe."""
import json

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation
from small_training import run_tool

from mmpose_integral.cli.photo_report import predictors
from mmpose_integral.cli.photo_report.figures import JOINT_SETS, errors_mm, measure, right_joints, summarize
from mmpose_integral.formats.photo_people import PhotoPerson
from mmpose_integral.structures.landmarks import LANDMARK_NAMES
from mmpose_integral.structures.skeleton import JOINT_NAMES

ALL = JOINT_SETS['all']


@pytest.fixture(scope='module')
def data(standin, tmp_path_factory):
    """People of four rendered frames in the documented format; the nose of the first is unknown."""
    path, frames = tmp_path_factory.mktemp('photos') / 'people.json', []
    with np.load(standin / 'truth' / 'h80k_val.npz') as truth:
        for row in range(4):
            points = np.column_stack([truth['keypoints_2d'][row], np.ones(18)])
            points[JOINT_NAMES.index('nose'), 2] = row > 0
            frames.append(dict(
                file=str(standin / 'h80k' / 'Val' / 'IMG' / f'{row + 1:05d}.jpg'), box_xyxy=truth['bbox'][row].tolist(),
                keypoints_2d=points.tolist(), keypoints_mm=truth['keypoints_mm'][row].tolist(),
                focal_length=float(truth['focal'][row])))
    path.write_text(json.dumps(dict(frames=frames)))
    return path


def test_2d_share():
    truth = np.column_stack([np.linspace(0, 100, 18), np.linspace(0, 200, 18)])  # an extent of 200 px
    truth[3] = np.nan
    pred = np.nan_to_num(truth, nan=1e6)
    pred[5] += [15, 13]  # 19.8 px
    pred[6] += [15, 14]  # 20.5 px
    pred[17] += 999  # the thorax is not in a pose file
    right = right_joints(pred, truth, ALL)
    assert right.tolist() == [True] * 5 + [False] + [True] * 10
    assert len(right_joints(pred, truth, JOINT_SETS['landmarks'])) == 12
    assert {JOINT_NAMES[k] for k in JOINT_SETS['landmarks']} <= set(LANDMARK_NAMES)


def test_errors_in_mm_do_not_depend_on_the_unit_of_the_prediction():
    truth = np.random.default_rng(0).normal(size=(18, 3)) * 300
    truth -= truth[0]
    turn = Rotation.from_euler('y', 30, degrees=True).as_matrix()
    assert errors_mm(truth / 1000, truth, ALL) == pytest.approx((0, 0), abs=1e-9)
    plain, aligned = errors_mm(truth @ turn * 7, truth, ALL)
    assert plain == pytest.approx(np.linalg.norm(truth[:17] @ turn - truth[:17], axis=1).mean())
    assert aligned == pytest.approx(0, abs=1e-9)
    partial, pred = truth.copy(), truth.copy()
    partial[[9, 10]], pred[[9, 10]] = np.nan, 1e4  # unknown joints count neither as errors nor for the length
    pred[13] += [0, 0, 150]
    scale = np.linalg.norm(truth[13] - truth[12]) - np.linalg.norm(pred[13] - truth[12])
    plain, _ = errors_mm(pred, partial, [13])
    assert plain == pytest.approx(150, abs=abs(scale) + 1e-9)
    assert errors_mm(truth, partial, [k for k in ALL if k != 13])[0] == pytest.approx(0, abs=1e-9)


def test_people_without_a_pose_count_in_2d_only():
    truth = np.random.default_rng(1).normal(size=(18, 3)) * 300
    truth -= truth[0]
    person = PhotoPerson('a.jpg', np.float32([0, 0, 9, 9]), truth[:, :2], truth, None)
    person = person._replace(file=type('Path', (), dict(name='a.jpg')))
    perfect = predictors.Prediction(truth[:, :2], truth, np.ones(18))
    figures = summarize([measure(person, pred, ALL) for pred in (perfect, None)])
    assert figures == dict(people=2, found=1, joints=34, share_2d=0.5, people_3d=1, mpjpe=pytest.approx(0, abs=1e-9),
                           pa_mpjpe=pytest.approx(0, abs=1e-9))


def test_landmarks_come_back_in_image_px(fake_mediapipe, tmp_path):
    Image.new('RGB', (200, 300)).save(tmp_path / 'a.png')
    boxes = [[60, 80, 100, 160], [10, 10, 20, 90]]  # crops of 60 x 120 px from (50, 60), and of 15 px width
    people = [PhotoPerson(tmp_path / 'a.png', np.float32(box), np.zeros((18, 2)), None, None) for box in boxes]
    found, missing = predictors.predict_mediapipe(fake_mediapipe, 'full', people)
    assert missing is None
    number = LANDMARK_NAMES.index('left_knee')
    joint = JOINT_NAMES.index('left_knee')
    np.testing.assert_allclose(found.keypoints_2d[joint], [50 + 0.6 * number - 0.5, 60 + 0.6 * number - 0.5])
    hips = np.mean([[10 * k, 20 * k, -k * k] for k in map(LANDMARK_NAMES.index, ('left_hip', 'right_hip'))], axis=0)
    np.testing.assert_allclose(found.keypoints[joint], [10 * number, 20 * number, -number**2] - hips)
    assert (found.keypoints[0] == 0).all() and found.scores[joint] == pytest.approx(1 - number / 100)
    for python, model, message in ((fake_mediapipe, 'heavy', 'OSError: no network'),
                                   (str(tmp_path / 'none'), 'full', 'cannot be started')):
        with pytest.raises(predictors.ModelMissing, match=message):
            predictors.predict_mediapipe(python, model, people)


def test_report(data, fake_mediapipe, tmp_path, capsys):
    assert run_tool('photo-report', str(data), '--models', 'standin', '--mediapipe', fake_mediapipe,
                    '--mediapipe-models', 'full', 'heavy', '--out-dir', str(tmp_path), '--pictures',
                    '--device', 'cpu') == 0
    report = json.loads((tmp_path / 'photo_report.json').read_text())
    assert list(report['people']) == ['standin', 'MediaPipe full']
    assert report['left_out'] == {'MediaPipe heavy': 'OSError: no network'}
    assert 'MediaPipe heavy is left out: OSError: no network' in capsys.readouterr().out
    ours, other = report['summary']['all'].values()
    assert ours['people'] == ours['people_3d'] == 4 and ours['joints'] == 4 * 17 - 1
    assert ours['mpjpe'] < 250 < other['mpjpe'] and ours['share_2d'] > 0.5 > other['share_2d']
    assert ours['mpjpe'] == pytest.approx(np.mean([row['mpjpe'] for row in report['people']['standin']]))
    lines = (tmp_path / 'photo_report.md').read_text().splitlines()
    assert f'| all | standin | 4 of 4 | {100 * ours["share_2d"]:.1f} | 4 | {ours["mpjpe"]:.0f} |' in '\n'.join(lines)
    assert sum(line.startswith('| 0000') for line in lines) == 4
    assert len(list((tmp_path / 'pictures').rglob('*.jpg'))) == 8


def test_wrong_arguments(data, tmp_path):
    assert run_tool('photo-report', data, '--models', '--out-dir', tmp_path) == 2
    message = run_tool('photo-report', data, '--models', '--mediapipe', tmp_path / 'none', '--out-dir', tmp_path)
    assert message.startswith('no model could run: ') and 'none cannot be started (No such file' in message


def test_real_frames(real_data, tmp_path):
    """The shipped model was trained on rendered people only; these figures are its state, with a margin."""
    files = [real_data / 'real_3dhp' / 'frames.json', real_data / 'real_coco' / 'person_keypoints.json',
             real_data / 'real_mpii' / 'mpii_train.json']
    assert run_tool('photo-report', *map(str, files), '--out-dir', str(tmp_path), '--device', 'cpu') == 0
    summary = json.loads((tmp_path / 'photo_report.json').read_text())['summary']
    assert {name: models['standin']['people'] for name, models in summary.items()} == {
        'real_3dhp': 2, 'real_coco': 5, 'real_mpii': 3, 'all': 10}
    assert summary['all']['standin']['people_3d'] == 2 and 100 < summary['all']['standin']['mpjpe'] < 300
    assert 0.3 < summary['all']['standin']['share_2d'] < 0.8
