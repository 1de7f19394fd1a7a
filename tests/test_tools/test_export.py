"""The command export: its files give the coordinates of the model at any batch size, or nothing is written."""
import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from small_model import HEAD, HEIGHT, REGRESSION, STANDIN, WIDTH, random_crops, small_config, small_model
from small_training import REPO, run_tool

from mmpose_integral.apis import register_alias
from mmpose_integral.cli import export
from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS

NO_EXPORT = 'onnx, onnxruntime or onnxscript is not installed (pip install onnx onnxruntime onnxscript)'


@pytest.fixture
def files(tmp_path, one_thread):
    """``files(meta, **options)`` writes a small config and a random checkpoint, and returns their names."""
    def write(meta=None, **options):
        cfg = small_config(**options)
        cfg.dump(tmp_path / 'small.py')
        torch.save(dict(state_dict=small_model(cfg).state_dict(), meta=dict(dataset_meta=meta or dict(name='a'))),
                   tmp_path / 'small.pth')
        return str(tmp_path / 'small.py'), str(tmp_path / 'small.pth')
    return write


def test_all_formats_agree_at_any_batch_size(files, tmp_path, capsys):
    onnxruntime = pytest.importorskip('onnxruntime', reason=NO_EXPORT)
    pytest.importorskip('onnxscript', reason=NO_EXPORT)
    lengths = {'train': 4100.5, 'train+val': 4200.25}
    out = tmp_path / 'out'
    assert run_tool('export', *files(meta=dict(skeleton_length=lengths), flip_test=True), '--out-dir', out, '--format',
                    'onnx', 'torchscript', 'torch-export') == 0
    assert sorted(path.name for path in out.iterdir()) == ['small.onnx', 'small.pt2', 'small.torchscript.pt']
    assert capsys.readouterr().out.count('of the input size (4 crops, batches of 1 and 3)') == 3
    session = onnxruntime.InferenceSession(str(out / 'small.onnx'), providers=['CPUExecutionProvider'])
    assert [(one.name, one.shape) for one in session.get_inputs() + session.get_outputs()] == [
        ('crop', ['batch', 3, HEIGHT, WIDTH]), ('xyz', ['batch', 18, 3]), ('std', ['batch', 18, 3])]
    facts = json.loads(session.get_modelmeta().custom_metadata_map['mmpose_integral'])
    assert facts['skeleton_length'] == lengths and facts['bone_length'] == 4200.25 and facts['padding'] == 1.4
    assert (facts['config'], facts['checkpoint']) == ('small.py', 'small.pth') and facts['flip_test'] is True
    program, script = torch.export.load(out / 'small.pt2').module(), torch.jit.load(out / 'small.torchscript.pt')
    model, onnx = small_model(small_config()), lambda crops: session.run(None, {'crop': crops.numpy()})
    with torch.no_grad():
        for crops in (random_crops(batch, seed=batch) for batch in (1, 2, 5)):
            for run in (program, script, onnx):
                for one, other in zip(run(crops), export.predict(model, crops), strict=True):
                    np.testing.assert_allclose(np.asarray(one), other, rtol=0, atol=export.TOLERANCE)
    assert str(REPO).encode() not in (out / 'small.onnx').read_bytes()  # no stack traces


@pytest.mark.parametrize('head', ['debias', 'argmax', 'regression'])
def test_other_heads_in_onnx(files, tmp_path, head):
    pytest.importorskip('onnxscript', reason=NO_EXPORT)
    from mmpose_integral.deployment.onnx_runtime import OnnxIntegralPose
    given = files(head=REGRESSION if head == 'regression' else dict(HEAD, **{head: True}))
    assert run_tool('export', *given, '--out-dir', tmp_path) == 0
    pose = OnnxIntegralPose(tmp_path / 'small.onnx')
    assert pose.facts['bone_length'] == PUBLISHED_SKELETON_LENGTHS['train+val']  # the checkpoint has none
    person, = pose(np.full((50, 40, 3), 90, np.uint8), 'whole_image', flip_test=True)
    assert ('keypoint_std' in person) == (head != 'regression')
    assert head != 'regression' or (person['keypoint_scores'] == 1).all()


def test_an_alias_and_a_photo(files, standin, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    register_alias('mine', *files())
    command = ['export', 'mine', '--format', 'torchscript', '--out-dir', tmp_path / 'out', '--image',
               standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg']
    assert run_tool(*command, '--bbox', 1, 2, 60, 70, -9, 0, 50, 200) == 0
    out = capsys.readouterr().out
    assert 'small.torchscript.pt' in out and '(6 crops' in out
    assert run_tool(*command, '--name', 'other') == 0
    assert (tmp_path / 'out' / 'other.torchscript.pt').is_file() and '(5 crops' in capsys.readouterr().out


@pytest.mark.parametrize('fault', [2e-4, float('nan')])
def test_no_format_is_kept_if_one_of_them_is_wrong(files, tmp_path, fault, monkeypatch, capsys):
    def write(module, example, path, facts, error):
        Path(path).write_text('program')
        return lambda crops: [one + error * (len(crops) == 3) for one in export.predict(module.model, crops)]

    monkeypatch.setitem(export.WRITERS, 'onnx', functools.partial(write, error=5e-5))
    monkeypatch.setitem(export.WRITERS, 'torch-export', functools.partial(write, error=fault))
    command, out = ['export', *files(), '--out-dir', tmp_path / 'out', '--format', 'onnx'], tmp_path / 'out'
    assert 'torch-export: coordinates differ from those of the model by' in run_tool(*command, 'torch-export')
    assert not list(out.iterdir())
    assert run_tool(*command) == 0
    assert [path.name for path in out.iterdir()] == ['small.onnx'] and '5.0e-05' in capsys.readouterr().out


@pytest.mark.parametrize('options, message', [
    (dict(head=dict(HEAD, num_joints=16)), 'got 16'),
    (dict(head=dict(HEAD, depth_bins=1, decoder=dict(type='Integral2DLabel'))), 'a 2D model has no depth'),
    (dict(preprocessor=dict(pad_size_divisor=32)), 'pad_size_divisor cannot be exported'),
    (dict(pipeline=[dict(type='PerturbBBox', scale=2.0)]), "'PerturbBBox'")])
def test_models_that_cannot_be_exported(files, tmp_path, options, message):
    assert message in run_tool('export', *files(**options), '--out-dir', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_wrong_arguments_end_with_a_sentence(files, tmp_path, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    config, checkpoint = files()
    ensemble = tmp_path / 'ensemble.py'
    ensemble.write_text("model = dict(type='EnsembleEstimator', members=[])\n")
    cut = Config.fromfile(config)
    cut.test_dataloader.dataset.pipeline[2].input_size = (WIDTH, WIDTH)
    cut.dump(tmp_path / 'cut.py')
    for args, message in (
            ([ensemble, checkpoint], 'export its members one by one'), ([config], 'its CHECKPOINT is expected'),
            ([tmp_path / 'cut.py', checkpoint], 'cuts (64, 64) px, its codec expects (64, 96) px'),
            ([config, 'absent.pth'], 'absent.pth: no such checkpoint'), (['unknown'], "alias 'unknown' is"),
            (['absent.py', checkpoint], 'absent.py: no such config file'),
            ([STANDIN, checkpoint], 'the checkpoint is not of this config'),
            ([config, checkpoint, '--image', 'absent.jpg'], 'absent.jpg: no such file'),
            ([config, checkpoint, '--image', config], 'cannot be decoded')):
        assert message in run_tool('export', *args, '--out-dir', tmp_path / 'out')
        assert not (tmp_path / 'out').exists()
    for args in (['--bbox', '1', '2', '3', '4'], ['--image', 'a', '--bbox', '1']):
        assert run_tool('export', config, checkpoint, *args) == 2
