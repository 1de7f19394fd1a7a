"""An inferencer that counts its calls, files for visitors to send, the page, and visitors that are no browsers."""
import copy
import json
import os
import secrets
import socket
import threading

import pytest
import torch
from PIL import Image

from mmpose_integral.apis import MMPoseInferencer

os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'  # gradio reads it when it is imported


class CountingInferencer:
    def __init__(self):
        self.calls, self._own = 0, MMPoseInferencer(pose3d='standin', device='cpu')
        self.inferencer = self._own.inferencer

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self._own(*args, **kwargs)

    def people(self, path, **kwargs):
        """People of the Python API, not counted."""
        return next(self._own(str(path), **kwargs))['predictions'][0]

    def check(self, people, path, **kwargs):
        """Check that people are those of the Python API, but for the last bits of a product."""
        both = copy.deepcopy(people), self.people(path, **kwargs)
        texts = [[person.get('camera', {}).pop('focal_length_source', None) for person in each] for each in both]
        assert texts[0] == texts[1]
        torch.testing.assert_close(*both, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope='session')
def counting():
    return CountingInferencer()


@pytest.fixture(scope='session')
def pictures(standin, tmp_path_factory):
    """Files to send: photos of rendered people, files that are no photo, and photos that are too large."""
    from mmpose_integral.cli.demo import make_examples
    folder = tmp_path_factory.mktemp('pictures')
    make_examples(folder)
    upright = Image.open(standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg').crop((10, 0, 100, 120))
    exif = upright.getexif()
    exif[0x0112] = 6  # to be shown rotated clockwise
    upright.rotate(90, expand=True).save(folder / 'turned.jpg', exif=exif, quality=95)
    upright.save(folder / 'moving.gif')
    Image.new('RGB', (160, 120), (120, 120, 120)).save(folder / 'nobody.png')
    for side in (12_000, 30_000):
        Image.new('1', (side, side)).save(folder / f'{side}.png')
    (folder / 'cut.png').write_bytes((folder / 'nobody.png').read_bytes()[:33])
    (folder / 'text.jpg').write_text('no photo')
    (folder / 'drawing.svg').write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    (folder / 'large.jpg').write_bytes((folder / 'one_person.jpg').read_bytes() + bytes(2_000_000))
    return folder


@pytest.fixture(scope='session')
def free_port():
    with socket.create_server(('127.0.0.1', 0)) as found:
        return found.getsockname()[1]


class Watched:
    """The inferencer, with the number of photos that were in work at the same time."""

    def __init__(self, counting):
        self.own, self.inferencer = counting, counting.inferencer
        self.now, self.most, self.lock = 0, 0, threading.Lock()

    def __call__(self, *args, **kwargs):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            yield from self.own(*args, **kwargs)
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture(scope='module')
def watched(counting):
    return Watched(counting)


@pytest.fixture(scope='module')
def served(watched, pictures, tmp_path_factory, free_port):
    """The page's address and its upload folder."""
    from mmpose_integral.web.app import build_app, launch_app
    patch, folder = pytest.MonkeyPatch(), tmp_path_factory.mktemp('gradio')
    patch.setenv('GRADIO_TEMP_DIR', str(folder))
    app = build_app(watched, max_size_mb=1, examples=[pictures / 'two_people.jpg'])
    yield launch_app(app, port=free_port, max_size_mb=1, host_names=['demo.example.org'], block=False), folder
    app.close()
    patch.undo()


class Visitor:
    """A client with its cookies and one session."""

    def __init__(self, url):
        import httpx
        self.http, self.session = httpx.Client(base_url=url, timeout=60), secrets.token_hex(8)
        self.http.get('/')
        config = self.http.get('/config').json()
        self.show, self.clear, self.analyse = (
            next(each['id'] for each in config['dependencies'] if len(each['inputs']) == count) for count in (2, 1, 5))
        self.load, = [each['id'] for each in config['dependencies'] if not each['queue']][:1]

    def upload(self, path):
        return self.http.post('/gradio_api/upload', files=dict(files=path.open('rb'))).json()[0]

    def join(self, function, data, **changed):
        body = dict(data=data, fn_index=function, session_hash=self.session) | changed
        return self.http.post('/gradio_api/queue/join', json=body)

    def call(self, function, data):
        """Call a function; the message with its answer."""
        self.join(function, data).raise_for_status()
        return self.read()

    def read(self):
        with self.http.stream('GET', '/gradio_api/queue/data', params=dict(session_hash=self.session)) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                message = json.loads(line[6:]) if line else {}
                if message.get('msg') == 'process_completed':
                    return message

    def file(self, path):
        return self.http.get(f'/gradio_api/file={path}')


@pytest.fixture
def new_visitor(served):
    return lambda: Visitor(served[0])


@pytest.fixture
def visitor(new_visitor):
    return new_visitor()
