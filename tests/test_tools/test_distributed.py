"""Two processes on the CPU give the results of one process; the scripts start torchrun and Slurm correctly."""
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_training import REPO, prepare, save_random_weights, write_config

from mmpose_integral.cli import test, train
from mmpose_integral.cli.prepare import predict_keypoints_2d

TOOLS = REPO / 'tools'
PREDICT = TOOLS / 'dataset_converters' / 'predict_keypoints_2d.py'
MODULES = {'train.py': train, 'test.py': test, 'predict_keypoints_2d.py': predict_keypoints_2d}
KEYPOINTS = REPO / 'configs' / 'quickstart' / 'keypoints_2d_r18_mpii.py'


@pytest.fixture(scope='module')
def runs(standin, forks, tmp_path_factory):
    """Folder with the products of an evaluation in one process and in two, and of a preparation command in two."""
    folder = tmp_path_factory.mktemp('distributed')
    prepare(standin, folder)
    config = write_config(standin, folder, folder / 'small.py', 'test_dataloader["batch_size"] = 1\n')
    weights = save_random_weights(config, folder / 'weights.pth')
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1', PYTHON=sys.executable,
                       PYTHONWARNINGS='ignore')

    output = {name: ['--out', folder / f'{name}.json', '--dump', folder / f'{name}.pkl', '--work-dir', folder / name]
              for name in ('one', 'two')}
    pose = save_random_weights(KEYPOINTS, folder / 'pose.pth')
    with subprocess.Popen(['bash', TOOLS / 'dist_test.sh', config, weights, '2', *output['two']], env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as two:
        beside = [  # without the scripts, which are needed only once
            forks.start(TOOLS / 'test.py', config, weights, *output['one']),
            forks.start(PREDICT, '--launcher', 'pytorch', KEYPOINTS, pose, '--boxes', folder / 'h80k_val_boxes.json',
                        '--index', folder / 'h80k_val.npz', '--root', standin / 'h80k', '--out',
                        folder / 'predicted.npz', '--num-workers', '0', ranks=2)]
        text, _ = two.communicate(timeout=120)
    assert two.returncode == 0, text[-3000:]
    for run in (wait() for wait in beside):
        assert run.code == 0, run.output[-3000:]
    return folder


def test_two_processes_evaluate_as_one_process_does(runs):
    one, two = (json.loads((runs / f'{name}.json').read_text()) for name in ('one', 'two'))
    assert one == two and one['h80k/frames'] == 7
    one, two = (pickle.loads((runs / f'{name}.pkl').read_bytes()) for name in ('one', 'two'))
    assert [sample['img_id'] for sample in two] == [sample['img_id'] for sample in one] == list(range(1, 8))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first['pred_instances']['keypoints'], second['pred_instances']['keypoints'])
    log = next((runs / 'two').glob('*/*.log')).read_text()
    assert 'Distributed training: True' in log and 'GPU number: 2' in log  # the number of processes


def test_a_preparation_command_shares_the_frames_among_processes(runs):
    with np.load(runs / 'predicted.npz') as product:
        assert product['frame_ids'].tolist() == list(range(1, 8))
        assert product['keypoints_2d'].shape == (7, 18, 2)
    parts = {path.name: len(path.read_text().splitlines()) for path in (runs / 'predicted.npz.parts').glob('rank*')}
    assert parts == {'rank0.jsonl': 4, 'rank1.jsonl': 3}


def run_script(script, *arguments, **variables):
    """Run a shell script of ``tools`` without the variables of the caller that have a meaning for it."""
    given = ('GPUS', 'PORT', 'PY_ARGS', 'NNODES', 'NODE_RANK', 'MASTER_ADDR')
    environment = {key: value for key, value in os.environ.items() if key not in given}
    return subprocess.run(['/bin/bash', TOOLS / script, *arguments], env={**environment, **variables},
                          capture_output=True, text=True, check=False)


def write_program(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/usr/bin/env bash\n{text}\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def slurm(tmp_path):
    """``slurm(script, *arguments, **variables)`` runs a script with an srun that only writes its arguments to a file.

    It returns the process and the arguments of srun.
    """
    log = tmp_path / 'srun.log'
    srun = write_program(tmp_path / 'bin' / 'srun', f'printf "%s\\n" "$@" > {log}; echo "MASTER_PORT=$MASTER_PORT"')

    def run(script, *arguments, **variables):
        process = run_script(script, *arguments, PATH=f'{srun.parent}:{os.environ["PATH"]}', **variables)
        return process, log.read_text().splitlines() if log.exists() else None

    return run


def parsed(command):
    """The arguments as the tool at the end of an srun command parses them."""
    script, *arguments = command[command.index('-u') + 1:]
    return MODULES[Path(script).name].parse_args(arguments)


def test_slurm_train(slurm):
    process, command = slurm('slurm_train.sh', 'gpu part', 'job', 'a config.py', '--resume', GPUS='16',
                             CPUS_PER_TASK='3', SRUN_ARGS='--quotatype=spot --exclusive', PORT='29777',
                             PY_ARGS='--amp --cfg-options train_cfg.max_epochs=2')
    assert process.returncode == 0, process.stderr
    assert command[:command.index('-u') - 1] == [
        '--partition=gpu part', '--job-name=job', '--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8',
        '--cpus-per-task=3', '--kill-on-bad-exit=1', '--quotatype=spot', '--exclusive']
    assert 'MASTER_PORT=29777' in process.stdout
    args = parsed(command)
    assert (args.config, args.launcher, args.resume, args.amp) == ('a config.py', 'slurm', 'auto', True)
    assert args.cfg_options == {'train_cfg.max_epochs': 2}


def test_slurm_test_and_other_tools(slurm):
    _, command = slurm('slurm_test.sh', 'gpu', 'job', 'config.py', 'best.pth', '--out', 'a.json', GPUS='4')
    assert '--gres=gpu:4' in command and '--ntasks=4' in command and '--ntasks-per-node=4' in command
    args = parsed(command)
    assert (args.config, args.checkpoint, args.launcher, args.out) == ('config.py', 'best.pth', 'slurm', 'a.json')
    _, command = slurm('slurm_run.sh', 'gpu', 'job', PREDICT, 'config.py', 'pose.pth', '--boxes', 'b.json', '--index',
                       'i.npz', '--root', 'h80k', '--out', 'o.npz')
    args = parsed(command)
    assert args.launcher == 'slurm' and args.checkpoint == 'pose.pth' and '--ntasks=8' in command


@pytest.mark.parametrize('variables, meeting', [
    ({}, '--rdzv-backend c10d --rdzv-endpoint 127.0.0.1:0 --rdzv-id N --local-addr 127.0.0.1'),
    (dict(PORT='29801'), '--nnodes 1 --node_rank 0 --master_addr 127.0.0.1 --master_port 29801'),
    (dict(NNODES='3', NODE_RANK='2', MASTER_ADDR='10.0.0.7', PORT='29801'),
     '--nnodes 3 --node_rank 2 --master_addr 10.0.0.7 --master_port 29801')])
def test_processes_find_each_other_on_one_machine_or_on_several(tmp_path, variables, meeting):
    python = write_program(tmp_path / 'python', 'echo "$@"; test -n "$MMPOSE_INTEGRAL_TORCHRUN"')
    process = run_script('dist_train.sh', 'config.py', '4', '--resume', PYTHON=str(python), **variables)
    printed = re.sub(r'--rdzv-id \d+', '--rdzv-id N', process.stdout)  # the number of the process of the shell
    assert printed.split() == (f'{TOOLS}/torchrun.py {meeting} --nproc_per_node 4 {TOOLS}/train.py '
                               '--launcher pytorch config.py --resume').split() and process.returncode == 0


@pytest.mark.parametrize('script, arguments, variables, message', [
    ('dist_train.sh', ['config.py'], {}, 'dist_train.sh CONFIG GPUS'),
    ('dist_train.sh', ['config.py', '--resume'], {}, "above 0 expected, got '--resume'"),
    ('slurm_train.sh', ['gpu', 'job'], {}, 'slurm_train.sh PARTITION JOB_NAME CONFIG'),
    ('slurm_train.sh', ['gpu', 'job', 'config.py', 'work'], {}, "a work folder is --work-dir 'work'"),
    ('slurm_train.sh', ['gpu', 'job', 'config.py'], dict(GPUS='four'), "GPUS: a whole number above 0 expected"),
    ('slurm_train.sh', ['gpu', 'job', 'config.py'], dict(GPUS='12'), 'GPUS=12 is no multiple of GPUS_PER_NODE=8'),
    ('slurm_test.sh', ['gpu', 'job', 'config.py', '--out'], {}, 'JOB_NAME CONFIG CHECKPOINT'),
    ('slurm_run.sh', ['gpu', 'job', 'nowhere.py'], {}, "there is no 'nowhere.py'"),
    ('dist_test.sh', ['config.py', 'best.pth'], {}, 'dist_test.sh CONFIG CHECKPOINT GPUS'),
    ('dist_test.sh', ['config.py', 'best.pth', '--out'], {}, "third argument: a whole number above 0 expected"),
    ('dist_run.sh', ['nowhere.py', '2'], {}, "there is no 'nowhere.py'"),
    ('dist_run.sh', [TOOLS / 'train.py', '0'], {}, "second argument: a whole number above 0 expected, got '0'")])
def test_wrong_arguments_are_named(slurm, script, arguments, variables, message):
    process, command = slurm(script, *arguments, **variables)
    assert process.returncode == 2 and message in process.stderr and command is None


def test_a_machine_without_slurm_is_reported(tmp_path):
    (tmp_path / 'dirname').symlink_to('/usr/bin/dirname')
    process = run_script('slurm_run.sh', 'gpu', 'job', TOOLS / 'train.py', PATH=str(tmp_path))
    assert process.returncode == 127 and 'tools/dist_run.sh' in process.stderr
