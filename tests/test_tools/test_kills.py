"""Three kills by tools/reliability/kill_test.py, which makes many, and what its comparison notices."""
import json
import os
import signal
import subprocess
import zipfile

import numpy as np
import pytest
import torch
from jobs import Job
from products import differences, half_written, read_products
from small_training import prepare, save_random_weights, write_config
from trials import Trials

SHORT = "\ntrain_cfg = dict(max_epochs=2)\ntest_dataloader.update(num_workers=1)\n"


@pytest.fixture(scope='module')
def trials(standin, forks, tmp_path_factory):
    """``trials(name, command, *arguments)`` runs a command undisturbed; ``{out}`` stands for the folder of products."""
    root = tmp_path_factory.mktemp('kills')
    prepare(standin, root)
    config = write_config(standin, root, root / 'small.py', SHORT)
    save_random_weights(config, root / 'weights.pth')

    def make(name, command, *arguments):
        (root / name).mkdir()
        known = dict(config=config, standin=standin, weights=root / 'weights.pth', out=root / name)
        return Trials(name, [(command, [str(argument).format(**known) for argument in arguments])], root / name,
                      root / f'{name}.log')

    return make


@pytest.mark.parametrize('share, command', [
    (0.5, ['prepare index', '{standin}/h80k', '--out-dir', '{out}']),
    (0.6, ['train', '{config}', '--work-dir', '{out}', '--resume']),
    (0.8, ['test', '{config}', '{weights}', '--work-dir', '{out}', '--out', '{out}/a.json', '--dump', '{out}/a.pkl'])])
def test_the_next_run_ends_with_the_products_of_an_undisturbed_one(share, command, trials):
    made = trials(command[0].split()[-1], *command)
    assert made.expected and not made.problems
    record, = made.run('kill', [share])
    assert record['stopped'] and record['problems'] == []


@pytest.fixture
def products(tmp_path):
    np.savez(tmp_path / 'a.npz', x=np.arange(5000))
    (tmp_path / 'a.json').write_text(json.dumps(dict(time=1.5, mpjpe=[70.1, 80.2])))
    (tmp_path / 'a.csv').write_text('1,2\n3,4\n')
    torch.save(dict(state_dict=dict(x=torch.ones(3)), meta=dict(time='now', epoch=3)), tmp_path / 'epoch_3.pth')
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        archive.writestr('a.csv', '1,2\n')
    return tmp_path


def test_other_values_and_other_files_are_noticed_and_times_are_not(products):
    expected = read_products(products)
    np.savez(products / 'a.npz', x=np.arange(5000) + (np.arange(5000) == 7))
    (products / 'a.json').write_text(json.dumps(dict(time=2.5, mpjpe=[70.1, 80.3])))
    torch.save(dict(state_dict=dict(x=torch.ones(3) * 1.0000001), meta=dict(time='then', epoch=3)),
               products / 'epoch_3.pth')
    (products / 'a.csv').unlink()
    (products / '.a.7.part.csv').touch()
    (products / 'a.log').write_text('12:00')
    assert differences(expected, read_products(products)) == [
        '.a.7.part.csv was not there in the undisturbed run', 'a.csv is missing',
        'a.json differs in 1 of 2 values, for example /mpjpe/1', 'a.npz differs in 1 of 1 values, for example /x',
        'epoch_3.pth differs in 1 of 2 values, for example /state_dict/x']


def test_incomplete_files_are_noticed(products):
    expected = read_products(products)
    assert half_written(expected, {}, expected) == []
    for path in products.iterdir():
        os.truncate(path, path.stat().st_size // 2)
    found = {line.split(':')[0].split(' ')[0] for line in half_written(read_products(products), {}, expected)}
    assert found == {'a.npz', 'a.json', 'a.csv', 'a.zip', 'epoch_3.pth'}
    assert half_written(read_products(products), read_products(products), expected) == []  # they were so before


def test_processes_that_remain_are_named_and_ended(forks, tmp_path):
    job = Job([('plot-curve', [str(tmp_path / 'nowhere')])], tmp_path / 'log')
    child = subprocess.Popen(['sleep', '300'], env=dict([job.mark.split('=')]), start_new_session=True)
    assert job.wait() == 1 and b'nowhere: no <time>' in (tmp_path / 'log').read_bytes()
    assert job.orphans(patience_s=0.1) == ['sleep 300 '] and child.wait(60) == -signal.SIGKILL
    assert job.orphans() == []
