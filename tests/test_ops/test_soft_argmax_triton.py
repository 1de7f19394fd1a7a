"""The Triton kernels against the float64 reference: on the GPU where there is one, else in Triton's interpreter."""
import contextlib
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from mmpose_integral.ops import soft_argmax as dispatch
from mmpose_integral.ops import soft_argmax_3d

kernels = pytest.importorskip('mmpose_integral.ops.soft_argmax_triton',
                              reason='Triton is not installed; it comes with torch for CUDA on Linux')
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Volumes of the tests span several steps of a program, and several programs."""
    if DEVICE == 'cpu':
        monkeypatch.setattr(kernels, 'ROWS', 32)


def run(logits, backend, weight):
    """Mean, std and the gradient of (mean * weight).sum()."""
    leaf = logits.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    mean, std = soft_argmax_3d(leaf, backend, return_std=True)
    (mean * weight.to(mean)).sum().backward()
    return mean.detach(), std, leaf.grad


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('shape', [(2, 3, 5, 7, 4), (1, 2, 3, 5, 24), (1, 2, 1, 9, 11), (3, 1, 6, 1, 1),
                                   (1, 1, 1, 1, 1)])
def test_no_worse_than_twice_eagers_error(dtype, shape):
    generator = torch.Generator().manual_seed(sum(shape))
    logits = (torch.randn(shape, generator=generator) * 4).to(DEVICE, dtype)
    weight = torch.randn(*shape[:2], 3, generator=generator).to(DEVICE)
    truth = run(logits.double(), 'reference', weight)
    eager, fused = run(logits, 'reference', weight), run(logits, 'triton', weight)
    for exact, plain, mine in zip(truth, eager, fused, strict=True):
        assert mine.dtype == plain.dtype and mine.shape == plain.shape
        error = (mine.double() - exact).abs().max()
        # The interpreter cuts bfloat16 off where a GPU rounds to nearest: up to one unit in the last place.
        cut = exact.abs().max() / 128 if DEVICE == 'cpu' and mine.dtype == torch.bfloat16 else 0
        assert error <= 2 * (plain.double() - exact).abs().max() + cut + 1e-7


@pytest.mark.parametrize('order', [(0, 1, 3, 4, 2), (0, 1, 4, 2, 3), (1, 0, 2, 4, 3)])
def test_any_dense_order_is_read_where_it_lies(order):
    shape = (2, 3, 5, 7, 4)
    logits = torch.randn([shape[axis] for axis in order], dtype=torch.float64, device=DEVICE)
    logits = logits.permute([order.index(axis) for axis in range(5)])
    assert logits.shape == shape and not logits.is_contiguous() and kernels.is_dense(logits)
    weight = torch.randn(2, 3, 3, device=DEVICE)
    for mine, exact in zip(run(logits, 'triton', weight), run(logits, 'reference', weight), strict=True):
        torch.testing.assert_close(mine, exact, atol=1e-12, rtol=1e-12)
    leaf = logits.clone(memory_format=torch.preserve_format).requires_grad_()
    soft_argmax_3d(leaf, 'triton').sum().backward()
    assert leaf.grad.stride() == logits.stride()


def test_channels_last_output_of_a_convolution_and_gaps():
    flat = torch.randn(2, 15, 7, 4, device=DEVICE, dtype=torch.float64).to(memory_format=torch.channels_last)
    weight = torch.randn(2, 3, 3, device=DEVICE)
    for logits in (flat.unflatten(1, (3, 5)), torch.randn(2, 3, 5, 7, 9, device=DEVICE, dtype=torch.float64)[..., ::2],
                   torch.randn(2, 3, 5, 7, 1, device=DEVICE, dtype=torch.float64).expand(-1, -1, -1, -1, 4)):
        for mine, exact in zip(run(logits, 'triton', weight), run(logits, 'reference', weight), strict=True):
            torch.testing.assert_close(mine, exact, atol=1e-12, rtol=1e-12)


def test_vectors_are_as_long_as_alignment_allows():
    flat = torch.randn(2 * 3 * 5 * 7 * 24 + 2, dtype=torch.float64, device=DEVICE)
    logits, moved = (flat[start:start + 2 * 3 * 5 * 7 * 24].view(2, 3, 5, 7, 24) for start in (0, 1))
    channels_last = logits.view(2, 15, 7, 24).to(memory_format=torch.channels_last).unflatten(1, (3, 5))
    for found, vector in ((logits, 2), (moved, 1), (channels_last, 1), (logits.float(), 4), (logits.bfloat16(), 8),
                          (logits[..., :12].contiguous().bfloat16(), 4), (logits.transpose(0, 4), 1)):
        assert kernels._layout(found)['vector'] == vector
    weight = torch.randn(2, 3, 3, device=DEVICE)
    leaf = moved.detach().requires_grad_()  # keeps its place, unlike a clone
    mean = soft_argmax_3d(leaf, 'triton')
    (mean * weight).sum().backward()
    expected = run(moved, 'reference', weight)
    torch.testing.assert_close(mean, expected[0], atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(leaf.grad, expected[2], atol=1e-12, rtol=1e-12)


def test_gradcheck():
    logits = torch.randn(2, 3, 2, 4, 3, dtype=torch.float64, device=DEVICE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: soft_argmax_3d(x, 'triton'), logits, fast_mode=True)


def test_a_spike_and_a_slope_keep_their_variance():
    logits = torch.zeros(1, 2, 5, 7, 4, device=DEVICE)
    logits[0, 0, 4, 6, 3] = 1000
    logits[0, 1] = -1e4 * torch.arange(4., device=DEVICE)  # the peak moves down a whole plane of the volume
    mean, std = soft_argmax_3d(logits, 'triton', return_std=True)
    torch.testing.assert_close(mean[0, 0].cpu(), torch.tensor([3 / 4, 6 / 7, 4 / 5]))
    assert std[0, 0].max() == 0 and mean[0, 1, 0] == 0 and std[0, 1, 0] == 0
    torch.testing.assert_close(std[0, 1, 1:].cpu(), torch.tensor([2 / 7, 2**0.5 / 5]))  # flat along y and z


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.filterwarnings('ignore:invalid value:RuntimeWarning')  # numpy's, in the interpreter
def test_what_is_not_finite_stays_visible(value):
    logits = torch.zeros(1, 2, 3, 5, 4, device=DEVICE)
    logits[0, 1, 2, 3, 1] = value
    mean = soft_argmax_3d(logits, 'triton')
    assert mean[0, 0].isfinite().all() and not mean[0, 1].isfinite().any()


@pytest.mark.parametrize('backend', ['eager', 'triton'])
@pytest.mark.filterwarnings('error::RuntimeWarning')  # numpy's, in the interpreter, of -inf less -inf
def test_cells_of_minus_infinity_weigh_nothing(backend):
    """Whole steps and whole parts of a volume of them, before the first finite cell and after."""
    logits = torch.randn(2, 3, 5, 7, 4, dtype=torch.float64, device=DEVICE)
    logits[:, :, :3] = float('-inf')
    logits[0, 1, 4] = float('-inf')
    weight = torch.randn(2, 3, 3, device=DEVICE)
    for mine, exact in zip(run(logits, backend, weight), run(logits, 'reference', weight), strict=True):
        assert exact.isfinite().all()
        torch.testing.assert_close(mine, exact, atol=1e-12, rtol=1e-12)


def test_parts_of_a_volume_are_put_together(monkeypatch):
    logits = torch.randn(1, 2, 6, 7, 9, dtype=torch.float64, device=DEVICE) * 5
    results = []
    for programs in (1, 2, 5, 64):
        monkeypatch.setattr(kernels, '_programs_wanted', lambda device, programs=programs: programs)
        results.append(soft_argmax_3d(logits, 'triton', return_std=True))
    for mean, std in results[1:]:
        torch.testing.assert_close(mean, results[0][0], atol=1e-14, rtol=1e-13)
        torch.testing.assert_close(std, results[0][1], atol=1e-12, rtol=1e-12)


def test_nothing_of_the_volumes_size_is_saved_but_the_logits():
    logits = torch.randn(2, 3, 5, 7, 4, device=DEVICE, requires_grad=True)
    mean = soft_argmax_3d(logits, 'triton')
    assert 'Triton' in type(mean.grad_fn).__name__  # these kernels ran, nothing in their place
    saved = [t for t in mean.grad_fn.saved_tensors if t.data_ptr() != logits.data_ptr()]
    assert sum(t.numel() for t in saved) < logits[0, 0].numel()


def test_in_a_compiled_function():
    logits = torch.randn(1, 2, 3, 5, 4, device=DEVICE)
    compiled = torch.compile(lambda logits: soft_argmax_3d(logits * 2, 'triton') + 1, backend='eager')
    torch.testing.assert_close(compiled(logits), soft_argmax_3d(logits * 2, 'reference') + 1)


def test_kernels_run_on_the_tensors_device(monkeypatch):
    """Triton launches on the current device, which may be another one."""
    entered = []

    def enter(device):
        entered.append(device)
        return contextlib.nullcontext()
    monkeypatch.setattr(torch.cuda, 'device', enter)
    launch = kernels.on_its_device(lambda ctx, tensor: entered.append('launched'))
    launch(None, SimpleNamespace(is_cuda=True, device='cuda:1'))
    launch(None, SimpleNamespace(is_cuda=False, device='cpu'))
    assert entered == ['cuda:1', 'launched', 'launched']


def test_empty_batch():
    assert soft_argmax_3d(torch.zeros(0, 3, 5, 7, 4, device=DEVICE), 'triton').shape == (0, 3, 3)


def test_auto_takes_triton_on_cuda_only(monkeypatch):
    logits = torch.zeros(1, 1, 2, 3, 4, device=DEVICE)
    assert dispatch.choose_backend(logits) == ('triton' if DEVICE == 'cuda' else 'eager')
    monkeypatch.setattr(dispatch, '_has_triton', lambda: False)
    assert dispatch.choose_backend(logits) == 'eager'


def test_on_a_cpu_without_the_interpreter_it_says_so():
    code = ("import torch; from mmpose_integral.ops import soft_argmax_3d\n"
            "soft_argmax_3d(torch.zeros(1, 1, 2, 3, 4), 'triton')")
    environment = {name: value for name, value in os.environ.items() if name != 'TRITON_INTERPRET'}
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=False,
                          env=environment)
    assert "RuntimeError: backend 'triton': logits on a CUDA device expected, got cpu" in done.stderr
