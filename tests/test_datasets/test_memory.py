"""Page faults of a new process show whether it reuses the memory of freed images."""
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.runner import Runner

import mmpose_integral  # registers everything
from mmpose_integral.datasets import keep_freed_memory

MODULE = Path(mmpose_integral.__file__).parent / 'datasets' / 'memory.py'
# Four images of 3 MB are 3,000 pages of 4 KB or, where the system has them, fewer larger ones.
SCRIPT = f'''
import resource, runpy, sys
import numpy as np
keep = runpy.run_path({str(MODULE)!r})['keep_freed_memory']
keep(0) if sys.argv[1] == 'keep' else keep(0, largest=128 << 10, kept=128 << 10)
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    images = [np.ones((1000, 1000, 3), np.uint8) for _ in range(4)]
    del images
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
'''


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='other C libraries are not changed')
def test_freed_memory_is_reused():
    kept, given_back = ([int(line) for line in subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', SCRIPT, what], capture_output=True, text=True, check=True
    ).stdout.split()[-3:]] for what in ('keep', 'give back'))
    assert max(kept[1:]) < 0.1 * min(given_back)


def test_a_loader_calls_it_in_its_workers(monkeypatch):
    loader = Runner.build_dataloader(dict(
        dataset=list(range(3)), sampler=dict(type='DefaultSampler', shuffle=False), batch_size=3, num_workers=1,
        worker_init_fn=dict(type='keep_freed_memory', kept=5)))
    assert loader.worker_init_fn.func is keep_freed_memory and loader.worker_init_fn.keywords == dict(kept=5)
