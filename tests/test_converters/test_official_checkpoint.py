"""Conversion of the authors' checkpoints, against an independent copy of their network."""
import os
import pickle
from pathlib import Path

import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmpose.registry import MODELS
from torch import nn

from mmpose_integral.apis import find_alias
from mmpose_integral.cli.main import run_command
from mmpose_integral.models.official_checkpoint import OfficialArchitecture, convert_official, load_official
from mmpose_integral.structures.skeleton import JOINT_NAMES

REPO = Path(__file__).parents[2]
CONFIGS = sorted((REPO / 'configs' / 'official').glob('*.py'))
DEPTH_BINS, WIDTH, HEIGHT = 8, 32, 48


class OfficialNetwork(nn.Module):
    """ResNet and head under the names of the released code, with the paper's integral."""

    def __init__(self, depth, widths=(16, 24, 8), depth_bins=DEPTH_BINS):
        super().__init__()
        self.depth_bins = depth_bins
        self.backbone = getattr(torchvision.models, f'resnet{depth}')(weights=None)
        layers, channels = [], self.backbone.fc.in_features
        del self.backbone.fc
        for width in widths:
            layers += [nn.ConvTranspose2d(channels, width, 4, 2, padding=1, bias=False), nn.BatchNorm2d(width),
                       nn.ReLU()]
            channels = width
        self.head = nn.Module()
        self.head.features = nn.Sequential(*layers, nn.Conv2d(channels, 18 * depth_bins, 1))

    def forward(self, x):
        b = self.backbone
        x = b.maxpool(b.relu(b.bn1(b.conv1(x))))
        x = self.head.features(b.layer4(b.layer3(b.layer2(b.layer1(x)))))
        p = x.reshape(len(x), 18, -1).softmax(-1).reshape(len(x), 18, self.depth_bins, *x.shape[-2:])
        return torch.stack([torch.einsum(f'bkdhw,{axis}->bk', p, torch.arange(size) / size)
                            for axis, size in zip('whd', p.shape[:1:-1], strict=True)], -1)


@torch.no_grad()
def make_network(depth, **kwargs):
    """Network with the statistics of a trained one, so that a mistake in any layer changes the result."""
    torch.manual_seed(depth)
    network = OfficialNetwork(depth, **kwargs).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.momentum = 1.0
    for parameter in network.head.features[-1].parameters():
        nn.init.normal_(parameter)
    network(torch.randn(4, 3, HEIGHT, WIDTH))
    return network.eval()


def official_file(network, path, prefix='module.', drop_counts=True, **kwargs):
    """Write a file as the released code does; torch 0.4.0 had no ``num_batches_tracked``."""
    weights = type(network.state_dict())((prefix + name, value) for name, value in network.state_dict().items()
                                         if not (drop_counts and name.endswith('num_batches_tracked')))
    torch.save(dict(epoch=300, network=weights, optimizer=torch.optim.Adam(network.parameters(), 1e-4).state_dict(),
                    scheduler=dict(milestones=[270, 290]), train_loss=[0.2, 0.1]), path, **kwargs)
    return path


def our_model(depth):
    return MODELS.build(dict(
        type='Integral3DEstimator', backbone=dict(type='ResNet', depth=depth),
        head=dict(type='Integral3DHead', in_channels=512 if depth < 50 else 2048, num_joints=18, depth_bins=DEPTH_BINS,
                  deconv_out_channels=(16, 24, 8), decoder=dict(type='Integral3DLabel', input_size=(WIDTH, HEIGHT))),
        )).eval()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    return tmp_path / 'home'


@pytest.mark.parametrize('depth, prefix, drop_counts', [(18, 'module.', True), (18, '', False), (50, 'module.', True)])
@torch.no_grad()
def test_the_same_crop_gives_the_same_coordinates(depth, prefix, drop_counts, tmp_path):
    network = make_network(depth)
    weights, architecture = convert_official(
        load_official(official_file(network, tmp_path / 'theirs.pth.tar', prefix, drop_counts)))
    assert architecture == OfficialArchitecture(depth, DEPTH_BINS, (16, 24, 8)) and architecture.input_width == WIDTH
    model = our_model(depth)
    model.load_state_dict(weights, strict=True)
    crops = torch.randn(3, 3, HEIGHT, WIDTH)
    expected = network(crops)
    assert expected.std(0).median() > 0.01 < expected.std(1).median()  # coordinates differ between crops and joints
    torch.testing.assert_close(model.head(model.extract_feat(crops)), expected, atol=1e-5, rtol=0)


def test_torch_0_4_file_of_a_gpu_loads_on_the_cpu(tmp_path):
    """The released files have the format before zip archives, and storages of type torch.cuda with tag cuda:0."""
    network = make_network(18)
    path = official_file(network, tmp_path / 'theirs.pth.tar', _use_new_zipfile_serialization=False)
    content = path.read_bytes().replace(b'ctorch\nFloatStorage', b'ctorch.cuda\nFloatStorage').replace(
        b'X\x03\x00\x00\x00cpu', b'X\x06\x00\x00\x00cuda:0')
    assert b'ctorch.cuda\n' in content and b'cuda:0' in content
    path.write_bytes(content)
    weights, _ = convert_official(load_official(path))
    torch.testing.assert_close(weights['backbone.conv1.weight'], network.backbone.conv1.weight)
    assert {value.device.type for value in weights.values()} == {'cpu'}


@pytest.mark.parametrize('change, message', [
    (lambda w: w.update({'head.extra': torch.zeros(1), 'fc.bias': torch.zeros(1)}), 'unknown: head.extra, fc.bias'),
    (lambda w: (w.pop('backbone.bn1.bias'), w.pop('head.features.4.running_var')),
     'missing: backbone.bn1.bias, head.features.4.running_var'),
    (lambda w: w.update({'backbone.layer4.1.conv2.weight': torch.zeros(3)}),
     r'of a wrong shape: backbone.layer4.1.conv2.weight \(3,\) instead of \(512, 512, 3, 3\)'),
    (lambda w: w.pop('head.features.9.weight'), 'head.features.9.weight is missing'),
    (lambda w: w.update({'head.features.9.weight': torch.zeros(100, 8, 1, 1)}), r'\(100, 8, 1, 1\); 18 joints'),
    (lambda w: [w.pop(k) for k in list(w) if k.startswith('backbone.layer3.1.')], r'\[2, 2, 1, 2\] blocks'),
    (lambda w: w.update({'module.x': torch.zeros(1)}), "'module.' expected before all keys or before none"),
    (lambda w: w.update({'backbone.bn1.bias': [0.0]}), 'these entries are not: backbone.bn1.bias')])
def test_every_key_is_accounted_for(change, message):
    weights = dict(make_network(18).state_dict())
    change(weights)
    with pytest.raises(ValueError, match=message):
        convert_official(dict(network=weights))


@pytest.mark.parametrize('checkpoint, message', [
    (dict(state_dict={}, meta={}), 'found state_dict, meta; this one is of mmengine'),
    ([1], "a dict with 'network' expected, found list"), (dict(network={}), 'found dict without keys')])
def test_other_checkpoints_are_named(checkpoint, message):
    with pytest.raises(ValueError, match=message):
        convert_official(checkpoint)


class Shell(str):
    """Shell command that an unrestricted pickle would run."""

    def __reduce__(self):
        return os.system, (str(self),)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_command_in_a_checkpoint_is_refused_and_does_not_run(zipped, tmp_path):
    flag, path = tmp_path / 'ran', tmp_path / 'bad.pth.tar'
    torch.save(dict(network={}, extra=Shell(f'touch {flag}')), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r'bad.pth.tar asks for \w+.system, but .* nothing of it was run'):
        load_official(path)
    assert not flag.exists()


@pytest.mark.parametrize('content, message', [
    (b'<!DOCTYPE html><html>', 'is a web page'), (b'PK\x03\x04 cut', 'is no torch checkpoint'),
    (b'', 'torch checkpoint'), (b'just text', 'torch checkpoint'), (pickle.dumps(dict(a=1), 2), 'torch checkpoint')])
def test_other_files_are_named(content, message, tmp_path):
    path = tmp_path / 'x.pth.tar'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_official(path)
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        load_official(tmp_path / 'absent')


def test_configs_describe_the_released_models():
    assert len(CONFIGS) >= 2
    for path in CONFIGS:
        cfg = Config.fromfile(path)
        with torch.device('meta'):
            model = MODELS.build(cfg.model)
        assert cfg.model.backbone.depth == 152 and cfg.codec.input_size == (288, 384)
        assert model.head.depth_bins == 72 and model.head.decoder.input_size == (288, 384)
        assert cfg.released_weights.startswith('https://www.dropbox.com/') and cfg.released_weights.endswith('dl=1')


def small_config(tmp_path):
    path = tmp_path / 'small.py'
    path.write_text(f"""_base_ = {str(CONFIGS[0])!r}
input_size = ({WIDTH}, {HEIGHT})
codec = dict(input_size=input_size)
model = dict(backbone=dict(depth=18), head=dict(
    in_channels=512, depth_bins={DEPTH_BINS}, deconv_out_channels=(16, 24, 8), decoder=dict(input_size=input_size)))
""")
    return path


def test_one_command_converts_and_registers(tmp_path, home, capsys):
    source, config = official_file(make_network(18), tmp_path / 'theirs.pth.tar'), small_config(tmp_path)
    assert run_command('convert-official', [str(source), '--config', str(config)]) == 0
    assert 'ResNet-18, 8 depth bins (input 32 px wide)' in capsys.readouterr().out
    alias = find_alias('official')
    assert alias == (str(config), str(home / 'checkpoints' / 'small.pth'))
    meta = load_checkpoint(our_model(18), alias.checkpoint, strict=True)['meta']
    assert meta['dataset_meta']['skeleton_length'] == {'train': 4522.828, 'train+val': 4502.881}
    assert list(meta['dataset_meta']['keypoint_id2name'].values()) == list(JOINT_NAMES)
    assert meta['config_name'] == 'small.py' and meta['epoch'] == 300 and 'Integral3DHead' in meta['cfg']
    more = ['--out', str(tmp_path / 'out' / 'b.pth'), '--alias', 'tall', '--bone-length', '4700']
    assert run_command('convert-official', [source.as_uri(), '--config', str(config), *more]) == 0  # from a URL
    lengths = torch.load(find_alias('tall').checkpoint)['meta']['dataset_meta']['skeleton_length']
    assert lengths == {'train': 4700.0, 'train+val': 4700.0}


@pytest.mark.parametrize('source, message', [
    ('{tmp}/absent.pth.tar', 'no such checkpoint'), ('file://{tmp}/absent.pth.tar', 'browser, save the file'),
    ('file://{tmp}/page.html', 'is a web page'),
    ('{tmp}/theirs.pth.tar', 'official_config.py (first difference: head.final_layer')])
def test_failures_are_error_messages_and_leave_no_file(source, message, tmp_path, home, capsys):
    official_file(make_network(18, depth_bins=5), tmp_path / 'theirs.pth.tar')
    (tmp_path / 'page.html').write_text('\n<html>please log in</html>')
    config = small_config(tmp_path).rename(tmp_path / 'official_config.py')
    assert run_command('convert-official', [source.format(tmp=tmp_path), '--config', str(config)]) == 1
    error = capsys.readouterr().err
    assert message in error and 'Traceback' not in error
    assert not [path for path in home.rglob('*') if path.is_file()]
