import pytest
import torch
import torch.nn.functional as F
import torchvision
from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack, deform_conv2d, modulated_deform_conv2d


@pytest.mark.parametrize('stride, padding, dilation, groups, deform_groups', [
    ((1, 1), (1, 1), (1, 1), 1, 1), ((2, 1), (0, 2), (1, 2), 2, 1), ((1, 2), (2, 1), (2, 1), 1, 2)])
@pytest.mark.parametrize('modulated, with_bias', [(False, False), (True, False), (True, True)])
def test_agrees_with_torchvision(stride, padding, dilation, groups, deform_groups, modulated, with_bias, device):
    """Value and all gradients of a 3 x 2 kernel with 4 channels in and 6 out."""
    torch.manual_seed(0)
    height = (6 + 2 * padding[0] - 2 * dilation[0] - 1) // stride[0] + 1
    width = (7 + 2 * padding[1] - dilation[1] - 1) // stride[1] + 1
    shapes = [(2, 4, 6, 7), (2, deform_groups * 2 * 6, height, width), (6, 4 // groups, 3, 2),
              (2, deform_groups * 6, height, width), (6, )]
    x, offset, weight, mask, bias = leaves = [
        torch.randn(shape, device=device, dtype=torch.float64, requires_grad=True) for shape in shapes]
    if modulated:
        ours = modulated_deform_conv2d(x, offset, mask, weight, bias if with_bias else None, stride, padding, dilation,
                                       groups, deform_groups)
    else:
        ours = deform_conv2d(x, offset, weight, stride, padding, dilation, groups, deform_groups)
    theirs = torchvision.ops.deform_conv2d(x, offset, weight, bias if with_bias else None, stride, padding, dilation,
                                           mask if modulated else None)
    torch.testing.assert_close(ours, theirs)
    leaves = leaves[:3 + modulated + with_bias]
    gradient = torch.randn_like(ours)
    torch.testing.assert_close(torch.autograd.grad(ours, leaves, gradient),
                               torch.autograd.grad(theirs, leaves, gradient))


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


@pytest.mark.parametrize('layer_type', [DeformConv2dPack, ModulatedDeformConv2dPack])
def test_layers_train(layer_type, device):
    """The input needs no gradient here, only the parameters do."""
    layer = layer_type(4, 6, kernel_size=3, padding=1).to(device)
    layer(torch.randn(2, 4, 5, 7, device=device)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in layer.parameters())
