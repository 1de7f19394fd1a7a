"""Any input becomes frames in order, or an error that names it."""
import functools
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from PIL import Image

from mmpose_integral.apis.media import Media, read_picture


@pytest.fixture
def folder(tmp_path):
    """Frames 1 to 12 of one grey each, ten times their number, a video of five greys, and other files."""
    for number in range(1, 13):
        cv2.imwrite(str(tmp_path / f'frame{number}.png'), np.full((8, 6, 3), 10 * number, np.uint8))
    for name in ('notes.txt', 'unknown', 'drawing.svg', 'broken.mp4'):
        (tmp_path / name).write_text('text')
    writer = cv2.VideoWriter(str(tmp_path / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 20, (32, 16))
    for number in range(5):
        writer.write(np.full((16, 32, 3), 40 * number, np.uint8))
    writer.release()
    (tmp_path / 'folder.jpg').mkdir()
    (tmp_path / 'empty.mpo').touch()
    return tmp_path


def greys(media):
    return [int(frame.image.mean()) for frame in media]


def test_a_folder_is_read_in_the_order_of_its_numbers(folder):
    media = Media(str(folder))
    assert media.count == 12 and not media.is_video and greys(media) == [10 * n for n in range(1, 13)]
    assert greys(Media(folder)) == greys(media)  # a Path, and again


def test_lists_mix_files_and_arrays(folder):
    array = np.full((4, 5, 3), 77, np.uint8)
    frames = list(Media([str(folder / 'frame3.png'), array, folder / 'frame2.png']))
    assert [int(frame.image.mean()) for frame in frames] == [30, 77, 20]
    assert [frame.name.split('/')[-1] for frame in frames] == ['frame3.png', '000001.jpg', 'frame2.png']


def test_the_exif_orientation_is_applied(tmp_path):
    upright = Image.fromarray(np.uint8(np.mgrid[:40, :60].sum(axis=0)))
    exif = upright.getexif()
    exif[0x0112] = 6  # to be shown rotated clockwise
    upright.rotate(90, expand=True).save(tmp_path / 'turned.png', exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / 'turned.png').image[..., 0], upright)


def test_a_video_has_times(folder):
    media = Media(folder / 'clip.avi')
    assert media.is_video and media.name == 'clip.avi' and media.fps == 20 and media.count == 5
    frames = list(media)
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(5) / 20)
    np.testing.assert_allclose([frame.image.mean() for frame in frames], 40 * np.arange(5), atol=3)


def test_urls_are_fetched(folder):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f'http://127.0.0.1:{server.server_port}'
        assert greys(Media(f'{root}/frame4.png')) == [40]
        media = Media(f'{root}/clip.avi')
        assert media.is_video and greys(media) == pytest.approx([0, 40, 80, 120, 160], abs=3)
        with pytest.raises(OSError, match=r'frame99.png cannot be read \(HTTP Error 404'):
            list(Media(f'{root}/frame99.png'))
        server.shutdown()


def test_a_camera_is_read_until_it_ends(monkeypatch):
    class Camera:
        left, released = 3, False

        def __init__(self, number):
            self.number = number

        def isOpened(self):  # noqa: N802  OpenCV's name
            return self.number == 2

        def get(self, what):
            return 30.0

        def read(self):
            self.left -= 1
            return self.left >= 0, np.full((4, 4, 3), max(self.left, 0), np.uint8)

        def release(self):
            Camera.released = True

    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    media = Media('webcam:2')
    assert media.is_video and media.count is None and media.fps == 30
    frames = []
    for frame in media:
        frames.append(frame)
        time.sleep(0.02)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [2, 1, 0] and Camera.released
    assert frames[2].time_s >= 0.04  # measured, not derived from the rate that the camera states
    with pytest.raises(OSError, match='webcam: the camera cannot be opened'):
        Media('webcam')


@pytest.mark.parametrize('inputs, error, message', [
    ('{folder}/absent.jpg', FileNotFoundError, 'absent.jpg: no such file or folder; give an image'),
    ('', FileNotFoundError, "'': no such file or folder"),
    ('webcam:front', FileNotFoundError, 'webcam:front: no such file .* webcam:N'),
    ('webcam_1.mp4', FileNotFoundError, 'webcam_1.mp4: no such file'),
    (['{folder}'], FileNotFoundError, 'a folder; give it alone'),
    ('{folder}/notes.txt', ValueError, 'notes.txt cannot be decoded as an image'),
    ('{folder}/unknown', ValueError, 'unknown cannot be decoded as an image'),
    ('{folder}/empty.mpo', ValueError, 'empty.mpo cannot be decoded as an image'),
    ('{folder}/folder.jpg', ValueError, 'folder.jpg: no images'),
    ('{folder}/broken.mp4', ValueError, 'broken.mp4 cannot be decoded as a video'),
    (['{folder}/absent.jpg'], FileNotFoundError, 'absent.jpg: no such file'),
    ([3], ValueError, 'a path or an array expected, got int'),
    (3, ValueError, 'got int'),
    (np.zeros((4, 5), np.uint8), ValueError, r'inputs\[0\]: a \(H, W, 3\) uint8 array, BGR, .*; got uint8 \(4, 5\)'),
    (np.zeros((4, 4, 3)), ValueError, 'got float64')])
def test_other_inputs_are_named(inputs, error, message, folder):
    if isinstance(inputs, str):
        inputs = inputs.format(folder=folder)
    elif isinstance(inputs, list) and isinstance(inputs[0], str):
        inputs = [item.format(folder=folder) for item in inputs]
    with pytest.raises(error, match=message):
        list(Media(inputs))
