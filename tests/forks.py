"""Processes that start at once: forks of a server that has imported this package, mmpose and mmdet.

A Python process needs about six seconds for these imports, which is more than most scripts of the tests take.
"""
import gc
import multiprocessing
import os
import runpy
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import connection, forkserver
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch


class ForkServer:
    """Runs scripts one after the other on the CPU, each in one process or in several ranks of one thread each.

    Args:
        folder: Folder of the log files.
    """

    def __init__(self, folder):
        self.folder, self.count, self.processes = Path(folder), 0, []
        self.queue = ThreadPoolExecutor(1)
        self.context = multiprocessing.get_context('forkserver')
        self.context.set_forkserver_preload(['mmpose_integral', 'mmpose.apis', 'mmdet', 'mmengine.runner'])
        with mock.patch.dict(os.environ, CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1', PYTHONWARNINGS='ignore'):
            forkserver.ensure_running()

    def start(self, script, *arguments, ranks=None, path=(), **environment):
        """Start a script as soon as all that were started before have ended.

        Args:
            script: Path of the Python file.
            *arguments: Arguments of its command line.
            ranks: Number of processes, which get the environment of torchrun. None stands for one process without it.
            path: Folders from which the script can import.
            **environment: Environment variables beside those of this process.

        Returns:
            Function that waits for the end. It returns ``code``, the first exit code that is not 0, and ``output``, the
            text of all ranks. A process is killed after four minutes, or if another rank fails.
        """
        jobs, port = [], free_port()
        for rank in range(ranks or 1):
            launched = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), WORLD_SIZE=str(ranks), RANK=str(rank),
                            LOCAL_WORLD_SIZE=str(ranks), LOCAL_RANK=str(rank)) if ranks else {}
            log = self.folder / f'{self.count}_{rank}.log'
            log.touch()  # a rank may be killed before it opens its log
            jobs.append((log, [*map(str, (script, *arguments))], [*map(str, path)], {**launched, **environment}))
        self.count += 1
        return self.queue.submit(self._run, jobs).result

    def run(self, *args, **kwargs):
        """:meth:`start` and wait."""
        return self.start(*args, **kwargs)()

    def _run(self, jobs):
        self.processes = [self.context.Process(target=_run_script, args=job) for job in jobs]
        for process in self.processes:
            process.start()
        running = {process.sentinel: process for process in self.processes}
        while running:
            for sentinel in connection.wait(running):
                ended = running.pop(sentinel)
                ended.join()
                if ended.exitcode:
                    for other in running.values():  # it would wait for the failed rank
                        other.kill()
        codes = [process.exitcode for process in self.processes]
        return SimpleNamespace(code=next(filter(None, codes), 0), output=''.join(job[0].read_text() for job in jobs))

    def stop(self):
        """End the processes for which no test waited."""
        self.queue.shutdown(wait=False, cancel_futures=True)
        for process in self.processes:
            if process.is_alive():
                process.kill()
        self.queue.shutdown()


def _run_script(log, command, path, environment):
    """Do what ``python SCRIPT ARGUMENTS >LOG 2>&1`` does."""
    with open(log, 'wb') as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.environ.update(environment)
    sys.path[:0] = path  # PYTHONPATH would have to be set before the server starts
    sys.argv = command
    signal.alarm(240)
    torch.set_num_threads(1)
    multiprocessing.set_start_method(None, force=True)  # the script's own processes start as they do without the server
    gc.freeze()  # mmengine collects garbage whenever it builds a dataset
    # The two take seconds: one asks compilers for their versions, the other is the fixture unformatted_configs again.
    with mock.patch('mmengine.runner.runner.collect_env', dict), \
            mock.patch('mmengine.config.config.FormatCode', lambda text, **options: (text, True)):
        runpy.run_path(command[0], run_name='__main__')


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
