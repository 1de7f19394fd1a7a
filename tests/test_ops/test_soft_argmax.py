"""Reference and eager backend of the soft-argmax against explicit sums, closed forms and finite differences."""
import numpy as np
import pytest
import torch

from mmpose_integral.ops import soft_argmax_3d
from mmpose_integral.ops import soft_argmax_eager as eager_module

BACKENDS = ['reference', 'eager']
for_each_backend = pytest.mark.parametrize('backend', BACKENDS)
SHAPE = (2, 3, 5, 7, 4)  # B, K, D, H, W


def explicit_moments(weight):
    """Mean and std of one volume of weights, by explicit sums in numpy float64."""
    probability = weight / weight.sum()
    grids = np.meshgrid(*(np.arange(n) / n for n in weight.shape), indexing='ij')[::-1]  # x, y, z
    mean = [(probability * grid).sum() for grid in grids]
    return mean, [np.sqrt((probability * (grid - m)**2).sum()) for grid, m in zip(grids, mean, strict=True)]


@for_each_backend
def test_equals_explicit_sums(backend):
    logits = torch.randn(SHAPE, dtype=torch.float64) * 3
    mean, std = soft_argmax_3d(logits, backend, return_std=True)
    for b, k in np.ndindex(SHAPE[:2]):
        expected_mean, expected_std = explicit_moments(logits[b, k].exp().numpy())
        np.testing.assert_allclose(mean[b, k], expected_mean, atol=1e-12)
        np.testing.assert_allclose(std[b, k], expected_std, atol=1e-12)
    assert torch.equal(soft_argmax_3d(logits, backend), mean)


@for_each_backend
def test_spike_decodes_to_its_cell(backend):
    logits = torch.zeros(SHAPE)
    logits[1, 2, 4, 6, 3] = 1000
    mean, std = soft_argmax_3d(logits, backend, return_std=True)
    torch.testing.assert_close(mean[1, 2], torch.tensor([3 / 4, 6 / 7, 4 / 5]))
    assert std[1, 2].max() < 1e-6


@for_each_backend
def test_gradcheck(backend):
    logits = torch.randn(2, 3, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: soft_argmax_3d(x, backend), logits)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_eager_is_as_exact_as_reference_in_low_precision(dtype):
    logits, weight = (torch.randn(SHAPE) * 4).to(dtype), torch.randn(*SHAPE[:2], 3)

    def mean_and_gradient(logits, backend):
        leaf = logits.clone().requires_grad_()
        mean = soft_argmax_3d(leaf, backend)
        (mean * weight).sum().backward()
        return mean, leaf.grad

    truth, plain, fast = (mean_and_gradient(*arguments) for arguments in (
        (logits.double(), 'reference'), (logits, 'reference'), (logits, 'eager')))
    for exact, reference, eager in zip(truth, plain, fast, strict=True):
        assert eager.dtype == reference.dtype == (dtype if eager.ndim == 5 else torch.float32)
        error, allowed = ((found.double() - exact).abs().max() for found in (eager, reference))
        assert error <= 2 * allowed + 1e-6


@for_each_backend
def test_statistics_stay_float32_under_autocast(backend):
    logits = (torch.randn(1, 2, 16, 16, 16) * 2).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        mean = soft_argmax_3d(logits, backend)
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean, soft_argmax_3d(logits.double(), backend).float(), atol=1e-6, rtol=0)


def test_eager_works_in_chunks_and_on_any_strides(monkeypatch):
    logits = torch.randn(7, 2, 3, 5, 4, dtype=torch.float64)
    whole = soft_argmax_3d(logits, 'eager')
    monkeypatch.setitem(eager_module.CHUNK_ELEMENTS, 'cpu', 2 * logits[0].numel())
    strided = logits.permute(0, 1, 4, 3, 2).contiguous().permute(0, 1, 4, 3, 2).requires_grad_()
    assert not strided.is_contiguous()
    mean = soft_argmax_3d(strided, 'eager')
    torch.testing.assert_close(mean, whole)
    assert torch.autograd.gradcheck(lambda x: soft_argmax_3d(x, 'eager'), strided)


def test_eager_keeps_the_logits_grids_log_sum_exp_and_mean_for_the_backward_pass():
    logits = torch.randn(SHAPE, requires_grad=True)
    saved = soft_argmax_3d(logits, 'eager').grad_fn.saved_tensors
    assert saved[0].data_ptr() == logits.data_ptr()
    assert [tuple(tensor.shape) for tensor in saved[1:]] == [(2, 3), (2, 3, 3), (4, ), (7, ), (5, )]


@for_each_backend
def test_std_has_no_gradient_and_an_empty_batch_is_allowed(backend):
    assert not soft_argmax_3d(torch.randn(SHAPE, requires_grad=True), backend, return_std=True)[1].requires_grad
    assert soft_argmax_3d(torch.zeros(0, *SHAPE[1:]), backend).shape == (0, 3, 3)


@pytest.mark.parametrize(('logits', 'backend', 'message'), [
    (torch.zeros(2, 3, 4, 5), 'auto', r'\(B, K, D, H, W\)'),
    (torch.zeros(2, 3, 0, 4, 5), 'auto', 'D, H, W > 0'),
    (torch.zeros(SHAPE, dtype=torch.int64), 'auto', 'floating type'),
    (torch.zeros(SHAPE), 'cuda', "'cuda'")])
def test_bad_input_is_named(logits, backend, message):
    with pytest.raises(ValueError, match=message):
        soft_argmax_3d(logits, backend)
