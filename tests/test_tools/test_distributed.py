"""Two processes on the CPU give what one gives; the Slurm scripts say what they are meant to say."""
import importlib.util
import json
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from small_training import REPO, prepare, write_config

TOOLS = REPO / 'tools'
PREDICT = TOOLS / 'dataset_converters' / 'predict_keypoints_2d.py'
KEYPOINTS = REPO / 'configs' / 'quickstart' / 'keypoints_2d_r18_mpii.py'


def save_random_weights(config, path):
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return path


@pytest.fixture(scope='module')
def runs(standin, forks, tmp_path_factory):
    """Folder with the outputs of an evaluation in one and in two processes, and of a preparation tool in two."""
    folder = tmp_path_factory.mktemp('distributed')
    prepare(standin, folder)
    config = write_config(standin, folder, folder / 'small.py', 'test_dataloader["batch_size"] = 1\n')
    weights = save_random_weights(config, folder / 'weights.pth')
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1', PYTHON=sys.executable,
                       PYTHONWARNINGS='ignore')

    def output(name):
        return ['--out', folder / f'{name}.json', '--dump', folder / f'{name}.pkl', '--work-dir', folder / name]

    pose = save_random_weights(KEYPOINTS, folder / 'pose.pth')
    with subprocess.Popen(['bash', TOOLS / 'dist_test.sh', config, weights, '2', *output('two')], env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as two:
        beside = [  # dist_test.sh is dist_run.sh with this tool; what the script starts is seen once
            forks.start(TOOLS / 'test.py', config, weights, *output('one')),
            forks.start(PREDICT, '--launcher', 'pytorch', KEYPOINTS, pose, '--boxes', folder / 'h80k_val_boxes.json',
                        '--index', folder / 'h80k_val.npz', '--root', standin / 'h80k', '--out',
                        folder / 'predicted.npz', '--num-workers', '0', ranks=2)]
        text, _ = two.communicate(timeout=120)
    assert two.returncode == 0, text[-3000:]
    for run in (wait() for wait in beside):
        assert run.code == 0, run.output[-3000:]
    return folder


def test_two_processes_evaluate_as_one_does(runs):
    one, two = (json.loads((runs / f'{name}.json').read_text()) for name in ('one', 'two'))
    assert one == two and one['h80k/frames'] == 7
    log = next((runs / 'two').glob('*/*.log')).read_text()
    assert 'Distributed training: True' in log and 'GPU number: 2' in log  # mmengine's word for processes


def test_two_processes_predict_every_frame_once(runs):
    one, two = (pickle.loads((runs / f'{name}.pkl').read_bytes()) for name in ('one', 'two'))
    assert [sample['img_id'] for sample in two] == [sample['img_id'] for sample in one] == list(range(1, 8))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first['pred_instances']['keypoints'], second['pred_instances']['keypoints'])


def test_preparation_tool_shares_the_frames_among_processes(runs):
    with np.load(runs / 'predicted.npz') as product:
        assert product['frame_ids'].tolist() == list(range(1, 8))
        assert product['keypoints_2d'].shape == (7, 18, 2)
    parts = {path.name: len(path.read_text().splitlines()) for path in (runs / 'predicted.npz.parts').glob('rank*')}
    assert parts == {'rank0.jsonl': 4, 'rank1.jsonl': 3}


FAKE_SRUN = '''#!/usr/bin/env bash
printf '%s\\n' "$@" > "$SRUN_LOG"
echo "MASTER_PORT=$MASTER_PORT"
'''


@pytest.fixture
def slurm(tmp_path):
    """``slurm(script, *arguments, **variables)`` runs a script where srun only writes its arguments down."""
    (tmp_path / 'bin').mkdir()
    srun = tmp_path / 'bin' / 'srun'
    srun.write_text(FAKE_SRUN)
    srun.chmod(0o755)

    def run(script, *arguments, **variables):
        environment = {key: value for key, value in os.environ.items() if key not in ('GPUS', 'PORT', 'PY_ARGS')}
        environment.update(variables, PATH=f'{srun.parent}:{os.environ["PATH"]}', SRUN_LOG=str(tmp_path / 'srun.log'))
        process = subprocess.run(['bash', TOOLS / script, *arguments], env=environment, capture_output=True, text=True,
                                 check=False)
        log = tmp_path / 'srun.log'
        return process, log.read_text().splitlines() if log.exists() else None

    return run


def parsed(command, monkeypatch):
    """What the tool at the end of an srun command makes of its arguments."""
    start = command.index('-u') + 1
    spec = importlib.util.spec_from_file_location('tool', command[start])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, 'argv', command[start:])
    return module.parse_args()


def test_slurm_train(slurm, monkeypatch):
    process, command = slurm('slurm_train.sh', 'gpu part', 'job', 'a config.py', '--resume', GPUS='16',
                             CPUS_PER_TASK='3', SRUN_ARGS='--quotatype=spot --exclusive', PORT='29777',
                             PY_ARGS='--amp --cfg-options train_cfg.max_epochs=2')
    assert process.returncode == 0, process.stderr
    assert command[:command.index('-u') - 1] == [
        '--partition=gpu part', '--job-name=job', '--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8',
        '--cpus-per-task=3', '--kill-on-bad-exit=1', '--quotatype=spot', '--exclusive']
    assert 'MASTER_PORT=29777' in process.stdout
    args = parsed(command, monkeypatch)
    assert (args.config, args.launcher, args.resume, args.amp) == ('a config.py', 'slurm', 'auto', True)
    assert args.cfg_options == {'train_cfg.max_epochs': 2}


def test_slurm_test_and_other_tools(slurm, monkeypatch):
    _, command = slurm('slurm_test.sh', 'gpu', 'job', 'config.py', 'best.pth', '--out', 'a.json', GPUS='4')
    assert '--gres=gpu:4' in command and '--ntasks=4' in command and '--ntasks-per-node=4' in command
    args = parsed(command, monkeypatch)
    assert (args.config, args.checkpoint, args.launcher, args.out) == ('config.py', 'best.pth', 'slurm', 'a.json')
    _, command = slurm('slurm_run.sh', 'gpu', 'job', PREDICT, 'config.py', 'pose.pth', '--boxes', 'b.json', '--index',
                       'i.npz', '--root', 'h80k', '--out', 'o.npz')
    args = parsed(command, monkeypatch)
    assert args.launcher == 'slurm' and args.checkpoint == 'pose.pth' and '--ntasks=8' in command


@pytest.mark.parametrize('variables, meeting', [
    ({}, '--rdzv-backend c10d --rdzv-endpoint 127.0.0.1:0 --rdzv-id N --local-addr 127.0.0.1'),
    (dict(PORT='29801'), '--nnodes 1 --node_rank 0 --master_addr 127.0.0.1 --master_port 29801'),
    (dict(NNODES='3', NODE_RANK='2', MASTER_ADDR='10.0.0.7', PORT='29801'),
     '--nnodes 3 --node_rank 2 --master_addr 10.0.0.7 --master_port 29801')])
def test_processes_meet_on_one_machine_or_on_several(tmp_path, variables, meeting):
    fake = tmp_path / 'python'
    fake.write_text('#!/usr/bin/env bash\necho "$@"\n')
    fake.chmod(0o755)
    environment = {key: value for key, value in os.environ.items()
                   if key not in ('NNODES', 'NODE_RANK', 'MASTER_ADDR', 'PORT')}
    process = subprocess.run(['bash', TOOLS / 'dist_train.sh', 'config.py', '4', '--resume'], capture_output=True,
                             env=dict(environment, PYTHON=str(fake), **variables), text=True, check=True)
    said = re.sub(r'--rdzv-id \d+', '--rdzv-id N', process.stdout)  # the number of the shell's process
    assert said.split() == (f'-m torch.distributed.run {meeting} --nproc_per_node 4 {TOOLS}/train.py '
                                      '--launcher pytorch config.py --resume').split()


@pytest.mark.parametrize('script, arguments, variables, message', [
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
def test_bad_arguments_are_named(slurm, script, arguments, variables, message):
    process, command = slurm(script, *arguments, **variables)
    assert process.returncode == 2 and message in process.stderr and command is None


def test_no_slurm_is_said(tmp_path):
    (tmp_path / 'dirname').symlink_to('/usr/bin/dirname')
    process = subprocess.run(['/bin/bash', TOOLS / 'slurm_run.sh', 'gpu', 'job', TOOLS / 'train.py'],
                             env=dict(PATH=str(tmp_path)), capture_output=True, text=True, check=False)
    assert process.returncode == 127 and 'tools/dist_run.sh' in process.stderr
