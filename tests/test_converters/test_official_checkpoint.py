"""The authors' checkpoints: an independent copy of their network and ours must agree to the last digits."""
import importlib.util
import os
import pickle
from pathlib import Path

import pytest
import torch
import torchvision
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmpose.registry import MODELS
from torch import nn

from mmpose_integral.apis import find_alias
from mmpose_integral.models.official_checkpoint import OfficialArchitecture, convert_official, load_official
from mmpose_integral.structures.skeleton import JOINT_NAMES

REPO = Path(__file__).parents[2]
CONFIGS = sorted((REPO / 'configs' / 'official').glob('*.py'))
DEPTH_BINS, WIDTH, HEIGHT = 8, 32, 48


class OfficialNetwork(nn.Module):
    """ResNet and head under the names of the released code, with its integral as it stands in the paper."""

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
        axes = [torch.arange(n) / n for n in (p.shape[4], p.shape[3], p.shape[2])]
        return torch.stack([torch.einsum('bkdhw,w->bk', p, axes[0]), torch.einsum('bkdhw,h->bk', p, axes[1]),
                            torch.einsum('bkdhw,d->bk', p, axes[2])], -1)


@torch.no_grad()
def make_network(depth, **kwargs):
    """With statistics and peaks as of a trained network, so that a mistake in any layer shows in the result."""
    torch.manual_seed(depth)
    network = OfficialNetwork(depth, **kwargs).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.momentum = 1.0
    nn.init.normal_(network.head.features[-1].weight)
    nn.init.normal_(network.head.features[-1].bias)
    network(torch.randn(4, 3, HEIGHT, WIDTH))
    return network.eval()


def official_file(network, path, prefix='module.', drop_counts=True, **kwargs):
    """What the released code saves; torch 0.4.0 had no ``num_batches_tracked``."""
    weights = type(network.state_dict())((prefix + name, value) for name, value in network.state_dict().items()
                                         if not (drop_counts and name.endswith('num_batches_tracked')))
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [270, 290])
    torch.save(dict(epoch=300, network=weights, optimizer=optimizer.state_dict(), scheduler=scheduler.state_dict(),
                    train_loss=[0.2, 0.1], valid_loss=[0.3]), path, **kwargs)
    return path


def our_model(depth, widths=(16, 24, 8), depth_bins=DEPTH_BINS):
    init_default_scope('mmpose')
    codec = dict(type='Integral3DLabel', input_size=(4 * depth_bins, 6 * depth_bins))
    return MODELS.build(dict(
        type='Integral3DEstimator', backbone=dict(type='ResNet', depth=depth),
        head=dict(type='Integral3DHead', in_channels=512 if depth < 50 else 2048, num_joints=18,
                  depth_bins=depth_bins, deconv_out_channels=widths, decoder=codec))).eval()


def tool():
    """The converter's module; tools are no package."""
    path = REPO / 'tools' / 'model_converters' / 'convert_official.py'
    spec = importlib.util.spec_from_file_location('convert_official', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    assert expected.std(0).median() > 0.01 < expected.std(1).median()  # or equality would mean little
    torch.testing.assert_close(model.head(model.extract_feat(crops)), expected, atol=1e-5, rtol=0)


def test_torch_0_4_file_of_a_gpu_loads_on_the_cpu(tmp_path):
    """The released files: the format before zip archives, storages of type torch.cuda, tagged cuda:0."""
    network = make_network(18)
    path = official_file(network, tmp_path / 'theirs.pth.tar', _use_new_zipfile_serialization=False)
    old = path.read_bytes()
    new = old.replace(b'ctorch\nFloatStorage', b'ctorch.cuda\nFloatStorage').replace(
        b'X\x03\x00\x00\x00cpu', b'X\x06\x00\x00\x00cuda:0')
    assert old != new and b'cuda:0' in new
    path.write_bytes(new)
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
    (lambda w: w.update({'backbone.bn1.bias': [0.0]}), 'tensors by name expected, which these are not: backbone.bn1')])
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


class Shell:
    """Runs a command when an unrestricted pickle loads it."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


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
    init_default_scope('mmpose')
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
    assert tool().main([str(source), '--config', str(config)]) == 0
    assert 'ResNet-18, 8 depth bins (input 32 px wide)' in capsys.readouterr().out
    alias = find_alias('official')
    assert alias == (str(config), str(home / 'checkpoints' / 'small.pth'))
    meta = load_checkpoint(our_model(18), alias.checkpoint, strict=True)['meta']
    assert meta['dataset_meta']['skeleton_length'] == {'train': 4522.828, 'train+val': 4502.881}
    assert list(meta['dataset_meta']['keypoint_id2name'].values()) == list(JOINT_NAMES)
    assert meta['config_name'] == 'small.py' and meta['epoch'] == 300 and 'Integral3DHead' in meta['cfg']
    assert tool().main([source.as_uri(), '--config', str(config), '--out', str(tmp_path / 'out' / 'b.pth'),
                        '--alias', 'tall', '--bone-length', '4700']) == 0  # from a URL
    lengths = torch.load(find_alias('tall').checkpoint)['meta']['dataset_meta']['skeleton_length']
    assert lengths == {'train': 4700.0, 'train+val': 4700.0}


@pytest.mark.parametrize('source, message', [
    ('{tmp}/absent.pth.tar', 'no such checkpoint'), ('file://{tmp}/absent.pth.tar', r'browser, save the file'),
    ('file://{tmp}/page.html', 'sent a web page'), ('{tmp}/theirs.pth.tar', 'official_config.py does not describe')])
def test_failures_are_sentences_and_leave_nothing(source, message, tmp_path, home, capsys):
    official_file(make_network(18, depth_bins=5), tmp_path / 'theirs.pth.tar')
    (tmp_path / 'page.html').write_text('\n<html>please log in</html>')
    config = small_config(tmp_path).rename(tmp_path / 'official_config.py')
    assert tool().main([source.format(tmp=tmp_path), '--config', str(config)]) == 1
    error = capsys.readouterr().err
    assert message in error and 'Traceback' not in error
    assert not [path for path in home.rglob('*') if path.is_file()]
