"""Processes that start at once: forks of one that has imported everything and computed nothing.

A Python process needs some six seconds for the imports alone, more than most of what tests do in one.
"""
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

SERVER = '''
import gc
import json
import os
import runpy
import signal
import sys
import traceback

import mmengine.config.config
import mmengine.runner.runner
import torch

import mmpose_integral
import mmpose.apis, mmdet

environment = mmengine.runner.runner.collect_env()  # it may ask compilers for their versions, for seconds
mmengine.runner.runner.collect_env = lambda: dict(environment)
mmengine.config.config.FormatCode = lambda text, **options: (text, True)  # as the fixture unformatted_configs
gc.collect()
gc.freeze()  # mmengine collects garbage whenever it builds a data set


def work(job):
    """What ``python SCRIPT ARGUMENTS >LOG 2>&1`` does, with its exit code."""
    log = os.open(job['log'], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1), os.dup2(log, 2)
    os.environ.update(job['environment'])
    sys.path[:0] = [os.path.dirname(job['script']), *job['path']]
    sys.argv = [job['script'], *job['arguments']]
    signal.alarm(240)  # the end of what waits for ever
    torch.set_num_threads(1)
    code = 0
    try:
        runpy.run_path(job['script'], run_name='__main__')
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if code and not isinstance(stop.code, int):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)


for line in sys.stdin:
    processes, codes = [], {}
    for job in json.loads(line):
        processes.append(os.fork())
        if not processes[-1]:
            work(job)
    while len(codes) < len(processes):
        process, status = os.wait()
        codes[process] = os.waitstatus_to_exitcode(status)
        if codes[process]:  # the other ranks would wait for it
            for other in {*processes} - {*codes}:
                os.kill(other, signal.SIGKILL)
    print(json.dumps([codes[process] for process in processes]), flush=True)
'''


class ForkServer:
    """Runs scripts one after the other, each in one process or in several ranks, on the CPU with a thread each."""

    def __init__(self, folder):
        """
        Args:
            folder (Path): for the server's own files.
        """
        self.folder, self.count, self.waiting = Path(folder), 0, []
        script = self.folder / 'server.py'
        script.write_text(SERVER)
        environment = dict(os.environ, CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1')
        self.server = subprocess.Popen([sys.executable, '-W', 'ignore', script], text=True, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, env=environment, start_new_session=True)

    def start(self, script, *arguments, ranks=None, path=(), **environment):
        """Start a script, once all that were started before have ended.

        Args:
            script (Path): of Python.
            *arguments (object): its command line.
            ranks (int, optional): processes, with the environment that torchrun gives them; else a single one, without.
            path (Iterable[Path]): folders to import from.
            **environment (str): variables beside those of this process.

        Returns:
            callable: waits for the end; gives ``code`` (int, the first that is not 0) and ``output`` (str, of all). A
                process that takes four minutes, or whose other ranks fail, is killed.
        """
        jobs, port = [], free_port()
        for rank in range(ranks or 1):
            log = self.folder / f'{self.count}_{rank}.log'
            launched = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), WORLD_SIZE=str(ranks), RANK=str(rank),
                            LOCAL_WORLD_SIZE=str(ranks), LOCAL_RANK=str(rank)) if ranks else {}
            jobs.append(dict(script=str(script), arguments=[*map(str, arguments)], path=[*map(str, path)],
                             log=str(log), environment={**launched, **environment}))
        self.count += 1
        print(json.dumps(jobs), file=self.server.stdin, flush=True)
        ended = []
        self.waiting.append(ended)

        def wait():
            while not ended:
                self.waiting.pop(0).extend(json.loads(self.server.stdout.readline()))
            return SimpleNamespace(code=next(filter(None, ended), 0),
                                   output=''.join(Path(job['log']).read_text() for job in jobs))
        return wait

    def run(self, *args, **kwargs):
        """:meth:`start` and wait."""
        return self.start(*args, **kwargs)()

    def stop(self):
        """End the server, and what still runs because no test waited for it."""
        self.server.stdin.close()
        try:
            self.server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.server.pid, signal.SIGKILL)
            self.server.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
