"""An inferencer that counts its calls, files for visitors to send, and a free port."""
import copy
import os
import socket

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
