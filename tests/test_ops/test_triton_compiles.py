"""The kernels are compiled for a GPU that need not be here: Triton brings the whole compiler along."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('triton.backends.nvidia', reason='Triton is not installed; it comes with torch for CUDA on Linux')
TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'benchmark' / 'kernel_code.py'


def test_logits_are_read_and_written_16_bytes_at_a_time():
    """Two vectors a thread, where neighbours are side by side and aligned; nothing spills."""
    done = subprocess.run([sys.executable, '-W', 'ignore', TOOL, '--capability', '90', '--json'], capture_output=True,
                          text=True, check=False)  # a process of its own: in this one, kernels are interpreted
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    assert len(rows) == 9
    for row in rows:
        wide = 0 if 'not aligned' in row['logits'] else 2
        assert row['wide_reads'] == wide and row['wide_writes'] == (wide if row['kernel'] == 'backward' else 0)
        assert row['spilled_bytes'] == 0
        # enough threads at a time, and bandwidth before arithmetic: the design of the kernels
        assert row['registers'] <= 64 and (not wide or row['instructions_a_logit'] < 32)
