"""`get-model photo` with files that the test writes: sources, checks, and the joined model."""
import hashlib
import zipfile

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from torch import nn

from mmpose_integral.apis import find_alias, load_aliases
from mmpose_integral.cli import get_model
from mmpose_integral.cli.main import run_command
from mmpose_integral.models.backbones.blazepose import OUTPUT_CHANNELS, BlazePoseBackbone
from mmpose_integral.models.weights import load_weights_file

pytest.importorskip('tflite', reason='the package tflite (extra photo) is not installed')
CONFIG = '''
model = dict(
    type='Integral3DEstimator', backbone=dict(type='BlazePoseBackbone', outputs=('heatmaps', 'fused')),
    head=dict(type='Integral3DHead', in_channels=48, num_joints=18, depth_bins=4, deconv_out_channels=None,
              decoder=dict(type='Integral3DLabel', input_size=(256, 256))))
'''


def convolutions(backbone):
    return {name: layer for name, layer in backbone.named_modules() if isinstance(layer, nn.Conv2d)}


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """A TFLite file with random weights of the right shapes, and these weights as a state dict."""
    from tflite_file import TFLiteFile
    graph, rng, weights, outputs = TFLiteFile(), np.random.default_rng(0), {}, []
    last = graph.tensor()
    for name, layer in convolutions(BlazePoseBackbone(tuple(OUTPUT_CHANNELS))).items():
        values = [rng.normal(size=value.shape).astype(np.float16) for value in (layer.weight, layer.bias)]
        weights |= {f'{name}.{key}': value for key, value in zip(('weight', 'bias'), values, strict=True)}
        last = graph.convolution(last, *values)
        if name in ('heatmaps', 'world_landmarks'):
            outputs.append(last)
    others = [graph.tensor() for _ in range(3)]
    path = graph.write(tmp_path_factory.mktemp('network') / 'pose_landmark_full.tflite', others + outputs)
    return path, {name: torch.from_numpy(value).float() for name, value in weights.items()}


@pytest.fixture
def home(network, tmp_path, monkeypatch):
    """The user's folder, for a version of this project that expects the test's network and has a head for it."""
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr(get_model, 'SHA256', hashlib.sha256(network[0].read_bytes()).hexdigest())
    monkeypatch.setattr(get_model, 'HEAD', tmp_path / 'head.pth')
    monkeypatch.setattr(get_model, 'CONFIG', tmp_path / 'photo_model.py')
    get_model.CONFIG.write_text(CONFIG)
    weights = MODELS.build(Config.fromfile(get_model.CONFIG).model).state_dict()
    head = {name: value for name, value in weights.items() if name.startswith('head.')}
    torch.save(dict(state_dict=head, meta=dict(dataset_meta=dict(skeleton_length=dict(train=4500.)))), get_model.HEAD)
    return tmp_path / 'home'


def wheel(path, file, member=get_model.MEMBER):
    """A wheel that pip accepts as mediapipe 0.10.21."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.write(file, member)
        for name, text in (('METADATA', 'Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n'),
                           ('WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: false\n'), ('RECORD', '')):
            archive.writestr(f'mediapipe-0.10.21.dist-info/{name}', text)
    return path


def test_the_wheel_is_downloaded_once_and_the_backbone_is_converted(network, home, tmp_path, monkeypatch, capsys):
    shelf = tmp_path / 'shelf'
    shelf.mkdir()
    wheel(shelf / 'mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl', network[0])
    for name, value in dict(PIP_NO_INDEX='1', PIP_FIND_LINKS=str(shelf), PIP_CONFIG_FILE='/dev/null').items():
        monkeypatch.setenv(name, value)
    assert run_command('get-model', ['photo']) == 0
    assert 'downloading' in capsys.readouterr().out and list(load_aliases()) == ['photo']
    backbone = BlazePoseBackbone(tuple(OUTPUT_CHANNELS), init_cfg=dict(
        type='Pretrained', checkpoint=str(home / 'checkpoints' / 'blazepose_full.pth')))
    backbone.init_weights()
    for name, value in backbone.state_dict().items():
        torch.testing.assert_close(value, network[1][name], rtol=0, atol=0)
    monkeypatch.setenv('PIP_FIND_LINKS', '')
    assert run_command('get-model', ['photo']) == 0 and 'downloading' not in capsys.readouterr().out
    (home / 'downloads' / 'pose_landmark_full.tflite').unlink()
    assert run_command('get-model', ['photo']) == 1
    error = capsys.readouterr().err
    assert error.startswith('mediapipe==0.10.21 cannot be downloaded: ERROR: ') and 'get-model photo FILE.whl' in error


def test_a_head_completes_the_model_and_registers_it(network, home, tmp_path, capsys):
    head = torch.load(get_model.HEAD)['state_dict']
    source = wheel(tmp_path / 'any.whl', network[0])
    assert run_command('get-model', ['photo', str(source), '--out', str(tmp_path / 'out')]) == 0
    assert 'alias photo' in capsys.readouterr().out
    alias = find_alias('photo')
    assert alias == (str(get_model.CONFIG), str(tmp_path / 'out' / 'photo_model.pth'))
    other = MODELS.build(Config.fromfile(alias.config).model)
    assert load_weights_file(other, alias.checkpoint)['meta']['dataset_meta']['skeleton_length'] == {'train': 4500}
    for name, value in other.state_dict().items():
        expected = head[name] if name in head else network[1][name.removeprefix('backbone.')]
        torch.testing.assert_close(value, expected, rtol=0, atol=0)


def test_other_files_are_refused_and_leave_nothing(network, home, tmp_path, monkeypatch, capsys):
    (tmp_path / 'other.tflite').write_bytes(network[0].read_bytes()[:-1])
    wheel(tmp_path / 'other.whl', network[0], member='mediapipe/other.tflite')
    for name, message in (('absent.whl', 'no such TFLite file or wheel'), ('other.whl', 'other.whl has no mediapipe/'),
                          ('other.tflite', 'other.tflite: SHA-256 of pose_landmark_full.tflite is ')):
        assert run_command('get-model', ['photo', str(tmp_path / name)]) == 1
        assert message in capsys.readouterr().err
    assert not home.exists()


def test_another_network_is_named(home, tmp_path, monkeypatch, capsys):
    from tflite_file import TFLiteFile
    for layers, message in ((1, '81 convolutions before heat maps and world landmarks expected, found 1'),
                            (81, r'stem.conv.weight of shape (24, 3, 3, 3) expected, found (1, 1, 1, 1)')):
        graph = TFLiteFile()
        last = graph.tensor()
        for _ in range(layers):
            last = graph.convolution(last, np.ones((1, 1, 1, 1), np.float32), np.ones(1, np.float32))
        path = graph.write(tmp_path / 'x.tflite', [last] * 5)
        monkeypatch.setattr(get_model, 'SHA256', hashlib.sha256(path.read_bytes()).hexdigest())
        assert run_command('get-model', ['photo', str(path)]) == 1
        assert message in capsys.readouterr().err
