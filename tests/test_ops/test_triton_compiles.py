"""The kernels are compiled for a GPU that need not be here: Triton brings the whole compiler along."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('triton.backends.nvidia', reason='Triton is not installed; it comes with torch for CUDA on Linux')
TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'benchmark' / 'kernel_code.py'


@pytest.fixture(scope='module')
def rows():
    """What the tool says for Hopper; a process of its own, as in this one kernels are interpreted."""
    done = subprocess.run([sys.executable, '-W', 'ignore', TOOL, '--capability', '90'], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nothing_spills(rows):
    assert {row['spilled_bytes'] for row in rows} == {0}


def test_logits_are_read_and_written_16_bytes_at_a_time(rows):
    """Two vectors a thread, where neighbours are side by side and aligned."""
    for row in rows[:-1]:  # the last kernel does not read logits
        wide = 0 if 'not aligned' in row['type'] else 2
        assert row['wide_reads'] == wide and row['wide_writes'] == (wide if row['kernel'] == 'backward' else 0)
        # enough threads at a time, and few instructions a byte: the design of the kernels
        assert row['registers'] <= 64 and (not wide or row['instructions_per_logit'] < 32)
