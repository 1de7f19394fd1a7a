"""The losses and the operations on volumes that the paper did not choose, against closed forms."""
import numpy as np
import pytest
import torch

from mmpose_integral.models.losses import CoordinateL1Loss, CoordinateL2Loss, VolumeCrossEntropyLoss
from mmpose_integral.ops import argmax_3d, axis_grid, remove_background, soft_argmax_3d

B, K, D, H, W = 2, 5, 6, 16, 8


@pytest.fixture
def labels():
    return torch.rand(B, K, 3, generator=torch.Generator().manual_seed(0)) * 0.9


def gaussian_volume(label, sigma=1.0):
    """Normalised Gaussian around a label on the grid i / n, computed cell by cell in float64."""
    z, y, x = np.mgrid[:D, :H, :W]
    volume = np.exp(-((x - label[0] * W)**2 + (y - label[1] * H)**2 + (z - label[2] * D)**2) / (2 * sigma**2))
    return volume / volume.sum()


@pytest.mark.parametrize(('loss', 'error'), [(CoordinateL1Loss, np.abs), (CoordinateL2Loss, np.square)])
def test_coordinate_loss_is_the_weighted_sum_over_the_batch_size(loss, error):
    rng = np.random.default_rng(0)
    output, target, weight = rng.random((B, K, 3)), rng.random((B, K, 3)), rng.integers(0, 2, (B, K, 3)) * 1.5
    found = loss(loss_weight=2.0)(*map(torch.from_numpy, (output, target, weight)))
    assert found.item() == pytest.approx(2 * (error(output - target) * weight).sum() / B)


def test_masked_coordinates_get_no_gradient_for_any_label():
    output = torch.rand(2, 4, 3, requires_grad=True)
    target, weight = torch.rand(2, 4, 3), torch.ones(2, 4, 3)
    weight[:, :, 2] = weight[1, 3] = 0
    target[:, :, 2] = float('nan')
    CoordinateL1Loss()(output, target, weight).backward()
    assert torch.equal(output.grad != 0, weight > 0)


@pytest.mark.parametrize('with_depth', [True, False])
def test_volume_loss_is_the_cross_entropy_with_a_gaussian(labels, with_depth):
    """For a joint without depth, target and softmax are summed over depth."""
    logits, weights = torch.randn(B, K, D, H, W, dtype=torch.float64), torch.ones(B, K, 3)
    targets = np.stack([[gaussian_volume(label, 1.5) for label in one] for one in labels.double().numpy()])
    softmax = torch.softmax(logits.flatten(2), -1).view_as(logits).numpy()
    if not with_depth:
        weights[..., 2], labels[..., 2] = 0, float('nan')
        targets, softmax = targets.sum(2), softmax.sum(2)
    loss = VolumeCrossEntropyLoss(sigma=1.5, loss_weight=2.0)(logits, labels, weights)
    assert loss.item() == pytest.approx(-2 * (targets * np.log(softmax)).sum() / B, rel=1e-6)


def test_volume_loss_leaves_out_joints_outside_and_unlabelled(labels):
    logits, weights = torch.randn(B, K, D, H, W, requires_grad=True), torch.ones(B, K, 3)
    labels[0, 1, 0], labels[1, 2, 2] = 1.3, -0.2
    weights[1, 4] = 0
    VolumeCrossEntropyLoss()(logits, labels, weights).backward()
    expected = torch.ones(B, K, dtype=torch.bool)
    expected[0, 1] = expected[1, 2] = expected[1, 4] = False
    assert torch.equal(logits.grad.abs().amax((2, 3, 4)) > 0, expected)


def test_bad_arguments_of_losses_are_named():
    with pytest.raises(ValueError, match='sigma.*0'):
        VolumeCrossEntropyLoss(sigma=0)
    with pytest.raises(ValueError, match=r'\(2, 4\)'):
        CoordinateL1Loss()(torch.rand(2, 4, 3), torch.rand(2, 4, 3), torch.ones(2, 4))


def test_argmax_is_the_largest_cell():
    logits, cells = torch.zeros(1, 3, D, H, W), [(5, 11, 7), (0, 0, 0), (2, 15, 3)]
    for k, cell in enumerate(cells):
        logits[(0, k, *cell)] = 1
    expected = [[w / W, h / H, d / D] for d, h, w in cells]
    torch.testing.assert_close(argmax_3d(logits)[0], torch.tensor(expected))


def test_without_background_a_blob_is_where_it_is():
    """A blob near a corner over a flat background: the plain integral is pulled inwards, the debiased one is not."""
    logits = torch.full((1, 1, D, H, W), -3.0, dtype=torch.float64)
    logits[0, 0, 1:3, 2:4, 1:3] = 2.0
    middle = torch.tensor([1.5 / W, 2.5 / H, 1.5 / D], dtype=torch.float64)
    debiased = soft_argmax_3d(remove_background(logits))[0, 0]
    torch.testing.assert_close(debiased, middle, atol=1e-4, rtol=0)
    assert (soft_argmax_3d(logits)[0, 0] - middle).min() > 0.05
    # the closed form: (sum of all - background's share) / (total - background's total)
    excess = (logits - logits.mean()).exp().clamp(min=1) - 1
    z, y, x = torch.meshgrid(*(axis_grid(n, dtype=torch.float64) for n in (D, H, W)), indexing='ij')
    expected = torch.stack([(excess[0, 0] * g).sum() for g in (x, y, z)]) / excess.sum()
    torch.testing.assert_close(debiased, expected, atol=1e-4, rtol=0)


def test_removing_background_does_not_depend_on_a_constant_and_has_gradients():
    logits = torch.randn(1, 2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(remove_background(logits + 7), remove_background(logits))
    assert torch.autograd.gradcheck(lambda volume: soft_argmax_3d(remove_background(volume), 'reference'), logits)
