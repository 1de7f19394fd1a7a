"""The command infer: wrong usage gives exit status 2, and other errors give one sentence and exit status 1."""
import cv2
import pytest
from small_training import REPO, files_in

CONFIG = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
ASSETS = REPO / 'mmpose_integral' / 'assets'
DETECTOR = REPO / 'configs' / 'quickstart' / 'detector_rtmdet_nano.py'
STOCK_2D = REPO / 'configs' / 'keypoints_2d' / 'td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py'
CHECKPOINT = ASSETS / 'integral_r18_standin.pth'

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.mark.parametrize('args, message', [
    ([], 'INPUT: an image, a folder, a video or webcam expected'),
    (['{photo}', '--bbox', 1, 2, 3], 'argument --bbox: '),  # the rest depends on the version of Python
    (['{photo}', '--bbox', 1, 2, 3, 4, '--whole-image'], 'not allowed with argument'),
    (['{photo}', '{photo}', '--bbox', 1, 2, 30, 40], '--bbox needs exactly one image; got 2 images and 0 videos'),
    (['{photo}', '--smooth'], '--smooth is for videos and cameras'),
    (['{photo}', '--bone-length', 0], '--bone-length: total bone length: mm expected, 500 to 20000'),
    (['{photo}', '--body-height', 0], 'a positive number expected, got 0'),
    (['{photo}', '--bbox', 1, 2, 3, 'nan'], 'a finite number expected, got nan'),
    (['{photo}', '--body-height', 1750, '--bone-length', 4000], 'not allowed with argument'),
    (['{photo}', '--batch-size', 0], 'at least 1 expected, got 0'),
    (['{photo}', '--bbox-thr', 30], 'a number from 0 to 1 expected, got 30'),
    (['{photo}', '--views', 'front,below'], "--views: view: one of front, side, back"),
    (['{photo}', '--npz', 'a.npy'], '--npz: a name that ends in .npz expected'),
    (['{photo}', '--det-weights', 'x.pth'], '--det-weights needs --det-model'),
    (['{photo}', '--csv', 'a.csv', '--skip-done'], '--skip-done needs the JSON files'),
    (['{photo}', '{photo}', '--vis-out-dir', 'a.jpg'], 'is taken for a file')])
def test_wrong_usage_gives_status_2(args, message, infer, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert infer(*(str(arg).format(photo=photo) for arg in args)) == 2
    out, err = capsys.readouterr()
    assert message in err and not out and not files_in(tmp_path)


def test_a_model_is_required(infer, photo, capsys):
    assert infer(photo, model=()) == 2
    assert '"--pose3d standin" is for rendered people only' in capsys.readouterr().err
    assert infer(model=['--show-alias']) == 0
    assert 'standin ' in capsys.readouterr().out


@pytest.mark.parametrize('args, model, message', [
    (['absent.jpg'], ['standin'], 'absent.jpg: no such file or folder'),
    (['.'], ['standin'], 'no images in this folder'),
    (['{photo}'], ['unknown'], "alias 'unknown' is neither in"),
    (['{photo}'], [CONFIG], 'a checkpoint is needed beside the config'),
    (['{photo}'], [CONFIG, '--pose3d-weights', 'absent.pth'], 'absent.pth: no such checkpoint'),
    (['{photo}'], [CONFIG, '--pose3d-weights', ASSETS / 'detector_rtmdet_nano_standin.pth'],
     'the checkpoint is not of this config'),
    (['{photo}'], [STOCK_2D, '--pose3d-weights', CHECKPOINT], 'is no image-based 3D model'),
    (['{photo}', '--show'], ['standin'], '--show: this OpenCV cannot open a window; for one that can, run'),
    (['webcam:1'], ['standin'], 'webcam:1: this OpenCV cannot open a window'),
    (['{photo}', '--det-model', DETECTOR, '--det-weights', 'http://127.0.0.1:9/det.pth'], ['standin'],
     'could not be fetched ('),
    (['{photo}'], [CONFIG, '--pose3d-weights', '{photo}'], 'is no torch checkpoint that can be loaded safely'),
    (['{photo}', '--device', 'nonsense'], ['standin'], 'device nonsense cannot be used here'),
    (['{photo}', '--bbox', 50, 10, 20, 30], ['standin'], 'the image of 90x120 px and no side'),
    (['http://127.0.0.1:9/a.jpg', '--whole-image'], ['standin'], 'http://127.0.0.1:9/a.jpg cannot be read'),
    (['{photo}', '--out-dir', '{photo}'], ['standin'], 'cannot be written: ')])
def test_errors_give_status_1(args, model, message, infer, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: '')  # as in opencv-python-headless
    args, model = ([str(arg).format(photo=photo) for arg in given] for given in (args, model))
    assert infer(*args, model=('--pose3d', *model)) == 1
    err = capsys.readouterr().err
    assert message in err and err.count('\n') == 1 and err.startswith('infer: ')
    assert not files_in(tmp_path)
