"""Blocks of the Triton kernels for the small volumes of these tests."""
import pytest
import torch

from mmpose_integral.ops.soft_argmax import HAS_TRITON


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Make the volumes of the tests span several steps of a program, and several programs, in the interpreter."""
    if HAS_TRITON and not torch.cuda.is_available():
        monkeypatch.setattr('mmpose_integral.ops.soft_argmax_triton.ROWS', 32)
