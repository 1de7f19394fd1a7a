"""The Triton kernels against the float64 reference: on the GPU where there is one, else in Triton's interpreter."""
import pytest
import torch

from mmpose_integral.ops import linear_soft_argmax_3d

kernels = pytest.importorskip('mmpose_integral.ops.linear_soft_argmax_triton',
                              reason='Triton is not installed; it comes with torch for CUDA on Linux')
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Rows, pixels and channels of the tests span several blocks, and several programs."""
    if DEVICE == 'cpu':
        small = dict(ROWS=16, PIXELS=16, CHANNELS=16)
        monkeypatch.setattr(kernels, 'BLOCKS', {size: (small, dict(small, OUT=16)) for size in (2, 4)})


def problem(batch, joints, depth, height, width, channels, dtype, scale=1.0):
    """Features, weights, bias, and the weights of the loss."""
    generator = torch.Generator().manual_seed(batch + 10 * joints + 100 * channels)
    arguments = (torch.randn(batch, channels, height, width, generator=generator),
                 torch.randn(joints * depth, channels, generator=generator) * scale,
                 torch.randn(joints * depth, generator=generator))
    return [one.to(DEVICE, dtype) for one in arguments], torch.randn(batch, joints, 3, generator=generator).to(DEVICE)


def run(arguments, joints, backend, weight):
    """Mean, std and the gradients of (mean * weight).sum()."""
    leaves = [one.detach().clone(memory_format=torch.preserve_format).requires_grad_() for one in arguments]
    mean, std = linear_soft_argmax_3d(*leaves, joints, backend, return_std=True)
    (mean * weight.to(mean)).sum().backward()
    return mean.detach(), std, *(leaf.grad for leaf in leaves)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('shape', [(2, 3, 5, 7, 4, 19), (1, 2, 9, 3, 6, 18), (3, 1, 2, 1, 1, 6), (1, 1, 1, 5, 2, 1)])
def test_no_worse_than_twice_eagers_error(dtype, shape):
    arguments, weight = problem(*shape, dtype)
    joints = shape[1]
    truth = run([one.double() for one in arguments], joints, 'reference', weight)
    eager, fused = run(arguments, joints, 'reference', weight), run(arguments, joints, 'triton', weight)
    for exact, plain, mine in zip(truth, eager, fused, strict=True):
        assert mine.dtype == plain.dtype and mine.shape == plain.shape
        # One unit in the last place beside that: the interpreter cuts bfloat16 off where a GPU rounds to nearest.
        last_place = exact.abs().max() * torch.finfo(mine.dtype).eps
        rounding = 1e-14 if dtype == torch.float64 else 2e-7
        assert (mine.double() - exact).abs().max() <= 2 * (plain.double() - exact).abs().max() + last_place + rounding


@pytest.mark.parametrize('layout', ['channels_last', 'gaps', 'expanded'])
def test_any_strides_of_the_features(layout):
    (features, *others), weight = problem(2, 3, 5, 7, 4, 19, torch.float64)
    features = {'channels_last': features.to(memory_format=torch.channels_last),
                'gaps': torch.cat([features, features], -1)[..., ::2],
                'expanded': features[:, :, :1].expand(-1, -1, 7, -1)}[layout]
    assert features.shape == (2, 19, 7, 4) and not features.is_contiguous()
    expected = run([features, *others], 3, 'reference', weight)
    for mine, exact in zip(run([features, *others], 3, 'triton', weight), expected, strict=True):
        torch.testing.assert_close(mine, exact, atol=1e-12, rtol=1e-12)


def test_gradcheck():
    arguments, _ = problem(2, 3, 2, 3, 2, 4, torch.float64)
    leaves = [one.requires_grad_() for one in arguments]
    assert torch.autograd.gradcheck(lambda *args: linear_soft_argmax_3d(*args, 3, 'triton'), leaves, fast_mode=True)


def test_a_spike_and_a_slope_keep_their_variance():
    depth, height, width = 5, 7, 6
    features = torch.zeros(1, 2, height, width, device=DEVICE)
    features[0, 0, 6, 3] = 100
    features[0, 1] = -1e4 * torch.arange(float(width), device=DEVICE)
    weight = torch.zeros(2 * depth, 2, device=DEVICE)
    weight[4, 0] = 10  # joint 0, depth bin 4: 1000 in one cell
    weight[depth:, 1] = 1  # joint 1: a slope along x, flat along y and z
    mean, std = linear_soft_argmax_3d(features, weight, None, 2, 'triton', return_std=True)
    torch.testing.assert_close(mean[0, 0].cpu(), torch.tensor([3 / 6, 6 / 7, 4 / 5]))
    assert std[0, 0].max() == 0 and mean[0, 1, 0] == 0 and std[0, 1, 0] == 0
    torch.testing.assert_close(std[0, 1, 1:].cpu(), torch.tensor([2 / 7, 2**0.5 / 5]))


def test_parts_of_next_to_no_weight_do_no_harm():
    """Tiles 80 to 112 below the peak: their mass is zero, or so small that float32 has no inverse of it."""
    features = -80 - 4 * (torch.arange(480, device=DEVICE) // 16 % 9).float().view(1, 1, 20, 24)
    features[..., 0, 0] = 0
    weight = torch.ones(3, 1, device=DEVICE)
    mean, std = linear_soft_argmax_3d(features, weight, None, 1, 'triton', return_std=True)
    expected = linear_soft_argmax_3d(features.double(), weight.double(), None, 1, 'reference', return_std=True)
    torch.testing.assert_close(mean, expected[0].float(), atol=1e-7, rtol=0)
    torch.testing.assert_close(std, expected[1].float(), atol=1e-6, rtol=0)


def test_a_depth_bin_may_be_closed_by_its_bias():
    (features, weight, bias), loss_weight = problem(2, 3, 5, 7, 4, 9, torch.float64)
    bias[::5] = float('-inf')
    expected = run([features, weight, bias], 3, 'reference', loss_weight)
    for mine, exact in zip(run([features, weight, bias], 3, 'triton', loss_weight), expected, strict=True):
        torch.testing.assert_close(mine, exact, atol=1e-12, rtol=1e-12)


@pytest.mark.filterwarnings('ignore:invalid value:RuntimeWarning')  # numpy's, in the interpreter
def test_what_is_not_finite_stays_visible():
    (features, weight, bias), _ = problem(2, 3, 5, 7, 4, 19, torch.float32)
    features[1, 4, 2, 3] = float('nan')
    mean = linear_soft_argmax_3d(features, weight, bias, 3, 'triton')
    assert mean[0].isfinite().all() and not mean[1].isfinite().any()


def test_parts_of_the_pixels_are_put_together(monkeypatch):
    arguments, weight = problem(2, 3, 5, 7, 6, 4, torch.float64)
    results = []
    for programs in (1, 4, 1000):
        monkeypatch.setattr(kernels, '_programs_wanted', lambda device, programs=programs: programs)
        results.append(run(arguments, 3, 'triton', weight))
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            torch.testing.assert_close(second, first, atol=1e-12, rtol=1e-12)


def test_only_wanted_gradients_are_made(monkeypatch):
    (features, weight, bias), _ = problem(2, 3, 5, 7, 4, 19, torch.float32)
    mean = linear_soft_argmax_3d(features, weight.requires_grad_(), bias, 3, 'triton')
    assert 'Triton' in type(mean.grad_fn).__name__  # these kernels ran, nothing in their place
    monkeypatch.setattr(kernels, '_launch_features', None)
    mean.sum().backward()
    exact = weight.detach().double().requires_grad_()
    linear_soft_argmax_3d(features.double(), exact, bias.double(), 3, 'reference').sum().backward()
    assert features.grad is None
    torch.testing.assert_close(weight.grad.double(), exact.grad, atol=1e-6, rtol=1e-4)


def test_empty_batch():
    features, weight = torch.zeros(0, 4, 7, 5, device=DEVICE), torch.randn(6, 4, device=DEVICE, requires_grad=True)
    mean = linear_soft_argmax_3d(features.requires_grad_(), weight, None, 3, 'triton')
    mean.sum().backward()
    assert mean.shape == (0, 3, 3) and features.grad.shape == features.shape and not weight.grad.any()


def test_on_a_cpu_without_the_interpreter_it_says_so(monkeypatch):
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    with pytest.raises(RuntimeError, match="backend 'triton': features on a CUDA device expected, got cpu"):
        linear_soft_argmax_3d(torch.zeros(1, 2, 3, 4), torch.zeros(6, 2), None, 3, 'triton')


def test_images_beyond_offsets_of_32_bits_are_refused(monkeypatch):
    monkeypatch.setattr(kernels, 'can_run', lambda device: True)
    with pytest.raises(RuntimeError, match=r'fewer than 2\^31 elements an image'):
        kernels.linear_soft_argmax_triton(torch.empty(1, 2, 2**31, device='meta'), None, None, (), 1)


def test_in_a_compiled_function():
    arguments, _ = problem(1, 2, 3, 5, 4, 7, torch.float32)
    compiled = torch.compile(lambda *arguments: linear_soft_argmax_3d(*arguments, 2, 'triton') + 1, backend='eager')
    torch.testing.assert_close(compiled(*arguments), linear_soft_argmax_3d(*arguments, 2, 'reference') + 1)
