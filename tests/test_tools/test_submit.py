"""The command submit: valid submissions, of one checkpoint or of the mean of several ones.

Val takes the place of Test, as in tests/test_tools/test_ensemble.py, because the index determines the frames.
"""
import json
import re
import zipfile

import numpy as np
import pytest
import torch
from small_training import REPO, prepare, run_tool, save_random_weights, write_config

from mmpose_integral.cli import submit as command
from mmpose_integral.evaluation.functional import average_predictions, rescale_to_bone_length
from mmpose_integral.formats.predictions import load_predictions

# The crop of Test differs from that of Val.
TEST_FRAMES = '''
import copy
submission_dataloader = copy.deepcopy(test_dataloader)
submission_dataloader['dataset']['pipeline'][1]['padding'] = 1.4
'''


@pytest.fixture(scope='module')
def folder(standin, tmp_path_factory):
    """A config and two of its checkpoints, each submitted by itself with flip test."""
    folder = tmp_path_factory.mktemp('submit')
    prepare(standin, folder)
    config = write_config(standin, folder, folder / 'small.py', TEST_FRAMES)
    for seed, name in enumerate(('a', 'b')):
        save_random_weights(config, folder / f'{name}.pth', seed, large_head=True,
                            dataset_meta=dict(skeleton_length={'train': 4400.0, 'train+val': 4444.0}))
        submit(folder, name, name, '--flip-test')
    return folder


@pytest.fixture(scope='module', autouse=True)
def two_processes(folder, forks):
    """Submission of an ensemble by two processes, which starts before the first test; the last test checks it."""
    return forks.start(REPO / 'tools' / 'submit.py', '--launcher', 'pytorch', folder / 'small.py', folder / 'a.pth',
                       folder / 'b.pth', '--flip-test', '--out', folder / 'two.zip', '--work-dir', folder / 'two',
                       '--cfg-options', 'submission_dataloader.batch_size=1', ranks=2)


def submit(folder, name, checkpoints, *options):
    """Write submission ``<name>.zip`` and predictions ``<name>.npz`` of checkpoints, one letter each."""
    return run_tool('submit', folder / 'small.py', *(folder / f'{letter}.pth' for letter in checkpoints), '--out',
                    folder / f'{name}.zip', '--predictions', folder / f'{name}.npz', '--work-dir', folder / name,
                    *options)


def read_poses(path):
    """Poses (N, 17, 3) mm of the CSV files, in the order of the frames, and of the JSON file."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith('.csv'))
        summary = json.loads(archive.read('Test_Prediction.JSON'))
        poses = [np.loadtxt(archive.read(name).decode().splitlines(), delimiter=',') for name in names]
    return np.array(poses), np.reshape([entry['keypoints'] for entry in summary], (-1, 17, 3))


def mean_of(folder, names, weights=None, bone_length=4444.0):
    """Mean of predictions in px, scaled: (N, 17, 3) mm."""
    files = [load_predictions(folder / f'{name}.npz') for name in names]
    _, mean = average_predictions([file['frame_ids'] for file in files], [file['pred_px'] for file in files], weights)
    return rescale_to_bone_length(mean, bone_length)[:, :17]


def test_one_checkpoint(folder):
    poses, summary = read_poses(folder / 'a.zip')
    assert poses.shape == (7, 17, 3)
    np.testing.assert_allclose(poses, mean_of(folder, 'a'), atol=0.006)
    np.testing.assert_array_equal(poses, summary)
    assert not list((folder / 'a').glob('submission_member*'))  # it is not treated as an ensemble
    std = load_predictions(folder / 'a.npz')['std_px']
    assert std.shape == (7, 18, 3) and (std > 0).all()


def test_several_checkpoints_give_the_mean_of_their_predictions(folder):
    assert submit(folder, 'both', 'ab', '--flip-test') == 0
    poses, _ = read_poses(folder / 'both.zip')
    np.testing.assert_allclose(poses, mean_of(folder, 'ab'), atol=0.02)
    assert np.abs(poses - read_poses(folder / 'a.zip')[0]).max() > 10
    first, second, both = (load_predictions(folder / f'{name}.npz') for name in ('a', 'b', 'both'))
    variance = (first['std_px']**2 + second['std_px']**2) / 2 + (first['pred_px'] - second['pred_px'])**2 / 4
    np.testing.assert_allclose(both['std_px'], np.sqrt(variance), rtol=1e-3)
    assert run_tool('submit', '--check', folder / 'both.zip', '--index', folder / 'h80k_val.npz') == 0


def test_options_apply_to_the_members(folder):
    """Another crop, flip test by option, weights and a length; options may stand between the checkpoints."""
    crop = 'submission_dataloader.dataset.pipeline.1.padding=1.1'
    for name in ('a', 'b'):
        assert submit(folder, f'crop_{name}', name, '--flip-test', '--cfg-options', crop) == 0
    out = ['--out', folder / 'crop.zip', '--work-dir', folder / 'crop']
    assert run_tool('submit', folder / 'small.py', '--bone-length', 4000, folder / 'a.pth', *out, folder / 'b.pth',
                    '--weights', 3, 1, '--cfg-options', 'model.test_cfg.flip_test=True', crop) == 0
    poses, _ = read_poses(folder / 'crop.zip')
    np.testing.assert_allclose(poses, mean_of(folder, ['crop_a', 'crop_b'], [3, 1], 4000.0), atol=0.02)
    for names, weights in ((['crop_a', 'crop_b'], [1, 1]), ('ab', [3, 1])):  # weights and crop have an effect
        assert np.abs(poses - mean_of(folder, names, weights, 4000.0)).max() > 0.5
    assert len(list((folder / 'crop').glob('submission_member_*.py'))) == 1


def test_stored_lengths_must_agree(folder):
    other = torch.load(folder / 'b.pth')
    other['meta'] = dict(dataset_meta=dict(skeleton_length={'train+val': 4450.5}))
    torch.save(other, folder / 'c.pth')
    message = submit(folder, 'ac', 'ac')
    assert 'a.pth 4444.000 mm' in message and 'c.pth 4450.500 mm' in message and 'give --bone-length' in message
    torch.save(dict(other, meta=dict(dataset_meta=dict(skeleton_length={'train+val': 4.4}))), folder / 'e.pth')
    message = submit(folder, 'e', 'e')
    assert 'e.pth: mean skeleton length of train+val: mm expected, 500 to 20000' in message
    assert 'got 4.4; give --bone-length' in message
    torch.save(dict(other, meta={}), folder / 'd.pth')
    assert 'd.pth has no mean skeleton length of train+val' in submit(folder, 'ad', 'ad')
    assert not (folder / 'ac.zip').exists() and not (folder / 'ad.zip').exists()


def test_check_uses_the_index_of_the_config_or_the_default_one(folder, tmp_path, monkeypatch, capsys):
    assert run_tool('submit', folder / 'small.py', '--check', folder / 'a.zip') == 0
    assert 'a.zip: valid, 7 frames' in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    message = run_tool('submit', '--check', folder / 'a.zip')
    assert 'data/h80k/annotations/h80k_test.npz' in message and '--index names' in message
    (tmp_path / 'data' / 'h80k' / 'annotations').mkdir(parents=True)
    (tmp_path / 'data' / 'h80k' / 'annotations' / 'h80k_test.npz').symlink_to(folder / 'h80k_train.npz')
    assert run_tool('submit', '--check', folder / 'a.zip') == 1  # Train has twelve frames
    assert '00012.csv is missing' in capsys.readouterr().out


@pytest.mark.parametrize('options, message', [
    (['a.pth', 'a.pth'], 'a.pth is given more than once'), ([], 'a checkpoint is expected'),
    (['a.pth', 'none.pth'], 'none.pth: no such checkpoint'),
    (['a.pth', 'b.pth', '--weights', '1'], 'one weight for each of several checkpoints expected, got 1 for 2'),
    (['a.pth', '--weights', '1'], 'one weight for each of several checkpoints expected, got 1 for 1'),
    (['a.pth', '--cfg-options', 'test_dataloader.batch_size=1'], 'are those of submission_dataloader')])
def test_wrong_arguments_end_with_a_sentence(folder, tmp_path, options, message):
    options = [folder / option if option.endswith('.pth') else option for option in options]
    assert message in run_tool('submit', folder / 'small.py', *options, '--out', tmp_path / 'x.zip')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('options, message', [
    ([], 'a config and its checkpoints are expected, or --check'),
    (['c.py', 'a.pth', 'b.pth', '--weights', 1, 0], '--weights: a positive number expected, got 0'),
    (['c.py', 'a.pth', '--bone-length', 4.5], '--bone-length: total bone length: mm expected, 500 to 20000'),
    (['c.py', 'a.pth', '--bone-length', 0], 'an adult has about 4500), got 0'),
    (['c.py', 'a.pth', '--index', 'i'], '--index is for --check only'),
    (['c.py', 'a.pth', '--check', 'x.zip'], 'no checkpoint is expected; got a.pth')])
def test_wrong_usage_is_explained(options, message, capsys):
    assert run_tool('submit', *options) == 2
    assert message in capsys.readouterr().err


def test_examples_in_the_help_can_be_parsed():
    calls = [line.strip().split('   ')[0].split()[1:] for line in command.__doc__.splitlines()
             if line.startswith('    submit')]
    assert len(calls) == 4 and all(command.parse_args(arguments) for arguments in calls)


@pytest.mark.parametrize('tool, args', [('submit', ['--out', 'x.zip']), ('test', []), ('box-sensitivity', [])])
def test_weights_of_another_model_are_refused(tool, args, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = torch.load(folder / 'a.pth')
    checkpoint['state_dict'] = {f'x.{name}': value for name, value in checkpoint['state_dict'].items()}
    torch.save(checkpoint, tmp_path / 'renamed.pth')
    message = run_tool(tool, folder / 'small.py', tmp_path / 'renamed.pth', '--work-dir', tmp_path / 'work', *args)
    assert 'renamed.pth: the checkpoint is not of this config: it has no backbone' in message
    deeper = save_random_weights(folder / 'small.py', tmp_path / 'deeper.pth', depth=34, **torch.load(
        folder / 'a.pth')['meta'])
    message = run_tool(tool, folder / 'small.py', deeper, '--work-dir', tmp_path / 'work', *args)
    assert 'deeper.pth: the checkpoint is not of this config: the model has no backbone.layer1.2.conv1' in message
    assert not (tmp_path / 'x.zip').exists()


def test_a_checkpoint_that_is_damaged_or_of_a_failed_training_is_refused(folder, tmp_path):
    checkpoint = torch.load(folder / 'b.pth')
    checkpoint['state_dict']['head.final_layer.bias'][0] = torch.nan
    torch.save(checkpoint, tmp_path / 'nan.pth')
    content = bytearray((folder / 'b.pth').read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / 'flipped.pth').write_bytes(content)
    for name, message in (('nan', 'head.final_layer.bias .* not finite'), ('flipped', 'does not fit its checksum')):
        found = run_tool('submit', folder / 'small.py', folder / 'a.pth', tmp_path / f'{name}.pth', '--out',
                         tmp_path / 'x.zip', '--work-dir', tmp_path / 'work')
        assert re.search(f'{name}.pth.* {message}', found) and len(found.splitlines()) == 1
    assert not (tmp_path / 'x.zip').exists()


def test_two_processes_submit_an_ensemble_together(folder, two_processes):
    run = two_processes()
    assert run.code == 0, run.output[-3000:]
    np.testing.assert_allclose(read_poses(folder / 'two.zip')[0], mean_of(folder, 'ab'), atol=0.02)
    # mmengine prints the number of processes as that of GPUs.
    assert 'GPU number: 2' in next((folder / 'two').glob('*/*.log')).read_text()
