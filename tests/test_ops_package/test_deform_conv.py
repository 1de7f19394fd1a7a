import pytest
import torch
import torch.nn.functional as F
import torchvision
from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack, deform_conv2d, modulated_deform_conv2d

# stride, padding, dilation (y, x), groups, deform groups
SETTINGS = [((1, 1), (1, 1), (1, 1), 1, 1), ((2, 1), (0, 2), (1, 2), 2, 1), ((1, 2), (2, 1), (2, 1), 1, 2)]


def make_inputs(settings, device, dtype=torch.float64):
    """Input, offset, mask, weight, bias for a 3 x 2 kernel with 4 channels in and 6 out."""
    stride, padding, dilation, groups, deform_groups = settings
    torch.manual_seed(0)
    height, width = 6, 7
    out_height = (height + 2 * padding[0] - 2 * dilation[0] - 1) // stride[0] + 1
    out_width = (width + 2 * padding[1] - dilation[1] - 1) // stride[1] + 1
    shapes = [(2, 4, height, width), (2, deform_groups * 2 * 6, out_height, out_width),
              (2, deform_groups * 6, out_height, out_width), (6, 4 // groups, 3, 2), (6,)]
    return [torch.randn(shape, device=device, dtype=dtype, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize('settings', SETTINGS)
def test_deform_conv_agrees_with_torchvision(settings, device):
    x, offset, _, weight, _ = make_inputs(settings, device)
    stride, padding, dilation, groups, deform_groups = settings
    ours = deform_conv2d(x, offset, weight, stride, padding, dilation, groups, deform_groups)
    theirs = torchvision.ops.deform_conv2d(x, offset, weight, None, stride, padding, dilation)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn_like(ours)
    torch.testing.assert_close(torch.autograd.grad((ours * weights).sum(), [x, offset, weight]),
                               torch.autograd.grad((theirs * weights).sum(), [x, offset, weight]))


@pytest.mark.parametrize('settings', SETTINGS)
@pytest.mark.parametrize('with_bias', [True, False])
def test_modulated_deform_conv_agrees_with_torchvision(settings, with_bias, device):
    x, offset, mask, weight, bias = make_inputs(settings, device)
    stride, padding, dilation, groups, deform_groups = settings
    bias = bias if with_bias else None
    ours = modulated_deform_conv2d(x, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups)
    theirs = torchvision.ops.deform_conv2d(x, offset, weight, bias, stride, padding, dilation, mask)
    torch.testing.assert_close(ours, theirs)
    leaves = [x, offset, mask, weight] + ([bias] if with_bias else [])
    weights = torch.randn_like(ours)
    torch.testing.assert_close(torch.autograd.grad((ours * weights).sum(), leaves),
                               torch.autograd.grad((theirs * weights).sum(), leaves))


def test_gradients():
    x, offset, mask, weight, bias = make_inputs(SETTINGS[1], 'cpu')
    stride, padding, dilation, groups, deform_groups = SETTINGS[1]
    assert torch.autograd.gradcheck(
        lambda x, offset, weight: deform_conv2d(x, offset, weight, stride, padding, dilation, groups, deform_groups),
        (x, offset, weight), fast_mode=True)
    assert torch.autograd.gradcheck(
        lambda *leaves: modulated_deform_conv2d(*leaves, stride, padding, dilation, groups, deform_groups),
        (x, offset, mask, weight, bias), fast_mode=True)


def test_whole_offsets_shift_a_plain_convolution(device):
    x = torch.randn(2, 3, 8, 9, device=device)
    weight = torch.randn(5, 3, 3, 3, device=device)
    offset = torch.zeros(2, 18, 8, 9, device=device)
    torch.testing.assert_close(deform_conv2d(x, offset, weight, 1, 1), F.conv2d(x, weight, padding=1))
    offset[:, 0::2], offset[:, 1::2] = 1, -2  # one cell down, two to the left
    shifted = F.pad(x, (2, -2, -1, 1))
    inside = (slice(None), slice(None), slice(1, 6), slice(3, 8))
    torch.testing.assert_close(deform_conv2d(x, offset, weight, 1, 1)[inside],
                               F.conv2d(shifted, weight, padding=1)[inside])


def test_only_asked_gradients_are_needed():
    x, offset, _, weight, _ = make_inputs(SETTINGS[0], 'cpu')
    deform_conv2d(x.detach(), offset.detach(), weight, 1, 1).sum().backward()
    assert weight.grad is not None and x.grad is None


@pytest.mark.parametrize('layer_type', [DeformConv2dPack, ModulatedDeformConv2dPack])
def test_layers_train(layer_type, device):
    layer = layer_type(4, 6, kernel_size=3, padding=1).to(device)
    layer(torch.randn(2, 4, 5, 7, device=device)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in layer.parameters())
