"""The command quickstart on a few frames, as a user starts it, and a second run of it."""
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from small_training import REPO, run_tool

from mmpose_integral.cli.quickstart import command


def tiny(folder):
    return ['--size', 'tiny', '--data-root', folder / 'data', '--work-dir', folder / 'work']


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """Folder and output of a finished run."""
    folder = tmp_path_factory.mktemp('quickstart')
    run = subprocess.run([sys.executable, '-W', 'ignore', 'tools/quickstart.py', *tiny(folder)], cwd=REPO,
                         capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return folder, run.stdout


def test_all_figures_and_pictures_are_written(finished):
    folder, out = finished
    table = (folder / 'work' / 'RESULTS.md').read_text()
    assert table.strip() in out
    metrics = json.loads((folder / 'work' / 'val.json').read_text())
    assert metrics['h80k/frames'] == 12
    for length in ('train+val', 'train', 'val', 'per-frame'):
        assert f'{metrics[f"h80k/MPJPE_{length}"]:.1f} mm' in table
    for name in ('val_predictions.png', 'learning_curve.png', 'cameras_train.png', 'standin_preview.jpg'):
        assert (folder / 'work' / 'pictures' / name).stat().st_size > 10_000


@pytest.mark.skipif(torch.cuda.is_available() or (os.cpu_count() or 1) < 2, reason='needs two cores and no GPU')
def test_two_processes_train_on_the_cpu(finished):
    folder, out = finished
    assert 'dist_train.sh configs/quickstart/integral_r18_standin.py 2 ' in out.replace(str(REPO) + '/', '')
    log = min((folder / 'work' / 'integral').glob('*/*.log')).read_text()  # the log of the submission is newer
    assert 'Distributed training: True' in log and 'GPU number: 2' in log  # the number of processes


def test_mean_pose_baseline_is_the_plain_mean(finished):
    folder, _ = finished
    train, val = (np.stack([np.loadtxt(file, delimiter=',')
                            for file in sorted((folder / 'data' / 'h80k' / split / 'POSE').iterdir())])
                  for split in ('Train', 'Val'))
    errors = np.linalg.norm(val - train.mean(0), axis=-1)
    assert f'| {np.mean(errors):.1f} mm |' in (folder / 'work' / 'RESULTS.md').read_text()


def test_submission_covers_test(finished):
    folder, _ = finished
    with zipfile.ZipFile(folder / 'work' / 'submission.zip') as archive:
        names = set(archive.namelist())
        pose = np.loadtxt(archive.open('Test_PRED/00003.csv'), delimiter=',')
    assert {f'Test_PRED/{i:05d}.csv' for i in range(1, 7)} | {'Test_Prediction.JSON'} <= names
    assert pose.shape == (17, 3) and not pose[0].any()


@pytest.fixture
def again(finished, monkeypatch):
    """``again(*options)`` runs the command once more, in this process; it returns its status or message."""
    monkeypatch.setenv('STANDIN_ROOT', '')  # the command sets it, and monkeypatch restores it
    folder, _ = finished
    return lambda *options: run_tool('quickstart', *tiny(folder), *options)


def test_a_second_run_repeats_no_stage(finished, again, capsys):
    folder, _ = finished

    def times():
        return {path: path.stat().st_mtime_ns for path in (folder / 'work').glob('*/*.pth')}

    before = times()
    assert again() == 0 and capsys.readouterr().out.count('finished in an earlier run') == 10
    assert before and times() == before


def test_another_size_in_the_same_folder_is_refused(again):
    message = again('--size', 'full')
    assert "'tiny'" in message and '--fresh' in message


@pytest.mark.parametrize('scratch', [False, True])
def test_pretrained_weights_are_used_unless_told_otherwise(scratch, tmp_path, monkeypatch):
    monkeypatch.setenv('STANDIN_ROOT', '')  # the chain sets it, and monkeypatch restores it
    chain, calls = command.Chain(command.parse_args(['--work-dir', str(tmp_path)] + ['--from-scratch'] * scratch)), []
    monkeypatch.setattr(command.torch.cuda, 'is_available', lambda: True)  # one process
    monkeypatch.setattr(chain, 'run_together', lambda commands: calls.extend(commands.values()))
    monkeypatch.setattr(chain, 'run', lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(chain, 'checkpoint', lambda work: tmp_path / f'{work}.pth')
    monkeypatch.setattr(chain, 'call', lambda *arguments: calls.append(arguments))
    chain.train_models()
    chain.train_integral()
    chain.cameras()
    detector, keypoints_2d, integral, cameras = (' '.join(map(str, call)) for call in calls)
    whole = f'model.init_cfg.checkpoint={command.START}'
    assert command.START.is_file() and (whole in keypoints_2d) == (whole in integral) == (not scratch)
    detector_start = f'model.init_cfg.checkpoint={command.DETECTOR_START}'
    assert command.DETECTOR_START.is_file() and (detector_start in detector) == (not scratch)
    assert ('train_cfg.max_epochs=6' in detector) == ('optimizer.lr=2.5e-3' in detector) == scratch
    assert (f'model.backbone.init_cfg.checkpoint={tmp_path}/keypoints_2d.pth' in integral) == scratch
    assert ('lr=2e-3' in keypoints_2d) == ('lr=4e-3' in integral) == ('--focal-length 293.12' in cameras) == scratch
