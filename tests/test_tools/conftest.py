"""Fixtures of the tests of commands."""
import sys
import textwrap

import cv2
import numpy as np
import pytest
from PIL import Image
from small_training import run_tool

# Landmark k is at (k / 100, k / 200) of the crop. There is no pose in crops that are less than 30 px wide.
FAKE = '''
    from types import SimpleNamespace as Space
    class Pose:
        def __init__(self, static_image_mode, model_complexity, min_detection_confidence):
            if model_complexity == 2:
                raise OSError('no network')
        def __enter__(self):
            return self
        def __exit__(self, *error):
            pass
        def process(self, image):
            if image.shape[1] < 30:
                return Space(pose_landmarks=None)
            flat = [Space(x=k / 100, y=k / 200, visibility=1 - k / 100) for k in range(33)]
            world = [Space(x=0.01 * k, y=0.02 * k, z=-0.001 * k * k) for k in range(33)]
            return Space(pose_landmarks=Space(landmark=flat), pose_world_landmarks=Space(landmark=world))
    solutions = Space(pose=Space(Pose=Pose))
'''


@pytest.fixture
def fake_mediapipe(tmp_path, monkeypatch):
    """Python interpreter that has a made-up package mediapipe."""
    (tmp_path / 'packages').mkdir()
    (tmp_path / 'packages' / 'mediapipe.py').write_text(textwrap.dedent(FAKE))
    monkeypatch.setenv('PYTHONPATH', str(tmp_path / 'packages'))
    return sys.executable


@pytest.fixture(scope='module')
def infer():
    """Run the command in this process."""
    return lambda *args, model=('--pose3d', 'standin'): run_tool('infer', '--device', 'cpu', *args, *model)


@pytest.fixture(scope='module')
def photo(standin, tmp_path_factory):
    """Upright photo with different width and height, stored rotated by 90 degrees with a matching EXIF orientation."""
    image = Image.open(standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg').crop((10, 0, 100, 120))
    path = tmp_path_factory.mktemp('photo') / 'turned.jpg'
    image.save(path.with_name('upright.jpg'), quality=100, subsampling=0)
    exif = image.getexif()
    exif[0x0112] = 6  # to be shown rotated clockwise
    image.rotate(90, expand=True).save(path, exif=exif, quality=100, subsampling=0)
    return path


@pytest.fixture(scope='module')
def frames(standin):
    """Five images of 128 px with one person each."""
    return sorted((standin / 'h80k' / 'Val' / 'IMG').iterdir())[:5]


@pytest.fixture(scope='module')
def video(frames, tmp_path_factory):
    """Seven frames of a picture that moves to the right."""
    path = tmp_path_factory.mktemp('video') / 'walk.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 8, (128, 128))
    image = cv2.imread(str(frames[2]))
    for shift in range(7):
        move = np.float32([[1, 0, 2 * shift], [0, 1, 0]])
        writer.write(cv2.warpAffine(image, move, (128, 128), borderMode=cv2.BORDER_REPLICATE))
    writer.release()
    return path
