"""Locks of folders: who holds them, and that a killed process or its workers hold none."""
import multiprocessing
import os
import signal
import time

import pytest

from mmpose_integral.utils.errors import ExpectedError
from mmpose_integral.utils.locks import LOCK_NAME, empty_folder, lock_file, lock_folder

FORK = multiprocessing.get_context('fork')


def hold_with_a_worker(folder, pipe):
    """Hold the lock of a folder, with a worker that outlives this process."""
    with lock_folder(folder, 'training'):
        worker = os.fork()
        if worker:
            pipe.send(worker)
        time.sleep(60)
        os._exit(0)


def count(path, waiting):
    waiting.release()
    for _ in range(30):
        with lock_file(f'{path}.lock'):
            path.write_text(str(int(path.read_text()) + 1))


def test_a_second_process_is_told_who_works_in_the_folder_until_that_is_killed(tmp_path):
    folder = tmp_path / 'new' / '{holder}'
    ours, theirs = FORK.Pipe()
    holder = FORK.Process(target=hold_with_a_worker, args=(folder, theirs))
    holder.start()
    worker = ours.recv()
    with pytest.raises(ExpectedError) as caught, lock_folder(folder, 'training'):
        pass
    message = str(caught.value)
    assert message.startswith(f'{folder} is in use by another training, process {holder.pid} on ')
    holder.kill()
    os.waitpid(holder.pid, 0)  # join() would also wait for the worker
    with lock_folder(folder, 'training'):  # at once, although its worker still runs
        os.kill(worker, signal.SIGKILL)


def test_a_lock_ends_with_its_block_and_survives_the_content_of_its_folder(tmp_path):
    with pytest.raises(KeyError), lock_folder(tmp_path, 'run'):
        raise KeyError
    with lock_folder(tmp_path, 'run'):
        (tmp_path / 'folder').mkdir()
        (tmp_path / 'folder' / 'file').touch()
        (tmp_path / 'link').symlink_to(tmp_path / 'folder')
        empty_folder(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME]
        with pytest.raises(ExpectedError, match=f'process {os.getpid()} on'), lock_folder(tmp_path, 'run'):
            pass


def test_a_lock_without_a_message_waits(tmp_path):
    number, waiting = tmp_path / 'number', FORK.Semaphore(0)
    number.write_text('0')
    counters = [FORK.Process(target=count, args=(number, waiting)) for _ in range(2)]
    with lock_file(f'{number}.lock'):
        for counter in counters:
            counter.start()
            assert waiting.acquire(timeout=60)
        assert number.read_text() == '0'
    for counter in counters:
        counter.join(60)
        assert counter.exitcode == 0
    assert number.read_text() == '60'
