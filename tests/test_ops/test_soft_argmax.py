import numpy as np
import pytest
import torch

from mmpose_integral.ops import soft_argmax_3d
from mmpose_integral.ops import soft_argmax_eager as eager_module

BACKENDS = ['reference', 'eager']
SHAPE = (2, 3, 5, 7, 4)  # B, K, D, H, W


def loop_moments(logits):
    """Mean and std by explicit sums in numpy float64."""
    batch, joints, depth, height, width = logits.shape
    mean, std = np.zeros((batch, joints, 3)), np.zeros((batch, joints, 3))
    for b in range(batch):
        for k in range(joints):
            weight = np.exp(logits[b, k] - logits[b, k].max())
            weight /= weight.sum()
            z, y, x = np.meshgrid(np.arange(depth) / depth, np.arange(height) / height, np.arange(width) / width,
                                  indexing='ij')
            for axis, grid in enumerate((x, y, z)):
                mean[b, k, axis] = (weight * grid).sum()
                std[b, k, axis] = np.sqrt((weight * (grid - mean[b, k, axis])**2).sum())
    return mean, std


@pytest.mark.parametrize('backend', BACKENDS)
def test_equals_explicit_sums(backend):
    logits = torch.randn(SHAPE, dtype=torch.float64) * 3
    mean, std = soft_argmax_3d(logits, backend, return_std=True)
    expected_mean, expected_std = loop_moments(logits.numpy())
    np.testing.assert_allclose(mean, expected_mean, atol=1e-12)
    np.testing.assert_allclose(std, expected_std, atol=1e-12)
    assert torch.equal(soft_argmax_3d(logits, backend), mean)


@pytest.mark.parametrize('backend', BACKENDS)
def test_flat_volume_decodes_to_middle_of_the_grid(backend):
    mean, std = soft_argmax_3d(torch.zeros(SHAPE), backend, return_std=True)
    depth, height, width = SHAPE[2:]
    sizes = torch.tensor([width, height, depth], dtype=torch.float64)
    torch.testing.assert_close(mean[0, 0].double(), (sizes - 1) / (2 * sizes), atol=1e-6, rtol=0)
    torch.testing.assert_close(std[1, 2].double(), ((sizes**2 - 1) / 12).sqrt() / sizes, atol=1e-6, rtol=0)


@pytest.mark.parametrize('backend', BACKENDS)
def test_spike_decodes_to_its_cell(backend):
    logits = torch.zeros(SHAPE)
    logits[1, 2, 4, 6, 3] = 1000
    mean, std = soft_argmax_3d(logits, backend, return_std=True)
    torch.testing.assert_close(mean[1, 2], torch.tensor([3 / 4, 6 / 7, 4 / 5]))
    assert std[1, 2].max() < 1e-6


@pytest.mark.parametrize('backend', BACKENDS)
def test_gradcheck(backend):
    logits = torch.randn(2, 3, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: soft_argmax_3d(x, backend), logits)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_eager_is_as_exact_as_reference_in_low_precision(dtype):
    logits = (torch.randn(SHAPE) * 4).to(dtype)
    truth_in = logits.double().requires_grad_()
    weight = torch.randn(*SHAPE[:2], 3)
    truth = soft_argmax_3d(truth_in, 'reference')
    (truth * weight.double()).sum().backward()
    errors = {}
    for backend in BACKENDS:
        x = logits.clone().requires_grad_()
        mean = soft_argmax_3d(x, backend)
        (mean * weight).sum().backward()
        assert mean.dtype == torch.float32 and x.grad.dtype == dtype
        errors[backend] = ((mean.double() - truth).abs().max(), (x.grad.double() - truth_in.grad).abs().max())
    for eager, reference in zip(errors['eager'], errors['reference'], strict=True):
        assert eager <= 2 * reference + 1e-6


@pytest.mark.parametrize('backend', BACKENDS)
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


def test_eager_saves_nothing_of_the_volumes_size_but_the_logits():
    logits = torch.randn(SHAPE, requires_grad=True)
    mean = soft_argmax_3d(logits, 'eager')
    saved = [t for t in mean.grad_fn.saved_tensors if t.data_ptr() != logits.data_ptr()]
    assert sum(t.numel() for t in saved) < logits[0, 0].numel()


def test_std_carries_no_gradient():
    logits = torch.randn(SHAPE, requires_grad=True)
    assert not any(soft_argmax_3d(logits, b, return_std=True)[1].requires_grad for b in BACKENDS)


def test_empty_batch():
    assert all(soft_argmax_3d(torch.zeros(0, *SHAPE[1:]), b).shape == (0, 3, 3) for b in BACKENDS)


@pytest.mark.parametrize(('logits', 'backend', 'message'), [
    (torch.zeros(2, 3, 4, 5), 'auto', r'\(B, K, D, H, W\)'),
    (torch.zeros(2, 3, 0, 4, 5), 'auto', 'D, H, W > 0'),
    (torch.zeros(SHAPE, dtype=torch.int64), 'auto', 'floating type'),
    (torch.zeros(SHAPE), 'cuda', "'cuda'")])
def test_bad_input_is_named(logits, backend, message):
    with pytest.raises(ValueError, match=message):
        soft_argmax_3d(logits, backend)
