"""tools/benchmark/gpu.sh with a Python that only records its calls: order and time limits of the steps, arguments."""
import os
import subprocess
import time

import pytest
from small_training import REPO

PYTHON = '''#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
    *"$FAILS"*) echo reason; exit 3 ;;
    *"$HANGS"*) sleep 60 ;;
esac
'''
STEPS = ['tests', 'soft_argmax', 'training_step', 'inference', 'data_loading', 'standin', 'truth', 'ablation',
         'ablation_tables']


@pytest.fixture
def run(tmp_path):
    """``run(*arguments, **environment)``: the finished process, the calls of Python, and the lines of steps.txt."""
    python = tmp_path / 'python'
    python.write_text(PYTHON)
    python.chmod(0o755)

    def start(*arguments, **environment):
        variables = dict(os.environ, PYTHON=str(python), CALLS=str(tmp_path / 'calls'), FAILS='none', HANGS='none')
        script = REPO / 'tools' / 'benchmark' / 'gpu.sh'
        done = subprocess.run(['bash', str(script), *map(str, arguments)], env=variables | environment,
                              capture_output=True, text=True, check=False, timeout=120)
        read = [(tmp_path / name) for name in ('calls', 'out/steps.txt')]
        return done, *(path.read_text().splitlines() if path.exists() else [] for path in read)

    return start


def test_all_steps_run_in_order_of_importance(run, tmp_path):
    done, calls, lines = run(tmp_path / 'out', WHEELS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [line.split(':')[0] for line in lines] == ['install', *STEPS]
    assert all(': status 0 after ' in line for line in lines) and done.stdout.splitlines() == lines
    assert '-m pip install' in calls[0] and '-m pytest' in calls[1] and 'soft_argmax --device cuda' in calls[2]
    assert '--training-step-each-part' in calls[3] and '--data-loading-workers 1 2 4 8 16' in calls[5]
    assert '--quick' not in ' '.join(calls) and not (tmp_path / 'out' / 'site').exists()


def test_a_rehearsal_is_tiny(run, tmp_path):
    _, calls, lines = run(tmp_path / 'out', '--device', 'cpu')
    assert len(lines) == len(STEPS) and sum('--quick' in call for call in calls) == 4
    assert 'cuda' not in ' '.join(calls) and '--num-train 16' in ' '.join(calls)


def test_failing_and_hanging_steps_do_not_end_the_call(run, tmp_path):
    started = time.monotonic()
    _, _, lines = run(tmp_path / 'out', FAILS='run.py inference', HANGS='run.py data_loading', SECONDS_LEFT='9')
    assert time.monotonic() - started < 60
    status = {line.split(':')[0]: line for line in lines}
    assert list(status) == STEPS
    assert 'status 3 after' in status['inference'] and (tmp_path / 'out' / 'inference.log').read_text() == 'reason\n'
    assert 'status 124' in status['data_loading'] and status['data_loading'].endswith(', time limit')
    assert status['ablation'].endswith('not started, no time left') and 'status 0' in status['ablation_tables']


@pytest.mark.parametrize('arguments', [(), ('out', 'cpu'), ('out', '--device', 'tpu')])
def test_wrong_arguments_give_the_usage(run, arguments):
    done, calls, _ = run(*arguments)
    assert done.returncode == 2 and 'gpu.sh OUT' in done.stderr and not calls
