"""An ensemble in one pass over the data gives the same as the mean of stored predictions."""
import json

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.registry import MODELS
from small_training import evaluate, prepare, run_tool, save_random_weights, write_config

from mmpose_integral.formats.checkpoints import CheckpointError
from mmpose_integral.formats.predictions import load_predictions

# Backbone, head and input size differ from those of the first member.
LARGER = '''
for pipeline in [test_dataloader['dataset']['pipeline']]:
    pipeline[2] = dict(type='TopdownAffine3D', input_size=(64, 96))
model['backbone'] = dict(type='ResNet', depth=34, base_channels=8)
model['head'].update(depth_bins=12, decoder=dict(type='Integral3DLabel', input_size=(64, 96)))
'''
ENSEMBLE = '''
_base_ = '{first}'
members = [dict(config='{first}', checkpoint='{folder}/first.pth', weight=3.0),
           dict(config='{second}', checkpoint='{folder}/second.pth')]
model = dict(_delete_=True, type='EnsembleEstimator', members=members, test_cfg=dict(flip_test=True))
pipeline = [dict(type='LoadImage', color_type='color_ignore_orientation'),
            dict(type='MemberInputs', configs=[member['config'] for member in members])]
test_dataloader = dict(dataset=dict(pipeline=pipeline))
'''


@pytest.fixture(scope='module')
def folder(standin, tmp_path_factory):
    """Two members, evaluated one by one with flip test, and as an ensemble in one pass."""
    folder = tmp_path_factory.mktemp('ensemble')
    prepare(standin, folder)
    first = write_config(standin, folder, folder / 'first.py')
    second = write_config(standin, folder, folder / 'second.py', LARGER)
    (folder / 'both.py').write_text(ENSEMBLE.format(first=first, second=second, folder=folder))
    for seed, config in enumerate((first, second)):
        weights = save_random_weights(config, config.with_suffix('.pth'), seed, large_head=True)
        evaluate(config, weights, config.with_suffix('.npz'), model__test_cfg=dict(flip_test=True))
    run_tool('test', folder / 'both.py', '--work-dir', folder / 'both', '--predictions', folder / 'both.npz', '--out',
             folder / 'both.json')
    return folder


def test_one_pass_and_stored_predictions_agree(folder):
    run_tool('ensemble', folder / 'first.npz', folder / 'second.npz', '--weights', 3, 1, '--annotations', folder,
             '--out', folder / 'mean.json', '--out-predictions', folder / 'mean.npz')
    one_pass, stored, first, second = (load_predictions(folder / f'{name}.npz')
                                       for name in ('both', 'mean', 'first', 'second'))
    np.testing.assert_allclose(stored['pred_px'], (3 * first['pred_px'] + second['pred_px']) / 4, atol=1e-4)
    for name in ('pred_px', 'std_px'):
        np.testing.assert_allclose(one_pass[name], stored[name], atol=1e-3)
    assert np.abs(first['pred_px'] - second['pred_px']).max() > 1
    metrics = [json.loads((folder / f'{name}.json').read_text()) for name in ('both', 'mean')]
    assert metrics[1] == pytest.approx(metrics[0], abs=1e-2)


def test_an_ensemble_cannot_be_trained_and_faulty_members_are_named(folder):
    cfg = Config.fromfile(folder / 'both.py')
    model = MODELS.build(cfg.model)
    with pytest.raises(ValueError, match="'loss'"):
        model(inputs=[], data_samples=[], mode='loss')
    with pytest.raises(ValueError, match='inputs for 1 members, the ensemble has 2'):
        model(inputs=[[]], data_samples=[[]], mode='predict')
    batch = next(iter(Runner.build_dataloader(cfg.test_dataloader)))
    with pytest.raises(ValueError, match=r'member 0 takes inputs of \(32, 64\) px and got \(64, 96\)'):
        model.test_step({key: value[::-1] for key, value in batch.items()})
    other = save_random_weights(folder / 'second.py', folder / 'other.pth', depth=18)
    cfg.model.members[1].checkpoint = str(other)
    with pytest.raises(CheckpointError, match=r'other\.pth: .* it has no backbone\.layer'):
        MODELS.build(cfg.model)
    cfg.model.members[1].checkpoint = 'nowhere.pth'
    with pytest.raises(FileNotFoundError, match=r'second\.py: no checkpoint nowhere\.pth'):
        MODELS.build(cfg.model)
    cfg.model.members[1].config = 'nowhere.py'
    with pytest.raises(FileNotFoundError, match=r'no config nowhere\.py'):
        MODELS.build(cfg.model)
    with pytest.raises(ValueError, match='weights above 0'):
        MODELS.build(dict(type='EnsembleEstimator', members=[dict(config='a', checkpoint='b', weight=0)]))


def test_an_ensemble_writes_a_submission_without_a_checkpoint(folder):
    """Val takes the place of Test, because the index determines the frames."""
    (folder / 'submit.py').write_text(
        f"_base_ = '{folder}/both.py'\nsubmission_dataloader = {{{{_base_.test_dataloader}}}}")
    run_tool('submit', folder / 'submit.py', '--bone-length', 4500, '--work-dir', folder / 'submit', '--out',
             folder / 'submission.zip', '--predictions', folder / 'submitted.npz')
    assert run_tool('submit', '--check', folder / 'submission.zip', '--index', folder / 'h80k_val.npz') == 0
    np.testing.assert_allclose(load_predictions(folder / 'submitted.npz')['pred_px'],
                               load_predictions(folder / 'both.npz')['pred_px'], atol=1e-4)
    assert 'names its own checkpoints' in run_tool('submit', folder / 'submit.py', folder / 'first.pth')


@pytest.mark.parametrize('arguments, message', [
    (['test', '{}/first.py'], 'a checkpoint is expected'),
    (['test', '{}/both.py', '{}/first.pth'], 'names its own checkpoints'),
    (['test', '{}/first.py', 'no.pth'], 'no.pth: no such checkpoint'),
    (['test', 'no.py', '{}/first.pth'], 'no.py: no such config file'),
    (['ensemble', '{}/first.npz', 'no.npz', '--annotations', '{}'], 'no.npz: no such file'),
    (['ensemble', '{}/first.npz', '--weights', 1, 2, '--annotations', '{}'], '1 numbers above 0 expected')])
def test_wrong_arguments_end_with_a_sentence(arguments, message, folder):
    assert message in run_tool(*(str(argument).format(folder) for argument in arguments))
