"""The kernels compile for a GPU that need not be in this machine, because Triton includes the whole compiler."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('triton.backends.nvidia', reason='Triton is not installed; it comes with torch for CUDA on Linux')
TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'benchmark' / 'kernel_code.py'


def test_kernels_compile_as_designed():
    # Another process, because this one interprets the kernels. Capability 90 is Hopper.
    done = subprocess.run([sys.executable, '-W', 'ignore', TOOL, '--capability', '90'], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row['spilled_bytes'] for row in rows} == {0}
    for row in rows:
        # Each thread reads two vectors of 16 bytes, if neighbours are contiguous and aligned.
        wide = 0 if 'not aligned' in row['type'] else 2
        assert row['wide_reads'] == wide and row['wide_writes'] == (wide if row['kernel'] == 'backward' else 0)
        # Many threads run at a time, with few instructions per byte.
        assert row['registers'] <= 64 and (not wide or row['instructions_per_logit'] < 32)
