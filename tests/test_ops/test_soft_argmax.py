"""All backends of the soft-argmax against explicit sums and closed forms; gradients against finite differences."""
import numpy as np
import pytest
import torch

from mmpose_integral.ops import argmax_3d, remove_background, soft_argmax_3d
from mmpose_integral.ops import soft_argmax_eager as eager_module
from mmpose_integral.ops.soft_argmax import HAS_TRITON

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
TRITON = pytest.param('triton', marks=pytest.mark.skipif(not HAS_TRITON, reason='Triton is not installed'))
for_each_backend = pytest.mark.parametrize('backend', ['reference', 'eager', TRITON])
SHAPE = (2, 3, 5, 7, 4)  # B, K, D, H, W


def explicit_moments(weight):
    """Mean and std of one volume of weights, by explicit sums in numpy float64."""
    probability = weight / weight.sum()
    grids = np.meshgrid(*(np.arange(n) / n for n in weight.shape), indexing='ij')[::-1]  # x, y, z
    mean = [(probability * grid).sum() for grid in grids]
    return mean, [np.sqrt((probability * (grid - m)**2).sum()) for grid, m in zip(grids, mean, strict=True)]


@for_each_backend
def test_equals_explicit_sums(backend):
    logits = torch.randn(SHAPE, dtype=torch.float64, device=DEVICE) * 3
    mean, std = soft_argmax_3d(logits, backend, return_std=True)
    for b, k in np.ndindex(SHAPE[:2]):
        expected_mean, expected_std = explicit_moments(logits[b, k].exp().cpu().numpy())
        np.testing.assert_allclose(mean[b, k].cpu(), expected_mean, atol=1e-12)
        np.testing.assert_allclose(std[b, k].cpu(), expected_std, atol=1e-12)
    assert torch.equal(soft_argmax_3d(logits, backend), mean)


@for_each_backend
def test_a_spike_and_a_slope_keep_their_variance(backend):
    logits = torch.zeros(SHAPE, device=DEVICE)
    logits[1, 2, 4, 6, 3] = 1000
    logits[0, 1] = -1e4 * torch.arange(4., device=DEVICE)  # a whole plane of the volume has the largest logit
    mean, std = (moment.cpu() for moment in soft_argmax_3d(logits, backend, return_std=True))
    torch.testing.assert_close(mean[1, 2], torch.tensor([3 / 4, 6 / 7, 4 / 5]))
    assert std[1, 2].max() < 1e-6 and mean[0, 1, 0] == 0 and std[0, 1, 0] == 0
    torch.testing.assert_close(std[0, 1, 1:], torch.tensor([2 / 7, 2**0.5 / 5]))  # flat along y and z


@pytest.mark.parametrize('backend', ['reference', 'eager'])
def test_gradcheck(backend):
    logits = torch.randn(2, 3, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: soft_argmax_3d(x, backend), logits)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('shape', [SHAPE, (1, 2, 3, 5, 24), (1, 2, 1, 9, 11), (3, 1, 6, 1, 1), (1, 1, 1, 1, 1)])
@pytest.mark.parametrize('backend', ['eager', TRITON])
def test_no_worse_than_twice_the_error_of_the_reference(backend, shape, dtype):
    generator = torch.Generator().manual_seed(sum(shape))
    logits = (torch.randn(shape, generator=generator) * 4).to(DEVICE, dtype)
    weight = torch.randn(*shape[:2], 3, generator=generator).to(DEVICE)

    def run(logits, backend):
        """Mean, std and the gradient of (mean * weight).sum()."""
        leaf = logits.clone().requires_grad_()
        mean, std = soft_argmax_3d(leaf, backend, return_std=True)
        (mean * weight.to(mean)).sum().backward()
        return mean.detach(), std, leaf.grad

    truth, plain, fast = run(logits.double(), 'reference'), run(logits, 'reference'), run(logits, backend)
    for exact, reference, found in zip(truth, plain, fast, strict=True):
        assert found.dtype == reference.dtype and found.shape == reference.shape
        error, allowed = ((values.double() - exact).abs().max() for values in (found, reference))
        # The interpreter truncates to bfloat16, while a GPU rounds to nearest: up to one unit in the last place.
        cut = exact.abs().max() / 128 if DEVICE == 'cpu' and found.dtype == torch.bfloat16 else 0
        assert error <= 2 * allowed + cut + 2e-7


@for_each_backend
def test_statistics_stay_float32_under_autocast(backend):
    logits = (torch.randn(1, 2, 16, 16, 16, device=DEVICE) * 2).bfloat16()
    with torch.autocast(DEVICE, torch.bfloat16):
        mean = soft_argmax_3d(logits, backend)
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean, soft_argmax_3d(logits.double(), backend).float(), atol=1e-6, rtol=0)


def test_eager_works_in_chunks_and_on_any_strides(monkeypatch):
    logits = torch.randn(5, 2, 2, 3, 2, dtype=torch.float64)
    whole = soft_argmax_3d(logits, 'eager')
    monkeypatch.setitem(eager_module.CHUNK_ELEMENTS, 'cpu', 2 * logits[0].numel())
    strided = logits.permute(0, 1, 4, 3, 2).contiguous().permute(0, 1, 4, 3, 2).requires_grad_()
    assert not strided.is_contiguous()
    mean = soft_argmax_3d(strided, 'eager')
    torch.testing.assert_close(mean, whole)
    assert torch.autograd.gradcheck(lambda x: soft_argmax_3d(x, 'eager'), strided)


@pytest.mark.parametrize(('volumes', 'images', 'joints'), [(0.5, 1, 1), (2, 1, 2), (3, 1, 3), (7, 2, 3), (99, 5, 3)])
def test_eager_chunks_have_as_many_volumes_as_there_is_room_for(monkeypatch, volumes, images, joints):
    logits = torch.empty(5, 3, 2, 3, 4)
    monkeypatch.setitem(eager_module.CHUNK_ELEMENTS, 'cpu', int(24 * volumes))
    counts, shapes = np.zeros((5, 3), int), set()
    for part in eager_module._chunks(logits):
        counts[part] += 1
        shapes.add(counts[part].shape)
    assert (counts == 1).all() and max(shapes) == (images, joints)


def test_argmax_is_the_position_of_the_largest_cell():
    logits = torch.randn(SHAPE, dtype=torch.float16).clamp(max=5)
    cells = np.random.default_rng(0).integers(0, SHAPE[2:], (*SHAPE[:2], 3))
    for b, k in np.ndindex(SHAPE[:2]):
        logits[(b, k, *cells[b, k])] = 9
    found = argmax_3d(logits)
    assert found.dtype == torch.float32 and argmax_3d(logits.double()).dtype == torch.float64
    np.testing.assert_allclose(found, (cells / SHAPE[2:])[..., ::-1], rtol=1e-6)


def test_without_background_the_integral_is_that_of_the_cells_above_the_mean():
    logits = torch.randn(SHAPE, dtype=torch.float64) * 3
    mean = soft_argmax_3d(remove_background(logits))
    for b, k in np.ndindex(SHAPE[:2]):
        weight = np.expm1((logits[b, k] - logits[b, k].mean()).clamp(min=0).numpy())
        np.testing.assert_allclose(mean[b, k], explicit_moments(weight)[0], atol=1e-5)
    assert remove_background(logits.half()).dtype == torch.float32
    assert remove_background(torch.zeros(SHAPE)).isfinite().all()


def test_eager_keeps_the_logits_grids_log_sum_exp_and_mean_for_the_backward_pass():
    logits = torch.randn(SHAPE, requires_grad=True)
    saved = soft_argmax_3d(logits, 'eager').grad_fn.saved_tensors
    assert saved[0].data_ptr() == logits.data_ptr()
    assert [tuple(tensor.shape) for tensor in saved[1:]] == [(2, 3), (2, 3, 3), (4, ), (7, ), (5, )]


@for_each_backend
def test_std_has_no_gradient_and_an_empty_batch_is_allowed(backend):
    logits = torch.randn(SHAPE, requires_grad=True, device=DEVICE)
    assert not soft_argmax_3d(logits, backend, return_std=True)[1].requires_grad
    none = soft_argmax_3d(logits[:0], backend)
    assert none.shape == (0, 3, 3) and none.requires_grad


@pytest.mark.parametrize(('logits', 'backend', 'message'), [
    (torch.zeros(2, 3, 4, 5), 'auto', r'\(B, K, D, H, W\)'),
    (torch.zeros(2, 3, 0, 4, 5), 'auto', 'D, H, W > 0'),
    (torch.zeros(SHAPE, dtype=torch.int64), 'auto', 'floating type'),
    (torch.zeros(SHAPE), 'cuda', "'cuda'")])
def test_bad_input_is_named(logits, backend, message):
    with pytest.raises(ValueError, match=message):
        soft_argmax_3d(logits, backend)
