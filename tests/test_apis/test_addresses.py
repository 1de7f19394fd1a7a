"""Addresses are read within limits, or refused in one sentence."""
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

import cv2
import numpy as np
import pytest
from video_files import greys, write_video

from mmpose_integral.apis import addresses, videos
from mmpose_integral.apis.addresses import Limits, local_path, name_of_address, read_address
from mmpose_integral.apis.media import Media

PNG = cv2.imencode('.png', np.full((6, 8, 3), 90, np.uint8))[1].tobytes()
JPEGS = [cv2.imencode('.jpg', image)[1].tobytes() for image in greys(8)]


class Handler(BaseHTTPRequestHandler):
    """Answers of good and bad servers."""
    asked: list[str] = []
    video = b''

    def do_GET(self):  # noqa: N802  the library's name
        self.asked.append(self.path)
        name = unquote(self.path.split('?')[0])
        try:
            getattr(self, f'send_{name.strip("/").split(".")[0]}', self.send_picture)()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def answer(self, kind='image/png', length=None):
        self.send_response(200)
        self.send_header('Content-Type', kind)
        if length is not None:
            self.send_header('Content-Length', str(length))
        self.end_headers()

    def send_picture(self):
        self.answer(length=len(PNG))
        self.wfile.write(PNG)

    def send_clip(self):
        self.answer('video/mp4', len(self.video))
        self.wfile.write(self.video)

    def send_cut(self):
        self.answer(length=len(PNG))
        self.wfile.write(PNG[:40])

    def send_endless(self):
        self.answer()
        while True:
            self.wfile.write(bytes(2**16))

    def send_slow(self):
        self.answer()
        while True:
            self.wfile.write(b'x')
            time.sleep(0.05)

    def send_private(self):
        if self.headers.get('Authorization') == 'Basic YW5uYTpow6Qv':  # of anna:hä/
            self.send_picture()
        else:
            self.send_error(401)

    def send_elsewhere(self):
        self.send_response(302)
        self.send_header('Location', f'http://localhost:{self.server.server_port}/private.png')
        self.end_headers()

    def send_stalled(self):
        self.answer('multipart/x-mixed-replace; boundary=part')
        for jpeg in JPEGS:
            self.wfile.write(b'--part\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n' % (
                len(jpeg), jpeg))
        time.sleep(6)

    def send_silent(self):
        time.sleep(3)

    def send_live(self):
        self.answer('multipart/x-mixed-replace; boundary=part')
        for jpeg in JPEGS:
            self.wfile.write(b'--part\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n' % (
                len(jpeg), jpeg))
            time.sleep(0.05)
        self.wfile.write(b'--part--\r\n')

    def log_message(self, *args):
        pass


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    Handler.video = write_video(tmp_path_factory.mktemp('clip') / 'clip.mp4', greys(5)).read_bytes()
    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


def test_blanks_umlauts_and_escapes_in_paths(server):
    for path in ('/my photo ä.png', '/my%20photo%20%C3%A4.png', '/a.png?name=Jürgen Ø#part'):
        assert read_address(server + path) == PNG
    assert Handler.asked[-3:] == ['/my%20photo%20%C3%A4.png', '/my%20photo%20%C3%A4.png',
                                  '/a.png?name=J%C3%BCrgen%20%C3%98']
    assert name_of_address(f'{server}/my%20photo%20%C3%A4.png?size=1') == 'my photo ä.png'


def test_name_and_password_are_for_the_server_alone(server):
    private = server.replace('//', '//anna:h%C3%A4%2F@')
    assert read_address(f'{private}/private.png') == PNG
    for address in (f'{server}/private.png', f'{private}/elsewhere.png'.replace('localhost', '127.0.0.1')):
        with pytest.raises(OSError, match='Unauthorized') as info:
            read_address(address)
        assert 'h%C3' not in str(info.value)


def test_addresses_of_files(tmp_path):
    path = tmp_path / 'my photo ä#1.png'
    path.write_bytes(PNG)
    for address in (f'file://{path}', path.as_uri(), f'FILE://localhost{path}', f'file://{quote(str(path))}'):
        assert local_path(address) == path
        frame, = Media(address)
        assert int(frame.image.mean()) == 90
    with pytest.raises(FileNotFoundError, match=r'file://.*absent.png: no such file or folder'):
        Media(f'file://{tmp_path}/absent.png')


def test_the_type_decides_where_there_is_no_ending(server):
    assert [round(frame.image.mean() / 25) for frame in Media(f'{server}/clip')] == [0, 1, 2, 3, 4]
    assert [int(frame.image.mean()) for frame in Media(f'{server}/photo?id=3')] == [90]


@pytest.mark.parametrize('path, message', [
    ('/cut.png', r'the connection ended after 40 of \d+ bytes'),
    ('/endless.png', 'more than 1 MiB; download it first, and give the file'),
    ('/slow.png', 'not complete after 1 s; download it first'),
    ('/silent.png', 'timed out'),
    ('/live.png', 'is a live stream; give it alone')])
def test_bad_answers_end_in_bounded_time(path, message, server, monkeypatch):
    monkeypatch.setattr(addresses, 'ANSWER_TIMEOUT_S', 1)
    start = time.monotonic()
    with pytest.raises(OSError, match=f'{path} .*{message}'):
        read_address(server + path, Limits(2**20, 1))
    assert time.monotonic() - start < 5


@pytest.mark.parametrize('address, message', [
    ('ftp://127.0.0.1:9/a.jpg', 'addresses that begin with ftp:// are not supported; download the file first'),
    ('s3://bucket/a.mp4', 'addresses that begin with s3:// are not supported'),
    ('http://127.0.0.1:nonsense/a.jpg', 'a.jpg cannot be read'),
    ('http://127.0.0.1:9/a.jpg', 'a.jpg cannot be read'),
    ('http://127.0.0.1:9/a', '/a cannot be read'),
    ('http:///a.jpg', 'a.jpg cannot be read'),
    ('rtsp://127.0.0.1:9/\udcff', 'cannot be read'),  # would crash OpenCV
    ('rtsp://127.0.0.1:9/camera', 'the stream cannot be opened; is it running'),
    ('srt://127.0.0.1:9/camera', 'that begin with srt:// are not supported'),  # not in the FFmpeg of OpenCV's wheels
    ('rtmp://127.0.0.1:9/camera.mp4', 'the stream cannot be opened')])
def test_other_addresses_are_refused_in_one_sentence(address, message):
    with pytest.raises(OSError, match=message) as info:
        list(Media(address))
    assert address in str(info.value) and '\n' not in str(info.value)


def test_a_stream_of_jpegs_is_live_video(server):
    media = Media(f'{server}/live?camera=Küche 1')
    assert Handler.asked[-1] == '/live?camera=K%C3%BCche%201'
    assert media.is_live and media.is_video and not media.is_camera and media.count is None and media.name == 'live.mp4'
    frames = list(media)
    assert len(frames) == 8 and media.video.loss() == ''
    np.testing.assert_allclose([frame.image.mean() for frame in frames], 25 * np.arange(8), atol=3)
    times = np.array([frame.time_s for frame in frames])
    assert (np.diff(times) > 0).all() and times[-1] > 0.2  # by the clock, and not by the rate that FFmpeg assumes


@pytest.mark.parametrize('address', ['rtsp://anna:a:b%2F@127.0.0.1:9/camera', 'ftp://anna:a:b%2F@127.0.0.1:9/a.jpg'])
def test_messages_hide_passwords(address):
    with pytest.raises(OSError, match=r'://anna:\*\*\*@127.0.0.1:9/') as info:
        list(Media(address))
    assert 'a:b' not in str(info.value)


def test_a_stream_without_further_data_ends(server, monkeypatch):
    monkeypatch.setattr(videos, 'STREAM_TIMEOUT_S', 1)
    start, media = time.monotonic(), Media(f'{server}/stalled')
    assert len(list(media)) >= 7
    assert media.video.loss() == 'no data for 1 s; reading has ended'
    assert time.monotonic() - start < 4
