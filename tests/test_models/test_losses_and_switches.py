"""The losses and integrals that the paper did not choose, against closed forms."""
import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from mmpose_integral.models.losses import CoordinateL1Loss, CoordinateL2Loss, VolumeCrossEntropyLoss
from mmpose_integral.ops import argmax_3d, axis_grid, remove_background, soft_argmax_3d

B, K, D, H, W = 2, 5, 6, 16, 8
HEAD = dict(type='Integral3DHead', in_channels=7, num_joints=K, depth_bins=D, deconv_out_channels=(5, 4),
            deconv_kernel_sizes=(4, 4), decoder=dict(type='Integral3DLabel', input_size=(32, 64)))


def random_labels(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(B, K, 3, generator=generator) * 0.9, torch.ones(B, K, 3)


def gaussian_volume(label, sigma=1.0):
    """Normalised Gaussian around each label on the grid i / n, written out cell by cell in float64."""
    z, y, x = np.mgrid[:D, :H, :W]
    volume = np.exp(-((x - label[0] * W)**2 + (y - label[1] * H)**2 + (z - label[2] * D)**2) / (2 * sigma**2))
    return volume / volume.sum()


def test_l2_is_the_sum_of_weighted_squares_over_the_batch():
    rng = np.random.default_rng(0)
    output, target, weight = rng.random((B, K, 3)), rng.random((B, K, 3)), rng.integers(0, 2, (B, K, 3)) * 1.0
    loss = CoordinateL2Loss(loss_weight=3.0)(*map(torch.from_numpy, (output, target, weight)))
    assert loss.item() == pytest.approx(3 * ((output - target)**2 * weight).sum() / B)


def test_volume_loss_is_the_cross_entropy_with_a_gaussian():
    logits = torch.randn(B, K, D, H, W, dtype=torch.float64)
    labels, weights = random_labels()
    logs = torch.log_softmax(logits.flatten(2), -1).view_as(logits).numpy()
    expected = sum(-(gaussian_volume(labels[b, k].numpy(), 1.5) * logs[b, k]).sum()
                   for b in range(B) for k in range(K)) / B
    loss = VolumeCrossEntropyLoss(sigma=1.5, loss_weight=2.0)(logits, labels, weights)
    assert loss.item() == pytest.approx(2 * expected, rel=1e-6)


def test_volume_loss_without_depth_compares_the_volume_summed_over_depth():
    logits = torch.randn(B, K, D, H, W, dtype=torch.float64)
    labels, weights = random_labels()
    weights[:, :, 2] = 0
    labels[:, :, 2] = float('nan')
    summed = torch.softmax(logits.flatten(2), -1).view_as(logits).sum(2).log().numpy()
    expected = 0
    for b in range(B):
        for k in range(K):
            target = gaussian_volume([*labels[b, k, :2].tolist(), 0.5]).sum(0)
            expected -= (target * summed[b, k]).sum() / B
    assert VolumeCrossEntropyLoss()(logits, labels, weights).item() == pytest.approx(expected, rel=1e-6)


def test_volume_loss_leaves_out_joints_outside_and_unlabelled():
    logits = torch.randn(B, K, D, H, W, requires_grad=True)
    labels, weights = random_labels()
    labels[0, 1, 0], labels[1, 2, 2] = 1.3, -0.2
    weights[1, 4] = 0
    VolumeCrossEntropyLoss()(logits, labels, weights).backward()
    touched = logits.grad.abs().amax((2, 3, 4)) > 0
    expected = torch.ones(B, K, dtype=torch.bool)
    expected[0, 1] = expected[1, 2] = expected[1, 4] = False
    assert torch.equal(touched, expected)


def test_volume_loss_pulls_a_volume_onto_its_label():
    labels, weights = random_labels(3)
    logits = torch.zeros(B, K, D, H, W, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(150):
        optimizer.zero_grad()
        VolumeCrossEntropyLoss()(logits, labels, weights).backward()
        optimizer.step()
    cells = torch.tensor([W, H, D])
    assert ((argmax_3d(logits) - labels).abs() * cells).max() < 0.51


def test_argmax_names_the_largest_cell():
    logits = torch.zeros(1, 3, D, H, W)
    cells = [(5, 11, 7), (0, 0, 0), (2, 15, 3)]
    for k, (d, h, w) in enumerate(cells):
        logits[0, k, d, h, w] = 1
    expected = torch.stack([torch.stack([axis_grid(W)[w], axis_grid(H)[h], axis_grid(D)[d]]) for d, h, w in cells])
    assert torch.equal(argmax_3d(logits)[0], expected)


def test_without_background_a_blob_is_where_it_is():
    """A blob near a corner over a flat background: the plain integral is pulled inwards, the debiased one is not."""
    logits = torch.full((1, 1, D, H, W), -3.0, dtype=torch.float64)
    logits[0, 0, 1:3, 2:4, 1:3] = 2.0
    middle = torch.tensor([1.5 / W, 2.5 / H, 1.5 / D], dtype=torch.float64)
    background = logits.mean()
    debiased = soft_argmax_3d(remove_background(logits))[0, 0]
    torch.testing.assert_close(debiased, middle, atol=1e-4, rtol=0)
    plain = soft_argmax_3d(logits)[0, 0]
    assert (plain - middle).min() > 0.05
    # the closed form: (sum of all - background's share) / (total - background's total)
    excess = (logits - background).exp().clamp(min=1) - 1
    z, y, x = torch.meshgrid(*(axis_grid(n, dtype=torch.float64) for n in (D, H, W)), indexing='ij')
    expected = torch.stack([(excess[0, 0] * g).sum() for g in (x, y, z)]) / excess.sum()
    torch.testing.assert_close(debiased, expected, atol=1e-4, rtol=0)


def test_removing_background_does_not_depend_on_a_constant_and_has_gradients():
    logits = torch.randn(1, 2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(remove_background(logits + 7), remove_background(logits))

    def integral(volume):
        return soft_argmax_3d(remove_background(volume), 'reference')
    assert torch.autograd.gradcheck(integral, (logits, ))


@pytest.mark.parametrize(('switch', 'same'), [(dict(debias=True), False), (dict(peak=True), False), (dict(), True)])
def test_head_switches_change_the_coordinates_only(switch, same):
    torch.manual_seed(0)
    plain = MODELS.build(HEAD).eval()
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    other = MODELS.build(dict(HEAD, **switch)).eval()
    other.load_state_dict(plain.state_dict())
    feats = (torch.randn(B, 7, 4, 2),)
    volume = plain.logits(feats)
    expected = {'debias': soft_argmax_3d(remove_background(volume)), 'peak': argmax_3d(volume)}.get(
        next(iter(switch), None), soft_argmax_3d(volume))
    torch.testing.assert_close(other(feats), expected)
    assert torch.allclose(other(feats), plain(feats)) == same
    mean, std = other(feats, return_std=True)
    assert mean.shape == std.shape == (B, K, 3)


def test_regression_head_is_pooling_and_one_layer_and_starts_in_the_middle():
    head = MODELS.build(dict(type='Regression3DHead', in_channels=7, num_joints=K, decoder=HEAD['decoder']))
    head.init_weights()
    feats = (torch.randn(B, 7, 4, 2),)
    weight, bias = head.fc.weight, head.fc.bias
    expected = (feats[0].mean((2, 3)) @ weight.T + bias).view(B, K, 3)
    torch.testing.assert_close(head(feats), expected)
    assert (head(feats) - 0.5).abs().max() < 0.1
    assert isinstance(head.loss_module, CoordinateL1Loss)


def test_bad_sigma_is_named():
    with pytest.raises(ValueError, match='sigma.*0'):
        VolumeCrossEntropyLoss(sigma=0)
