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
    done = subprocess.run([sys.executable, '-W', 'ignore', TOOL, '--kernels', 'soft_argmax', 'linear_soft_argmax',
                           '--capability', '90', '--json'], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_nothing_spills(rows):
    assert len(rows) == 20 and {row['spilled_bytes'] for row in rows} == {0}


def test_logits_are_read_and_written_16_bytes_at_a_time(rows):
    """Two vectors a thread, where neighbours are side by side and aligned."""
    rows = [row for row in rows if row.get('instructions_a_logit')]
    assert len(rows) == 9
    for row in rows:
        wide = 0 if 'not aligned' in row['type'] else 2
        assert row['wide_reads'] == wide and row['wide_writes'] == (wide if row['kernel'] == 'backward' else 0)
        # enough threads at a time, and few instructions a byte: the design of the kernels
        assert row['registers'] <= 64 and (not wide or row['instructions_a_logit'] < 32)


def test_products_use_the_matrix_units_and_fit_the_shared_memory(rows):
    rows = [row for row in rows if row['type'] in ('bfloat16', 'float32 as TF32') and 'matrix_units' in row]
    assert len(rows) == 6
    for row in rows:
        assert row['matrix_units'] and row['shared_kb'] <= 227
        assert row['type'] != 'bfloat16' or row['matrix_units'] == 'wgmma'
