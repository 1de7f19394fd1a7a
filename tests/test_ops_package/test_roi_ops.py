import math

import pytest
import torch
import torchvision
from mmcv.ops import RoIAlign, roi_align, roi_pool


def random_rois(count, batch_size, extent):
    """(count, 5): batch index and boxes inside [0, extent), px, float64."""
    generator = torch.Generator().manual_seed(3)
    start = torch.rand(count, 2, generator=generator, dtype=torch.float64) * extent * 0.6
    size = torch.rand(count, 2, generator=generator, dtype=torch.float64) * extent * 0.4 + 1
    return torch.cat([torch.randint(batch_size, (count, 1), generator=generator), start, start + size], dim=1)


def brute_force_roi_pool(feature, rois, bins, scale):
    """mmcv's definition, one cell at a time: x2 is the last pixel inside, corners are not rounded."""
    output = torch.zeros(len(rois), feature.shape[1], *bins, dtype=feature.dtype)
    for r, (index, x1, y1, x2, y2) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + 1) * scale, (y2 + 1) * scale
        if x2 <= x1 or y2 <= y1:
            continue
        for row in range(bins[0]):
            for column in range(bins[1]):
                top = max(0, math.floor(row * (y2 - y1) / bins[0] + y1))
                bottom = max(0, math.ceil((row + 1) * (y2 - y1) / bins[0] + y1))
                left = max(0, math.floor(column * (x2 - x1) / bins[1] + x1))
                right = max(0, math.ceil((column + 1) * (x2 - x1) / bins[1] + x1))
                cells = feature[int(index), :, top:bottom, left:right].flatten(1)
                if cells.shape[1]:
                    output[r, :, row, column] = cells.max(1).values
    return output


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling_ratio', [0, 2])
def test_roi_align_agrees_with_torchvision(aligned, sampling_ratio, device):
    feature = torch.randn(3, 4, 13, 17, device=device, requires_grad=True)
    rois = random_rois(5, 3, 50).float().to(device)
    ours = roi_align(feature, rois, (3, 5), 0.25, sampling_ratio, 'avg', aligned)
    theirs = torchvision.ops.roi_align(feature, rois, (3, 5), 0.25, sampling_ratio, aligned)
    torch.testing.assert_close(ours, theirs)
    gradient = torch.randn_like(ours)
    torch.testing.assert_close(torch.autograd.grad(ours, feature, gradient),
                               torch.autograd.grad(theirs, feature, gradient))


def test_roi_align_of_a_ramp_is_its_value_at_bin_centres():
    # A bilinear sample of a linear map is exact, so the mean over a bin is the map's value at the bin's centre.
    y, x = torch.meshgrid(torch.arange(9.), torch.arange(11.), indexing='ij')
    pooled = roi_align((10 * y + x)[None, None], torch.tensor([[0., 2, 1, 8, 7]]), (2, 3), 1.0, 2, 'avg', True)
    # Bins of 2 x 3 px from (2, 1); `aligned` puts the centre of cell i at i + 0.5.
    centre_x, centre_y = torch.tensor([3., 5, 7]) - 0.5, torch.tensor([2.5, 5.5]) - 0.5
    torch.testing.assert_close(pooled[0, 0], 10 * centre_y[:, None] + centre_x)


def test_roi_align_keeps_float32_boxes_with_half_features(device):
    feature = torch.randn(1, 2, 40, 40, device=device).half()
    rois = torch.tensor([[0, 1000.3, 900.7, 1200.9, 1100.1]], device=device)
    ours = roi_align(feature, rois, 4, 1 / 32, 2, 'avg', True)
    theirs = torchvision.ops.roi_align(feature.float(), rois, 4, 1 / 32, 2, True)
    assert ours.dtype == torch.float16
    torch.testing.assert_close(ours, theirs.half())


def test_roi_align_refuses_max():
    with pytest.raises(NotImplementedError, match="roi_align with pool_mode='max'.*compiled mmcv"):
        RoIAlign(2, pool_mode='max')(torch.zeros(1, 1, 4, 4), torch.tensor([[0., 0, 0, 2, 2]]))


@pytest.mark.parametrize('scale', [1.0, 0.25, 0.3])
def test_roi_pool_agrees_with_the_definition(scale, device):
    feature = torch.randn(2, 3, 12, 15, dtype=torch.float64)
    outside, inverted = [1, -9., -9, -5, -5], [0, 8., 3, 4, 1]
    rois = torch.cat([random_rois(6, 2, 12 / scale), torch.tensor([outside, inverted], dtype=torch.float64)])
    ours = roi_pool(feature.to(device), rois.to(device), (4, 3), scale)
    torch.testing.assert_close(ours.cpu(), brute_force_roi_pool(feature, rois, (4, 3), scale))


def test_roi_pool_gradient():
    # In a permutation, all cells differ by more than the step of gradcheck, so no maximum changes its place.
    feature = torch.randperm(2 * 2 * 5 * 6, generator=torch.Generator().manual_seed(1)).double()
    rois = torch.tensor([[0, 1, 1, 12, 9], [1, 0, 0, 19, 15], [1, -30, -30, -20, -20]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: roi_pool(x, rois, (2, 3), 0.25),
                                    feature.view(2, 2, 5, 6).requires_grad_())


@pytest.mark.parametrize('op', [roi_align, roi_pool])
def test_no_regions(op, device):
    feature = torch.randn(2, 3, 5, 6, device=device, requires_grad=True)
    pooled = op(feature, torch.zeros(0, 5, device=device), (2, 4), 0.5)
    assert pooled.shape == (0, 3, 2, 4)
    pooled.sum().backward()
    assert feature.grad.abs().sum() == 0
