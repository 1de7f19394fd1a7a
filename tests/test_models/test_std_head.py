"""Learned standard deviations: their loss, their layers beside the coordinates, and calibration by a checkpoint."""
import numpy as np
import pytest
import torch
from mmpose.registry import MODELS
from model_parts import HEAD, JOINTS, estimator, feature_maps, make_samples
from scipy import stats

from mmpose_integral.evaluation.functional.uncertainty import probability_within
from mmpose_integral.models.heads.coordinate_head import combine_std
from mmpose_integral.models.losses import std_loss
from mmpose_integral.structures.bone_length import PUBLISHED_SKELETON_LENGTHS, skeleton_length


def test_the_loss_is_the_likelihood_of_root_relative_errors():
    rng = np.random.default_rng(0)
    std, output, target = rng.uniform(0.1, 2, (4, 5, 3)), rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 5, 3))
    weight = np.ones((4, 5, 3))
    weight[1, 2], weight[2, 0, 2] = 0, 0  # an absent joint, and a person whose root has no depth
    error = output - target
    error[:, 1:] -= error[:, :1]
    expected = -stats.norm.logpdf(error, scale=std) - np.log(2 * np.pi) / 2
    used = weight.astype(bool) & weight[:, :1].astype(bool)
    target[1, 2] = np.nan
    tensors = [torch.tensor(values, requires_grad=True) for values in (std, output, target)]
    loss = std_loss(*tensors, torch.tensor(weight))
    assert loss.item() == pytest.approx(expected[used].mean())
    loss.backward()
    assert tensors[1].grad is None and tensors[0].grad.isfinite().all()
    assert (tensors[0].grad.numpy() != 0).tolist() == used.tolist()
    assert std_loss(*tensors, torch.zeros(4, 5, 3)).item() == 0


def test_its_minimum_is_the_root_mean_square_error():
    errors = torch.randn(4000, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.3
    log_std = torch.zeros(1, 1, 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_std], max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = std_loss(log_std.exp().expand(4000, 1, 3), errors, torch.zeros_like(errors), torch.ones_like(errors))
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(log_std.exp()[0, 0], errors.square().mean(0).sqrt()[0], rtol=1e-4, atol=0)


def test_the_layers_change_nothing_else():
    torch.manual_seed(0)
    plain, own = MODELS.build(HEAD), MODELS.build(dict(HEAD, std_channels=9))
    assert set(own.state_dict()) - set(plain.state_dict()) == {
        f'std_layers.{number}.{kind}' for number in (0, 2) for kind in ('weight', 'bias')}
    own.load_state_dict(plain.state_dict(), strict=False)
    feats, samples = feature_maps(3), make_samples(3)
    feats[0].requires_grad_()
    torch.testing.assert_close(own(feats), plain(feats), rtol=0, atol=0)
    mean, std = own(feats, return_std=True)
    assert std.shape == mean.shape == (3, JOINTS, 3) and (std > 0).all()
    gradients = []
    for head in (plain, own):
        feats[0].grad = None
        losses = head.loss(feats, samples)
        sum(value for name, value in losses.items() if 'loss' in name).backward()
        gradients.append((feats[0].grad, head.final_layer.weight.grad))
    torch.testing.assert_close(*gradients, rtol=0, atol=0)
    assert own.std_layers[0].weight.grad.abs().sum() > 0
    # The loss of a validation, which ends a training, is that of the coordinates.
    for head in (plain, own):
        losses = head.eval().loss(feats, samples)
        predicted = head.predict(feats, samples)[0].loss
        assert predicted == pytest.approx(losses['loss_kpt'].item()) and ('loss_std' in losses) == (head is own)


def test_two_predictions_are_combined_as_a_mixture():
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=(2, 3, 5, 3)), rng.uniform(0.2, 2, (2, 3, 5, 3))
    drawn = rng.normal(mean[:, None], std[:, None], (2, 40_000, 3, 5, 3)).reshape(-1, 3, 5, 3)
    combined = combine_std(torch.tensor(std), torch.tensor(mean)).numpy()
    np.testing.assert_allclose(combined, drawn.std(axis=0), rtol=0.02)


def test_a_calibrated_checkpoint_gives_probabilities():
    torch.manual_seed(0)
    model = MODELS.build(estimator(dict(HEAD, std_channels=9))).eval()
    for parameter in model.head.final_layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    factors = np.random.default_rng(0).uniform(0.2, 3, (18, 3))
    crops, answers = torch.randn(2, 3, 64, 32), []
    for meta in ({}, dict(std_factors=factors.tolist())):
        model.dataset_meta = meta
        with torch.no_grad():
            answers.append([sample.pred_instances for sample in model.predict(crops, make_samples(2))])
    for raw, own in zip(*answers, strict=True):
        np.testing.assert_allclose(own.keypoint_std, raw.keypoint_std * factors, rtol=1e-6)
        np.testing.assert_array_equal(own.keypoints, raw.keypoints)
        mm_per_px = PUBLISHED_SKELETON_LENGTHS['train+val'] / skeleton_length(own.keypoints)
        np.testing.assert_allclose(own.keypoint_scores, probability_within(own.keypoint_std * mm_per_px[:, None, None]))
        assert not np.allclose(own.keypoint_scores, raw.keypoint_scores)
