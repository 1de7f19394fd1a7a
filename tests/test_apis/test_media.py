"""Whatever users hand in becomes frames, in order, or a sentence."""
import functools
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from mmpose_integral.apis.media import Media, chunks, read_picture


@pytest.fixture
def folder(tmp_path):
    """Frames 1 to 12 of one grey each, their number times ten, and things that are no pictures."""
    for number in range(1, 13):
        cv2.imwrite(str(tmp_path / f'frame{number}.png'), np.full((8, 6, 3), 10 * number, np.uint8))
    (tmp_path / 'notes.txt').write_text('text')
    (tmp_path / 'unknown').write_text('text')
    (tmp_path / 'drawing.svg').write_text('text')
    (tmp_path / 'folder.jpg').mkdir()
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


def test_a_video_has_times(tmp_path):
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 20, (32, 16))
    for number in range(5):
        writer.write(np.full((16, 32, 3), 40 * number, np.uint8))
    writer.release()
    media = Media(str(path))
    assert media.is_video and media.name == 'clip.avi' and media.fps == 20 and media.count == 5
    frames = list(media)
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(5) / 20)
    np.testing.assert_allclose([frame.image.mean() for frame in frames], 40 * np.arange(5), atol=3)


def test_addresses_are_fetched(folder):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f'http://127.0.0.1:{server.server_port}'
        assert greys(Media(f'{root}/frame4.png')) == [40]
        writer = cv2.VideoWriter(str(folder / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 20, (32, 16))
        writer.write(np.full((16, 32, 3), 100, np.uint8))
        writer.release()
        media = Media(f'{root}/clip.avi')
        assert media.is_video and greys(media) == [pytest.approx(100, abs=3)]
        with pytest.raises(OSError, match=r'frame99.png cannot be read \(HTTP Error 404'):
            list(Media(f'{root}/frame99.png'))
        server.shutdown()


def test_a_camera_is_read_until_it_ends(monkeypatch):
    class Camera:
        left = 3

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
            self.number = None

    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    media = Media('webcam:2')
    assert media.is_video and media.count is None and media.fps == 30
    frames = []
    for frame in media:
        frames.append(frame)
        time.sleep(0.02)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [2, 1, 0] and media._reader.number is None
    assert frames[2].time_s >= 0.04  # the clock's, not the rate that the camera claims
    with pytest.raises(OSError, match='camera 0 cannot be opened'):
        Media('webcam')
    with pytest.raises(ValueError, match='webcam:N expected'):
        Media('webcam:front')
    with pytest.raises(FileNotFoundError, match='webcam_1.mp4: no such file'):
        Media('webcam_1.mp4')


@pytest.mark.parametrize('inputs, error, message', [
    ('{folder}/absent.jpg', FileNotFoundError, 'absent.jpg: no such file or folder; give an image'),
    ('', FileNotFoundError, "'': no such file or folder"),
    (['{folder}'], FileNotFoundError, 'a folder; give it by itself'),
    ('{folder}/notes.txt', ValueError, 'notes.txt cannot be decoded as an image'),
    ('{folder}/unknown', ValueError, 'unknown cannot be decoded as an image'),
    ('{folder}/folder.jpg', ValueError, 'folder.jpg: no images in this folder'),
    ('{folder}/broken.mp4', ValueError, 'broken.mp4 cannot be decoded as a video'),
    (['{folder}/absent.jpg'], FileNotFoundError, 'absent.jpg: no such file'),
    ([3], ValueError, 'paths and arrays expected in the list, got int'),
    (3, ValueError, 'got int'),
    (np.zeros((4, 5), np.uint8), ValueError, r'inputs\[0\]: a \(H, W, 3\) uint8 array, BGR, .*; got uint8 \(4, 5\)'),
    (np.zeros((4, 4, 3)), ValueError, 'got float64')])
def test_what_is_no_picture_is_named(inputs, error, message, folder):
    (folder / 'broken.mp4').write_text('text')
    if isinstance(inputs, str):
        inputs = inputs.format(folder=folder)
    elif isinstance(inputs, list) and isinstance(inputs[0], str):
        inputs = [item.format(folder=folder) for item in inputs]
    with pytest.raises(error, match=message):
        list(Media(inputs))


def test_an_empty_file_is_no_picture(tmp_path):
    (tmp_path / 'a.jpg').touch()
    with pytest.raises(ValueError, match='a.jpg cannot be decoded'):
        read_picture(tmp_path / 'a.jpg')


def test_chunks():
    assert list(chunks(iter(range(7)), 3)) == [[0, 1, 2], [3, 4, 5], [6]] and list(chunks([], 3)) == []
