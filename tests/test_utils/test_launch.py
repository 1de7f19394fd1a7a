"""Processes end with the process that started them, also when that is killed."""
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmpose_integral.cli import main as cli
from mmpose_integral.cli.trainings import run_chains
from mmpose_integral.utils import launch

FORK = multiprocessing.get_context('fork')
pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='only Linux tells a child that its parent ended')


def run_a_command(folder):
    """As the quickstart starts a training: a shell script that replaces itself by another program."""
    command = ['bash', '-c', f'echo $$ > {folder}/child; exec sleep 300']
    subprocess.run(command, preexec_fn=launch.ending_with_us(), check=True)


def run_a_chain(folder):
    """As the ablation starts its trainings."""
    run_chains([[(folder / 'log.txt', lambda: ['bash', '-c', f'echo $$ > {folder}/child; exec sleep 300'])]], jobs=1)


def start_a_rank(folder):
    """As torchrun starts a rank, which waits in code that handles no signals."""
    if not os.fork():
        os.environ['TORCHELASTIC_RUN_ID'] = 'x'
        launch.end_with_torchrun()
        (folder / 'child').write_text(str(os.getpid()))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    time.sleep(300)


def wait_for(what):
    for _ in range(300):
        with contextlib.suppress(OSError, ValueError):
            if found := what():
                return found
        time.sleep(0.1)
    raise TimeoutError


@pytest.mark.parametrize('start', [run_a_command, run_a_chain, start_a_rank])
def test_a_killed_process_leaves_none_of_its_children(start, tmp_path):
    parent = FORK.Process(target=start, args=(tmp_path, ))
    parent.start()
    child = wait_for(lambda: int((tmp_path / 'child').read_text()))
    os.kill(child, 0)
    parent.kill()
    os.waitpid(parent.pid, 0)
    try:
        wait_for(lambda: not Path(f'/proc/{child}').exists() or ' Z ' in Path(f'/proc/{child}/stat').read_text())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_a_child_whose_parent_has_ended_before_ends_at_once():
    with launch.sigterm_as_ctrl_c():  # the child, which inherits this, ends by the signal all the same
        child = FORK.Process(target=launch.end_with, args=(os.getpid() + 1, ))
        child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGTERM


def test_sigterm_has_the_effect_of_ctrl_c_in_the_block_only():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), launch.sigterm_as_ctrl_c():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_than_the_main_one_keeps_the_handler():
    def handler():
        with launch.sigterm_as_ctrl_c():
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(handler).result() is signal.getsignal(signal.SIGTERM)


def test_a_rank_without_torchrun_ends_at_once(monkeypatch):
    monkeypatch.setattr(launch, 'end_with', lambda parent: None)
    monkeypatch.setenv('MMPOSE_INTEGRAL_TORCHRUN', '1')
    launch.end_with_torchrun()  # no rank of torchrun
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'x')
    monkeypatch.setattr(cli, 'import_module', lambda name: pytest.fail('it is checked before the imports'))
    with pytest.raises(SystemExit, match='1'):
        sys.exit(cli.run_command('train', []))


def test_a_rank_that_dies_ends_the_run_and_is_named(tmp_path):
    script = tmp_path / 'rank.py'
    script.write_text('import os, time\nif os.environ["RANK"] == "1":\n    os.kill(os.getpid(), 9)\ntime.sleep(600)\n')
    run = subprocess.run(['bash', 'tools/dist_run.sh', script, '2'], cwd=Path(__file__).resolve().parents[2],
                         env=dict(os.environ, PYTHON=sys.executable), timeout=300, capture_output=True, text=True)
    assert run.returncode == 128 + signal.SIGKILL
    assert 'Rank 1 was ended by SIGKILL; the system does that when the memory is full. ' in run.stderr


@pytest.mark.parametrize('launcher, variable', [('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'),
                                                ('mpi', 'OMPI_COMM_WORLD_RANK')])
def test_the_first_rank_is_known_before_the_group_is_opened(launcher, variable, monkeypatch):
    for rank in ('0', '3'):
        monkeypatch.setenv(variable, rank)
        assert launch.is_first_rank(launcher) == (rank == '0') and launch.is_first_rank('none')


def child_of_a_command(pipe):
    launch.leave_ctrl_c_to_this_process()
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        pipe.send(status)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGINT)
    sys.excepthook(BrokenPipeError, BrokenPipeError('the main process has ended'), None)
    sys.excepthook(KeyError, KeyError('another error'), None)
    os._exit(7)


def test_loading_workers_leave_ctrl_c_to_the_command(capfd):
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=child_of_a_command, args=(theirs, ))
    process.start()
    assert os.waitstatus_to_exitcode(ours.recv()) == 7
    process.join(60)
    error = capfd.readouterr().err
    assert 'another error' in error and 'has ended' not in error
