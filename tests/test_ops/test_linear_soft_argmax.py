"""Features to moments without a volume, against a convolution and explicit sums."""
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmpose_integral.ops import linear_soft_argmax_3d, soft_argmax_3d
from mmpose_integral.ops import linear_soft_argmax_chunked as chunked

BACKENDS = ['reference', 'chunked']
BATCH, JOINTS, DEPTH, HEIGHT, WIDTH, CHANNELS = SHAPE = 2, 3, 5, 7, 4, 6


def problem(dtype=torch.float64, shape=SHAPE, scale=1.0):
    """Features, weights, bias, and the weights of the loss."""
    batch, joints, depth, height, width, channels = shape
    generator = torch.Generator().manual_seed(3)
    arguments = (torch.randn(batch, channels, height, width, generator=generator),
                 torch.randn(joints * depth, channels, generator=generator) * scale,
                 torch.randn(joints * depth, generator=generator))
    return [one.to(dtype) for one in arguments], torch.randn(batch, joints, 3, generator=generator)


def run(function, arguments, weight):
    """Mean, std and the gradients of (mean * weight).sum()."""
    leaves = [one.detach().clone(memory_format=torch.preserve_format).requires_grad_() for one in arguments]
    mean, std = function(*leaves)
    (mean * weight.to(mean)).sum().backward()
    return mean.detach(), std, *(leaf.grad for leaf in leaves)


def fused(backend, joints=JOINTS):
    return lambda *leaves: linear_soft_argmax_3d(*leaves, joints, backend, return_std=True)


def convolution(features, weight, bias):
    """The way with a volume, as the head takes it."""
    logits = torch.nn.functional.conv2d(features, weight[..., None, None], bias)
    return soft_argmax_3d(logits.unflatten(1, (JOINTS, -1)), 'reference', return_std=True)


@pytest.fixture(params=['one chunk', 'images', 'joints'])
def any_chunks(request, monkeypatch):
    """All at once, an image at a time, and a joint at a time, as chunk_sizes gives it."""
    volume = DEPTH * HEIGHT * WIDTH
    room = {'one chunk': BATCH * JOINTS * volume, 'images': JOINTS * volume, 'joints': volume - 1}[request.param]
    monkeypatch.setitem(chunked.CHUNK_ELEMENTS, 'cpu', room)
    monkeypatch.setattr(chunked, 'BATCHED_SHARE', 1)
    expected = {'one chunk': (BATCH, JOINTS), 'images': (1, JOINTS), 'joints': (1, 1)}[request.param]
    assert chunked.chunk_sizes(BATCH, JOINTS, DEPTH, CHANNELS, HEIGHT * WIDTH, torch.device('cpu')) == expected


@pytest.mark.parametrize('backend', BACKENDS)
def test_equals_explicit_sums(backend):
    (features, weight, bias), _ = problem()
    mean, std = linear_soft_argmax_3d(features, weight, bias, JOINTS, backend, return_std=True)
    z, y, x = np.meshgrid(*(np.arange(n) / n for n in (DEPTH, HEIGHT, WIDTH)), indexing='ij')
    for b in range(BATCH):
        for k in range(JOINTS):
            rows = slice(k * DEPTH, (k + 1) * DEPTH)
            logits = np.einsum('dc,chw->dhw', weight[rows], features[b]) + bias[rows].numpy()[:, None, None]
            chance = np.exp(logits) / np.exp(logits).sum()
            for axis, grid in enumerate((x, y, z)):
                middle = (chance * grid).sum()
                assert mean[b, k, axis].item() == pytest.approx(middle, abs=1e-12)
                assert std[b, k, axis].item() == pytest.approx(np.sqrt((chance * (grid - middle)**2).sum()), abs=1e-12)
    assert torch.equal(linear_soft_argmax_3d(features, weight[..., None, None], bias, JOINTS, backend), mean)


@pytest.mark.parametrize('layout', ['contiguous', 'channels_last', 'gaps'])
def test_same_as_convolution_and_volume(any_chunks, layout):
    (features, *others), weight = problem()
    features = {'contiguous': features, 'channels_last': features.to(memory_format=torch.channels_last),
                'gaps': torch.cat([features, features], -1)[..., ::2]}[layout]
    arguments = [features, *others]
    for mine, exact in zip(run(fused('chunked'), arguments, weight), run(convolution, arguments, weight), strict=True):
        torch.testing.assert_close(mine, exact, atol=1e-13, rtol=1e-12)


def test_gradcheck(any_chunks):
    leaves = [one.requires_grad_() for one in problem()[0]]
    assert torch.autograd.gradcheck(lambda *args: linear_soft_argmax_3d(*args, JOINTS, 'chunked'), leaves)
    assert torch.autograd.gradcheck(lambda *args: linear_soft_argmax_3d(*args, None, JOINTS, 'chunked'), leaves[:2],
                                    fast_mode=True)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_no_worse_than_twice_eagers_error(any_chunks, dtype):
    arguments, weight = problem(dtype)
    truth = run(convolution, [one.double() for one in arguments], weight)
    plain, mine = run(convolution, arguments, weight), run(fused('chunked'), arguments, weight)
    for exact, theirs, ours in zip(truth, plain, mine, strict=True):
        assert ours.dtype == theirs.dtype
        # One unit in the last place beside that: few elements, and eager may have been lucky with them.
        last_place = exact.abs().max() * torch.finfo(ours.dtype).eps
        assert (ours.double() - exact).abs().max() <= 2 * (theirs.double() - exact).abs().max() + last_place + 1e-7


class LargestTensor(TorchDispatchMode):
    """Elements of the largest tensor that any operation gives."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(one, torch.Tensor):
                self.elements = max(self.elements, one.numel())
        return result


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_the_volume_is_never_made(monkeypatch, dtype):
    shape = (3, 4, 16, 12, 10, 5)
    volume = shape[2] * shape[3] * shape[4]  # of one joint of one image
    monkeypatch.setitem(chunked.CHUNK_ELEMENTS, 'cpu', 2 * volume)
    arguments, weight = problem(dtype, shape)
    with LargestTensor() as without:
        run(fused('chunked', 4), arguments, weight)
    with LargestTensor() as reference:
        run(fused('reference', 4), arguments, weight)
    assert without.elements == 2 * volume and reference.elements == 12 * volume


def test_what_is_saved_is_small():
    (features, weight, bias), _ = problem()
    mean = linear_soft_argmax_3d(features, weight.requires_grad_(), bias, JOINTS)
    assert 'LinearSoftArgmax3D' in type(mean.grad_fn).__name__  # 'auto' took the way without a volume
    given = {features.data_ptr(), weight.data_ptr(), bias.data_ptr()}
    saved = [one for one in mean.grad_fn.saved_tensors if one.data_ptr() not in given]
    assert sum(one.numel() for one in saved) < DEPTH * HEIGHT * WIDTH


@pytest.mark.parametrize(('batch', 'joints', 'depth', 'channels', 'pixels', 'expected'), [
    (16, 18, 72, 256, 96 * 72, (1, 4)),  # 2^21 // (72 * 6912) = 4 joints: groups of 4, 4, 4, 4, 2
    (2, 18, 24, 256, 32 * 24, (1, 18)),  # both fit, but not in a quarter
    (2, 18, 24, 256, 16 * 12, (2, 18)),
    (16, 18, 144, 256, 192 * 144, (1, 1)),  # a joint is larger than a chunk
    (64, 18, 24, 2048, 48, (2, 18))])  # 25 images would fit, but not their gradients of the weights
def test_sizes_of_chunks(batch, joints, depth, channels, pixels, expected):
    assert chunked.chunk_sizes(batch, joints, depth, channels, pixels, torch.device('cpu')) == expected


@pytest.mark.parametrize('wanted', [(True, False, False), (False, True, False), (False, False, True)])
def test_only_wanted_gradients_are_made(any_chunks, wanted):
    arguments, weight = problem()
    expected = run(convolution, arguments, weight)[2:]
    leaves = [one.requires_grad_(want) for one, want in zip(arguments, wanted, strict=True)]
    (linear_soft_argmax_3d(*leaves, JOINTS) * weight).sum().backward()
    for leaf, want, exact in zip(leaves, wanted, expected, strict=True):
        assert (leaf.grad is not None) == want
        if want:
            torch.testing.assert_close(leaf.grad, exact, atol=1e-13, rtol=1e-12)


@pytest.mark.parametrize('backend', BACKENDS)
def test_autocast_as_a_convolution(backend):
    arguments, weight = problem(torch.float32, scale=2.0)
    with torch.autocast('cpu', torch.bfloat16):
        expected = run(convolution, arguments, weight)
        mine = run(fused(backend), arguments, weight)
        mixed = linear_soft_argmax_3d(arguments[0].bfloat16(), *arguments[1:], JOINTS, backend)
    assert [one.dtype for one in mine] == [torch.float32] * 5
    torch.testing.assert_close(mine[0], expected[0], atol=1e-6, rtol=0)  # the logits have the same type
    assert (mine[0] - run(convolution, arguments, weight)[0]).abs().max() > 1e-5  # which is not float32
    for ours, theirs in zip(mine[2:], expected[2:], strict=True):
        torch.testing.assert_close(ours, theirs, atol=2 * theirs.abs().max().item() / 256, rtol=0)
    torch.testing.assert_close(mixed, mine[0])


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_closed_bin_an_empty_batch_and_no_gradient_of_std(backend):
    (features, weight, bias), _ = problem()
    bias[DEPTH - 1::DEPTH] = float('-inf')
    mean, std = linear_soft_argmax_3d(features.requires_grad_(), weight, bias, JOINTS, backend, return_std=True)
    mean.sum().backward()
    assert features.grad.isfinite().all() and not std.requires_grad
    cut = [one.unflatten(0, (JOINTS, DEPTH))[:, :-1].flatten(0, 1) for one in (weight, bias)]
    shorter = linear_soft_argmax_3d(features, *cut, JOINTS, 'reference')
    scale = torch.tensor([1, 1, (DEPTH - 1) / DEPTH], dtype=torch.float64)  # of z, whose cells are i / n
    torch.testing.assert_close(mean, shorter * scale, atol=1e-12, rtol=0)
    empty = features[:0].detach().requires_grad_()
    mean = linear_soft_argmax_3d(empty, weight.requires_grad_(), None, JOINTS, backend)
    mean.sum().backward()
    assert mean.shape == (0, JOINTS, 3) and empty.grad.shape == empty.shape and not weight.grad.any()


@pytest.mark.parametrize(('change', 'message'), [
    (dict(features=torch.zeros(2, 6, 7)), r'features: shape \(B, C, H, W\)'),
    (dict(features=torch.zeros(2, 6, 0, 4)), 'C, H, W > 0'),
    (dict(features=torch.zeros(2, 6, 7, 4, dtype=torch.int64)), 'features: a floating type expected, got torch.int64'),
    (dict(weight=torch.zeros(15, 5)), r'weight: .* C = 6 .* got \(15, 5\)'),
    (dict(weight=torch.zeros(15, 6, 3, 3)), r'got \(15, 6, 3, 3\)'),
    (dict(weight=torch.zeros(15, 6, 1)), r'got \(15, 6, 1\)'),
    (dict(weight=torch.zeros(14, 6), bias=None), 'multiple of num_joints = 3 rows expected, got 14'),
    (dict(weight=torch.zeros(0, 6), bias=torch.zeros(0)), 'rows expected, got 0'),
    (dict(bias=torch.zeros(14)), r'bias: shape \(15,\)'),
    (dict(weight=torch.zeros(15, 6, dtype=torch.bfloat16)), 'one type for all .* torch.bfloat16'),
    (dict(bias=torch.zeros(15, device='meta')), 'bias: the device of the features, cpu, expected, got meta'),
    (dict(num_joints=0), 'num_joints: an integer above 0 expected, got 0'),
    (dict(num_joints=3.0), 'num_joints: .* got 3.0'),
    (dict(backend='eager'), "'reference', 'chunked', 'triton' expected, got 'eager'")])
def test_bad_input_is_named(change, message):
    arguments = dict(features=torch.zeros(2, 6, 7, 4), weight=torch.zeros(15, 6), bias=torch.zeros(15), num_joints=3)
    with pytest.raises(ValueError, match=message):
        linear_soft_argmax_3d(**dict(arguments, **change))
