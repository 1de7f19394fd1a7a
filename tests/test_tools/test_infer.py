"""What users type: every file that they get, every way in which it can end, and the code and sentence that say so."""
import csv
import json
import shutil
from pathlib import Path

import cv2
import mmengine
import numpy as np
import pytest
import torch
from PIL import Image

from mmpose_integral.apis import IntegralPose3DInferencer, register_alias
from mmpose_integral.cli.exports import read_npz
from mmpose_integral.cli.loading import load_inferencer
from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.structures.skeleton import JOINT_NAMES

REPO = Path(__file__).parents[2]
CONFIG = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
ASSETS = REPO / 'mmpose_integral' / 'assets'
DETECTOR = REPO / 'configs' / 'quickstart' / 'detector_rtmdet_nano.py'
STOCK_2D = REPO / 'configs' / 'keypoints_2d' / 'td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py'
CHECKPOINT = ASSETS / 'integral_r18w32_standin.pth'

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def infer():
    """Runs the tool in this process; tools are no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPO / 'tools')
        import infer as module

    def run(*args, model=('--pose3d', 'standin'), device='cpu'):
        try:
            return module.main([*map(str, args), *map(str, model), '--device', device])
        except SystemExit as stop:
            return stop.code
    return run


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


@pytest.fixture(scope='module')
def frames(standin):
    """Images with a person each, of 128 px."""
    return sorted((standin / 'h80k' / 'Val' / 'IMG').iterdir())[:5]


@pytest.fixture(scope='module')
def video(frames, tmp_path_factory):
    """Seven frames of a picture that slides to the right."""
    path = tmp_path_factory.mktemp('video') / 'walk.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 8, (128, 128))
    image = cv2.imread(str(frames[0]))
    for shift in range(7):
        move = np.float32([[1, 0, 2 * shift], [0, 1, 0]])
        writer.write(cv2.warpAffine(image, move, (128, 128), borderMode=cv2.BORDER_REPLICATE))
    writer.release()
    return path


def people_of(out_dir, name):
    return json.loads((out_dir / 'predictions' / f'{name}.json').read_text())


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*')
                  if path.is_file() and path.name != '.images.jsonl')


def interrupt_at(monkeypatch, batch):
    """Ctrl-C while the network is at the batch of this number."""
    forward, calls = IntegralPose3DInferencer.forward, []

    def stopped(self, *args, **kwargs):
        calls.append(0)
        if len(calls) == batch:
            raise KeyboardInterrupt
        return forward(self, *args, **kwargs)
    monkeypatch.setattr(IntegralPose3DInferencer, 'forward', stopped)


def test_a_photo_is_turned_by_its_exif(infer, photo, tmp_path):
    assert infer(photo, photo.with_name('upright.jpg'), '--whole-image', '--out-dir', tmp_path) == 0
    (turned, ), (upright, ) = (people_of(tmp_path, name) for name in ('turned', 'upright'))
    assert turned['bbox'] == upright['bbox'] == [[0.0, 0.0, 90.0, 120.0]]
    np.testing.assert_allclose(turned['keypoints_2d'], upright['keypoints_2d'], atol=1)
    np.testing.assert_allclose(turned['keypoint_scores'], upright['keypoint_scores'], atol=0.05)


def test_boxes_bone_length_and_alias(infer, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    register_alias('mine', CONFIG, CHECKPOINT)
    boxes = [5, 10, 60, 110.5], [20, 0, 90, 120]
    given = ['--bbox', *boxes[0], '--bbox', *boxes[1], photo]
    assert infer(*given, '--bone-length', 4000, '--focal-length', 1000, '--out-dir', tmp_path,
                 model=('--pose3d', 'mine')) == 0
    people = people_of(tmp_path, 'turned')
    assert [person['bbox'][0] for person in people] == [list(box) for box in boxes]
    for person in people:
        assert skeleton_length(person['keypoints']) == pytest.approx(4000, abs=0.1) and person['bone_length'] == 4000
        assert person['keypoints'][0] == [0, 0, 0] and np.shape(person['keypoints_2d']) == (18, 2)
        # mm per px is depth over focal length, for each pair of joints, up to the depth that 2D does not show.
        (u, v), camera = np.ptp(person['keypoints_2d'], axis=0), person['camera']
        np.testing.assert_allclose(np.ptp(person['keypoints'], axis=0)[:2] / [u, v],
                                   camera['root_position'][2] / 1000, rtol=1e-3)
    first, second = (np.array(person['keypoints_2d']) for person in people)
    assert np.abs(first - second).max() > 1  # each from its own box
    picture = cv2.imread(str(tmp_path / 'visualizations' / 'turned.jpg'))
    assert picture.shape[0] >= 480 and picture.shape[1] > picture.shape[0] * 90 / 120 and picture.std() > 20
    assert capsys.readouterr().out.startswith('1 image (2 people, 0 without anybody), 0 failed, ')
    # Without --bone-length, the mean that training stored; the views are left out.
    file = tmp_path / 'one.png'
    assert infer(*given[:5], photo, '--views', 'none', '--vis-out-dir', file, '--npz', tmp_path / 'one.npz',
                 model=('--pose3d', CONFIG, '--pose3d-weights', CHECKPOINT)) == 0
    stored = torch.load(CHECKPOINT)['meta']['dataset_meta']['skeleton_length']['train+val']
    np.testing.assert_allclose(read_npz(tmp_path / 'one.npz')['bone_length_mm'], [stored], rtol=1e-6)
    assert cv2.imread(str(file)).shape[1] < picture.shape[1]


def test_a_damaged_file_stops_neither_its_batch_nor_the_rest(infer, frames, tmp_path, capsys):
    one, two, out = (tmp_path / name for name in ('one', 'two', 'out'))
    one.mkdir(), two.mkdir()
    for frame in frames[:4]:
        shutil.copy(frame, one)
    (one / '00002.jpg').write_text('text')
    shutil.copy(frames[4], two / '00001.jpg')
    tables = ['--csv', out / 'all.csv', '--npz', out / 'all.npz']
    assert infer(one, two, '--batch-size', 2, '--out-dir', out, *tables) == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [f'infer: {one / "00002.jpg"} cannot be decoded as an image']
    assert said.out.startswith('4 images (4 people, 0 without anybody), 1 failed, ') and said.out.count('\n') == 1
    assert str(out / 'all.csv') in said.out and str(out / 'visualizations') in said.out
    stems = ['00001', '00001_1', '00003', '00004']  # of two folders, neither replaces the other
    assert files_in(out) == sorted(['all.csv', 'all.npz', *(f'predictions/{stem}.json' for stem in stems),
                                    *(f'visualizations/{stem}.jpg' for stem in stems)])
    everybody = [people_of(out, stem)[0] for stem in ('00001', '00003', '00004', '00001_1')]
    table = read_npz(out / 'all.npz')
    assert table['frame_path'].tolist() == [str(path) for path in (
        one / '00001.jpg', one / '00003.jpg', one / '00004.jpg', two / '00001.jpg')]
    np.testing.assert_allclose(table['keypoints_mm'], [person['keypoints'] for person in everybody], atol=1e-3)
    with open(out / 'all.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['joint'] for row in rows] == 4 * list(JOINT_NAMES)
    assert float(rows[-1]['y_mm']) == pytest.approx(everybody[-1]['keypoints'][-1][1], abs=1e-3)
    # The detector's box is around the person, not the image.
    assert all(np.ptp(np.reshape(person['bbox'], (2, 2)), axis=0).max() < 120 for person in everybody)


def test_what_is_done_is_not_done_again(infer, frames, tmp_path, capsys):
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
    assert '3 images (3 people, 0 without anybody, 1 of them done earlier)' in capsys.readouterr().out
    stored = torch.load(CHECKPOINT)['meta']['dataset_meta']['skeleton_length']['train+val']
    np.testing.assert_allclose(read_npz(table)['bone_length_mm'], [1234.5, stored, stored], rtol=1e-6)
    assert files_in(out) == ['00001.json', '00002.json', '00003.json']
    # Another image of a name is not done, whatever lies there.
    cv2.imwrite(str(tmp_path / '00001.jpg'), cv2.imread(str(frames[4])))
    assert infer(*args) == 0
    assert '2 of them done earlier' in capsys.readouterr().out
    assert json.loads((out / '00001.json').read_text())[0]['bone_length'] == pytest.approx(stored)


def test_a_video_is_followed_and_smoothed(infer, video, frames, tmp_path, capsys):
    """Beside an image of the same name, which gives way."""
    image = shutil.copy(frames[1], tmp_path / 'walk.jpg')
    plain, smooth = tmp_path / 'plain', tmp_path / 'smooth'
    for out, options in ((plain, []), (smooth, ['--smooth'])):
        assert infer(video, image, *options, '--batch-size', 3, '--out-dir', out, '--npz', out / 'all.npz') == 0
        said = capsys.readouterr()
        assert said.out.startswith('1 image (1 person, 0 without anybody), 1 video (7 frames, 7 poses, 0 without')
        assert not said.err
        assert files_in(out / 'visualizations') == ['walk.mp4', 'walk_1.jpg']
        assert cv2.VideoCapture(str(out / 'visualizations' / 'walk.mp4')).get(cv2.CAP_PROP_FRAME_COUNT) == 7
    tables = [read_npz(out / 'all.npz') for out in (plain, smooth)]
    for out, table in zip((plain, smooth), tables, strict=True):
        assert table['frame_path'].tolist() == [str(image), *[str(video)] * 7]
        assert table['frame_id'].tolist() == [0, *range(7)]
        np.testing.assert_allclose(table['frame_time_s'], [np.nan, *np.arange(7) / 8])
        told = people_of(out, 'walk')
        assert [frame['frame_id'] for frame in told] == list(range(7))
        np.testing.assert_allclose(table['keypoints_mm'][1:], [frame['instances'][0]['keypoints'] for frame in told],
                                   atol=1e-3)
    assert (tables[0]['track_id'] == -1).all() and tables[1]['track_id'].tolist() == [-1, *[0] * 7]
    jumps = [np.abs(np.diff(table['keypoints_mm'][1:], n=2, axis=0)).mean() for table in tables]
    assert jumps[1] < 0.7 * jumps[0]


def test_ctrl_c_keeps_what_is_done(infer, video, frames, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'out'
    args = ['--batch-size', 2, '--out-dir', out, '--csv', out / 'all.csv', '--npz', out / 'all.npz']
    interrupt_at(monkeypatch, 4)  # two batches of images, one of the video, then
    assert infer(*frames[:3], video, *args) == 130
    said = capsys.readouterr()
    assert said.err == 'infer: interrupted; what was done until then is kept\n'
    assert said.out.startswith('3 images (3 people, 0 without anybody), 1 video (2 frames, 2 poses, 0 without anybody)')
    assert files_in(out) == sorted(['all.csv', 'all.npz', 'visualizations/walk.mp4', 'predictions/walk.json', *(
        f'{name}' for frame in frames[:3] for name in (f'visualizations/{frame.name}',
                                                       f'predictions/{frame.stem}.json'))])
    assert cv2.VideoCapture(str(out / 'visualizations' / 'walk.mp4')).get(cv2.CAP_PROP_FRAME_COUNT) == 2
    assert [frame['frame_id'] for frame in people_of(out, 'walk')] == [0, 1]
    assert read_npz(out / 'all.npz')['frame_id'].tolist() == [0, 0, 0, 0, 1]
    assert len((out / 'all.csv').read_text().splitlines()) == 1 + 5 * 18


def test_nobody_has_an_exit_code(infer, frames, tmp_path, capsys):
    blank = tmp_path / 'blank.png'
    cv2.imwrite(str(blank), np.full((90, 70, 3), 127, np.uint8))
    out = ['--pred-out-dir', tmp_path / 'out']
    assert infer(blank, *out) == 3
    assert capsys.readouterr().err == f'infer: {blank}: nobody found\n'
    assert json.loads((tmp_path / 'out' / 'blank.json').read_text()) == []
    assert infer(blank, frames[0], *out) == 0
    assert infer(blank, frames[0], *out, '--strict') == 3
    (tmp_path / 'broken.jpg').write_text('text')
    assert infer(blank, tmp_path / 'broken.jpg', *out) == 1
    assert infer(frames[0], '--bbox-thr', 1, *out) == 3


def test_a_bar_only_where_somebody_sees_it(infer, frames, tmp_path, capsys):
    args = [frames[0], '--whole-image', '--pred-out-dir', tmp_path]
    assert infer(*args) == 0 and capsys.readouterr().err == ''
    assert infer(*args, '--show-progress') == 0 and 'Images: 100%' in capsys.readouterr().err


def test_flip_test_is_the_models(frames):
    cfg = mmengine.Config.fromfile(CONFIG)
    cfg.model.test_cfg = dict(flip_test=True)
    box = np.array([[0, 0, 128, 128]])
    wanted = list(IntegralPose3DInferencer(cfg, str(CHECKPOINT), 'cpu')(str(frames[0]), bboxes=box))
    found, plain = (list(load_inferencer('standin', device='cpu', flip_test=flip, det_model='whole_image')(
        str(frames[0]), bboxes=box)) for flip in (True, False))
    wanted, found, plain = (np.array(result[0]['predictions'][0][0]['keypoints']) for result in (wanted, found, plain))
    np.testing.assert_array_equal(found, wanted)
    assert np.abs(found - plain).max() > 1


@pytest.mark.parametrize('args, message', [
    ([], 'INPUT: an image, a folder, a video or webcam expected'),
    (['{photo}', '--bbox', 1, 2, 3], 'argument --bbox: '),  # Python 3.13 words the rest in another way
    (['{photo}', '--bbox', 1, 2, 3, 4, '--whole-image'], 'not allowed with argument'),
    (['{photo}', '{photo}', '--bbox', 1, 2, 30, 40], '--bbox is of one image; got 2 images and 0 videos'),
    (['{photo}', '--smooth'], '--smooth is for videos and cameras'),
    (['{photo}', '--bone-length', 0], 'a positive number expected, got 0'),
    (['{photo}', '--body-height', 1750, '--bone-length', 4000], 'not allowed with argument'),
    (['{photo}', '--batch-size', 0], 'at least 1 expected, got 0'),
    (['{photo}', '--bbox-thr', 30], 'a number from 0 to 1 expected, got 30'),
    (['{photo}', '--views', 'front,below'], "--views: view: one of front, side, back"),
    (['{photo}', '--npz', 'a.npy'], '--npz: a name that ends in .npz expected'),
    (['{photo}', '--det-weights', 'x.pth'], '--det-weights is of a --det-model'),
    (['{photo}', '--csv', 'a.csv', '--skip-done'], '--skip-done goes by the JSON files'),
    (['{photo}', '{photo}', '--vis-out-dir', 'a.jpg'], 'is taken for a file')])
def test_wrong_usage_is_code_2(args, message, infer, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert infer(*(str(arg).format(photo=photo) for arg in args)) == 2
    said = capsys.readouterr()
    assert message in said.err and not said.out and not files_in(tmp_path)


def test_a_model_has_to_be_chosen(infer, photo, capsys):
    assert infer(photo, model=()) == 2
    assert '"--pose3d standin" knows rendered people alone' in capsys.readouterr().err
    assert infer(model=['--show-alias']) == 0
    assert 'standin ' in capsys.readouterr().out


@pytest.mark.parametrize('args, model, device, message', [
    (['absent.jpg'], ['standin'], 'cpu', 'absent.jpg: no such file or folder'),
    (['.'], ['standin'], 'cpu', 'no images in this folder'),
    (['{photo}'], ['unknown'], 'cpu', "alias 'unknown' is neither in"),
    (['{photo}'], [CONFIG], 'cpu', 'a checkpoint is needed beside the config'),
    (['{photo}'], [CONFIG, '--pose3d-weights', 'absent.pth'], 'cpu', 'absent.pth: no such checkpoint'),
    (['{photo}'], [CONFIG, '--pose3d-weights', ASSETS / 'detector_rtmdet_nano_standin.pth'], 'cpu',
     'the checkpoint is not of this config'),
    (['{photo}'], [STOCK_2D, '--pose3d-weights', CHECKPOINT], 'cpu', 'is no image-based 3D model'),
    (['{photo}', '--show'], ['standin'], 'cpu', '--show: this OpenCV cannot open a window; for one that can, run'),
    (['webcam:1'], ['standin'], 'cpu', 'webcam:1: this OpenCV cannot open a window'),
    (['{photo}', '--det-model', DETECTOR, '--det-weights', 'http://127.0.0.1:9/det.pth'], ['standin'], 'cpu',
     'could not be fetched ('),
    (['{photo}'], [CONFIG, '--pose3d-weights', '{photo}'], 'cpu', 'the model cannot be loaded'),
    (['{photo}'], ['standin'], 'nonsense', 'device nonsense cannot be used here'),
    (['{photo}', '--bbox', 50, 10, 20, 30], ['standin'], 'cpu', 'image of 90x120 px, expected; got [50.0, 10.0, 20.0'),
    (['http://127.0.0.1:9/a.jpg', '--whole-image'], ['standin'], 'cpu', 'http://127.0.0.1:9/a.jpg cannot be read'),
    (['{photo}', '--out-dir', '{photo}'], ['standin'], 'cpu', 'nothing can be written there')])
def test_what_cannot_be_done_is_code_1(args, model, device, message, infer, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: '')  # as in opencv-python-headless
    args, model = ([str(arg).format(photo=photo) for arg in given] for given in (args, model))
    assert infer(*args, model=('--pose3d', *model), device=device) == 1
    said = capsys.readouterr()
    assert message in said.err and said.err.count('\n') == 1 and said.err.startswith('infer: ')
    assert not files_in(tmp_path)


def test_what_is_no_video_is_named_and_the_next_is_done(infer, video, tmp_path, capsys):
    (tmp_path / 'a.mp4').write_text('text')
    assert infer(tmp_path / 'a.mp4', video, '--whole-image', '--pred-out-dir', tmp_path) == 1
    said = capsys.readouterr()
    assert 'a.mp4 cannot be decoded as a video' in said.err and '1 video (7 frames' in said.out
    assert files_in(tmp_path) == ['a.mp4', 'walk.json']
    shutil.copy(video, tmp_path)
    assert infer(tmp_path / 'walk.mp4', video, '--whole-image', '--pred-out-dir', tmp_path / 'out') == 1
    assert 'would both be written as walk.mp4 and walk.json' in capsys.readouterr().err
