"""The Triton kernels against the float64 reference: on a GPU if there is one, otherwise in Triton's interpreter."""
import os
from unittest import mock

import pytest
import torch

from mmpose_integral.ops import soft_argmax as dispatch
from mmpose_integral.ops import soft_argmax_3d

kernels = pytest.importorskip('mmpose_integral.ops.soft_argmax_triton',
                              reason='Triton is not installed; it comes with torch for CUDA on Linux')
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


def run(logits, backend, weight):
    """Mean, std and the gradient of (mean * weight).sum()."""
    leaf = logits.detach().requires_grad_()
    mean, std = soft_argmax_3d(leaf, backend, return_std=True)
    (mean * weight.to(mean)).sum().backward()
    return mean.detach(), std, leaf.grad


def assert_like_reference(logits, backend='triton'):
    """Compare mean, std and gradient of float64 logits (2, 3, 5, 7, W) with those of the reference."""
    weight = torch.randn(2, 3, 3, device=DEVICE)
    for found, exact in zip(run(logits, backend, weight), run(logits, 'reference', weight), strict=True):
        assert exact.isfinite().all()
        torch.testing.assert_close(found, exact, atol=1e-12, rtol=1e-12)


def random_logits(*shape):
    return torch.randn(*shape, dtype=torch.float64, device=DEVICE)


@pytest.mark.parametrize('order', [(0, 1, 3, 4, 2), (0, 1, 4, 2, 3), (1, 0, 2, 4, 3)])
def test_any_dense_order_is_read_without_a_copy(order):
    shape = (2, 3, 5, 7, 4)
    logits = random_logits(*(shape[axis] for axis in order)).permute([order.index(axis) for axis in range(5)])
    assert_like_reference(logits)
    leaf = logits.detach().requires_grad_()
    mean = soft_argmax_3d(leaf, 'triton')
    assert 'Triton' in type(mean.grad_fn).__name__  # these kernels ran
    kept, *small = mean.grad_fn.saved_tensors
    assert kept.data_ptr() == logits.data_ptr() and [tuple(t.shape) for t in small] == [(2, 3), (2, 3, 3), (3, )]
    mean.sum().backward()
    assert leaf.grad.stride() == logits.stride()


def test_channels_last_output_of_a_convolution_gaps_and_overlaps():
    assert_like_reference(random_logits(2, 15, 7, 4).to(memory_format=torch.channels_last).unflatten(1, (3, 5)))
    assert_like_reference(random_logits(2, 3, 5, 7, 9)[..., ::2])
    assert_like_reference(random_logits(2, 3, 5, 7, 1).expand(-1, -1, -1, -1, 4))


def test_vectors_are_as_long_as_alignment_allows():
    flat = random_logits(2 * 3 * 5 * 7 * 24 + 2)
    logits, moved = (flat[start:start + 2 * 3 * 5 * 7 * 24].view(2, 3, 5, 7, 24) for start in (0, 1))
    channels_last = logits.view(2, 15, 7, 24).to(memory_format=torch.channels_last).unflatten(1, (3, 5))
    for found, vector in ((logits, 2), (moved, 1), (channels_last, 1), (logits.float(), 4), (logits.bfloat16(), 8),
                          (logits[..., :12].contiguous().bfloat16(), 4), (logits.transpose(0, 4), 1)):
        assert kernels._layout(found)[-1] == vector
    assert_like_reference(moved)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.filterwarnings('ignore:invalid value:RuntimeWarning')  # of numpy, in the interpreter
def test_values_that_are_not_finite_stay_visible(value):
    logits = torch.zeros(1, 2, 3, 5, 4, device=DEVICE)
    logits[0, 1, 2, 3, 1] = value
    mean = soft_argmax_3d(logits, 'triton')
    assert mean[0, 0].isfinite().all() and not mean[0, 1].isfinite().any()


@pytest.mark.parametrize('backend', ['eager', 'triton'])
@pytest.mark.filterwarnings('error::RuntimeWarning')  # of numpy, in the interpreter, for -inf minus -inf
def test_cells_of_minus_infinity_have_no_weight(backend):
    """Whole steps and whole parts of a volume are -inf, before the first finite cell and after."""
    logits = random_logits(2, 3, 5, 7, 4)
    logits[:, :, :3] = float('-inf')
    logits[0, 1, 4] = float('-inf')
    assert_like_reference(logits, backend)


def test_parts_of_a_volume_are_joined(monkeypatch):
    logits, results = random_logits(1, 2, 6, 7, 9) * 5, []
    for programs in (0, 2, 5, 64):
        monkeypatch.setattr(kernels, 'PROGRAMS_PER_SM', programs)
        results.append(soft_argmax_3d(logits, 'triton', return_std=True))
    for mean, std in results[1:]:
        torch.testing.assert_close(mean, results[0][0], atol=1e-14, rtol=1e-13)
        torch.testing.assert_close(std, results[0][1], atol=1e-12, rtol=1e-12)


def test_in_a_compiled_function():
    logits = torch.randn(1, 2, 3, 5, 4, device=DEVICE)
    compiled = torch.compile(lambda logits: soft_argmax_3d(logits * 2, 'triton') + 1, backend='eager')
    torch.testing.assert_close(compiled(logits), soft_argmax_3d(logits * 2, 'reference') + 1)


def test_kernels_run_on_the_tensors_device():
    """Triton launches on the current device, which may be another one."""
    logits = torch.zeros(1, 1, 2, 3, 4, device=DEVICE, requires_grad=True)
    with mock.patch.object(torch.cuda, 'device_of', wraps=torch.cuda.device_of) as device_of:
        soft_argmax_3d(logits, 'triton').sum().backward()
    assert [call.args[0].data_ptr() for call in device_of.call_args_list] == [logits.data_ptr()] * 2


@pytest.mark.parametrize('has_triton', [True, False])
def test_auto_is_triton_on_cuda_only(has_triton, monkeypatch):
    monkeypatch.setattr(dispatch, 'HAS_TRITON', has_triton)
    chosen = []
    for name, function in dispatch.BACKENDS.items():
        monkeypatch.setitem(dispatch.BACKENDS, name,
                            lambda *args, name=name, function=function: chosen.append(name) or function(*args))
    soft_argmax_3d(torch.zeros(1, 1, 2, 3, 4, device=DEVICE))
    assert chosen == ['triton' if DEVICE == 'cuda' and has_triton else 'eager']


def test_error_on_a_cpu_without_the_interpreter():
    with (mock.patch.dict(os.environ, TRITON_INTERPRET='0'),
          pytest.raises(RuntimeError, match="backend 'triton': logits on a CUDA device expected, got cpu")):
        soft_argmax_3d(torch.zeros(1, 1, 2, 3, 4), 'triton')
