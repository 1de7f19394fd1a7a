"""The whole chain on a handful of frames, as a user would start it, stopped half way and started again."""
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from small_training import REPO, run_tool

import mmpose_integral  # noqa: F401  makes checkpoints loadable


def tiny(folder):
    return ['--size', 'tiny', '--data-root', folder / 'data', '--work-dir', folder / 'work']


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('quickstart')
    run = subprocess.run([sys.executable, '-W', 'ignore', 'tools/quickstart.py', *tiny(folder)], cwd=REPO,
                         capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return folder, run.stdout


def test_chain_ends_with_all_figures(finished):
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
    log = min((folder / 'work' / 'integral').glob('*/*.log')).read_text()  # the submission's comes later
    assert 'Distributed training: True' in log and 'GPU number: 2' in log  # mmengine's word for processes


@pytest.mark.parametrize('arguments, message', [
    (['config.py'], 'dist_train.sh CONFIG GPUS'), (['config.py', '--resume'], "above 0 expected, got '--resume'"),
    (['config.py', '0'], "got '0'")])
def test_dist_train_needs_a_config_and_a_number(arguments, message):
    run = subprocess.run(['bash', REPO / 'tools' / 'dist_train.sh', *arguments], capture_output=True, text=True,
                         check=False)
    assert run.returncode == 2 and message in run.stderr


def test_mean_pose_baseline_is_the_plain_mean(finished):
    folder, _ = finished
    poses = {}
    for split in ('Train', 'Val'):
        files = sorted((folder / 'data' / 'h80k' / split / 'POSE').iterdir())
        poses[split] = np.stack([np.loadtxt(file, delimiter=',') for file in files])
    errors = [np.linalg.norm(pose - poses['Train'].mean(0), axis=1).mean() for pose in poses['Val']]
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
    """``again(*options)`` runs the tool once more, in this process; returns what it stopped with."""
    monkeypatch.syspath_prepend(REPO / 'tools')
    monkeypatch.setenv('STANDIN_ROOT', 'what the tool sets it to')  # ... ends with the test
    folder, _ = finished
    return lambda *options: run_tool('quickstart', *tiny(folder), *options)


def test_second_run_does_nothing_again(finished, again, capsys):
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in (folder / 'work').glob('*/*.pth')}
    assert again() is None and capsys.readouterr().out.count('done before') == 10
    assert before and {path: path.stat().st_mtime_ns for path in (folder / 'work').glob('*/*.pth')} == before


def test_other_size_in_the_same_folder_is_refused(again):
    message = again('--size', 'full')
    assert "'tiny'" in message and '--fresh' in message


def test_checkpoint_tells_bone_lengths_and_joints(finished):
    folder, _ = finished
    path = next((folder / 'work' / 'integral').glob('best_*.pth'))
    meta = torch.load(path, map_location='cpu')['meta']['dataset_meta']
    assert meta['dataset_name'] == 'h80k' and len(meta['keypoint_id2name']) == 18
    assert 3800 < meta['skeleton_length']['train+val'] < 5200
