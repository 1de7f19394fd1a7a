"""Bone lengths, alignments and the whole evaluation against float64 loops and mmpose's own functions."""
import numpy as np
import pytest
from mmpose.evaluation.functional import keypoint_mpjpe
from scipy.spatial.transform import Rotation

from mmpose_integral.evaluation.functional import (
    align_poses,
    auc,
    evaluate_h80k,
    mean_skeleton_length,
    mpjpe,
    pck,
    rescale_to_bone_length,
    skeleton_length,
)
from mmpose_integral.evaluation.functional.mpjpe import procrustes
from mmpose_integral.structures.skeleton import PARENTS


def make_poses(count, seed=0, error=60.0):
    """True poses (mm, root at 0) and erroneous predictions of them in px of changing size, root anywhere."""
    rng = np.random.default_rng(seed)
    gt = rng.normal(0, (150, 350, 150), (count, 18, 3))
    gt -= gt[:, :1]
    scale = rng.uniform(0.1, 0.5, (count, 1, 1))
    pred = (gt + rng.normal(0, error, gt.shape)) * scale + rng.uniform(100, 900, (count, 1, 3))
    return pred, gt


def loop_length(pose):
    return sum(np.linalg.norm(pose[joint] - pose[parent]) for joint, parent in enumerate(PARENTS) if joint != parent)


def loop_errors(pred, gt):
    return np.array([np.linalg.norm(p - g) for p, g in zip(pred, gt, strict=True)])


def loop_align(pred, gt, with_scale):
    """One pose by scipy's rotation estimate, an implementation independent of ours."""
    p, g = pred - pred.mean(axis=0), gt - gt.mean(axis=0)
    rotation, _ = Rotation.align_vectors(g, p)
    p = rotation.apply(p)
    return p * ((p * g).sum() / (p * p).sum() if with_scale else 1.0) + gt.mean(axis=0)


def test_skeleton_length_equals_a_loop_and_keeps_batch_shape():
    _, gt = make_poses(6)
    expected = np.array([loop_length(pose) for pose in gt])
    np.testing.assert_allclose(skeleton_length(gt), expected)
    np.testing.assert_allclose(skeleton_length(gt.reshape(2, 3, 18, 3) + 77), expected.reshape(2, 3))
    assert skeleton_length(gt[0]).shape == ()
    assert skeleton_length(gt.astype(np.float32)).dtype == np.float64


def test_mean_length_of_two_splits_is_over_the_frames_of_both():
    _, train = make_poses(5)
    _, val = make_poses(2, seed=1)
    expected = np.mean([loop_length(pose) for pose in [*train, *val]])
    assert mean_skeleton_length(train, val) == pytest.approx(expected)
    assert mean_skeleton_length(train) != pytest.approx(expected)
    with pytest.raises(ValueError, match='at least one frame'):
        mean_skeleton_length(train[:0])
    with pytest.raises(ValueError, match='first at index 1'):
        mean_skeleton_length(train * np.array([1, 0, 1, 1, 1])[:, None, None])


def test_rescaling_gives_the_wanted_length_and_a_root_at_the_origin():
    pred, gt = make_poses(5)
    target = np.array([4000.0, 4500, 5000, 3900, 4200])
    mm = rescale_to_bone_length(pred, target)
    np.testing.assert_allclose(skeleton_length(mm), target)
    np.testing.assert_array_equal(mm[:, 0], 0)
    np.testing.assert_allclose(rescale_to_bone_length(gt * 0.3 + 500, loop_length(gt[2]))[2], gt[2], atol=1e-9)
    np.testing.assert_allclose(rescale_to_bone_length(pred[3], 3900), mm[3])


@pytest.mark.parametrize('spoil, match', [(np.nan, 'index 2'), (np.inf, 'index 2'), (0.0, 'index 2')])
def test_rescaling_names_the_pose_that_has_no_length(spoil, match):
    pred, _ = make_poses(4)
    pred[2] = spoil
    with pytest.raises(ValueError, match=match):
        rescale_to_bone_length(pred, 4500)
    with pytest.raises(ValueError, match=r'index \(1, 0\)'):
        rescale_to_bone_length(pred.reshape(2, 2, 18, 3), 4500)


def test_rescaling_refuses_wrong_joints_and_targets():
    pred, _ = make_poses(4)
    with pytest.raises(ValueError, match='add_thorax'):
        rescale_to_bone_length(pred[:, :17], 4500)
    with pytest.raises(ValueError, match='target_mm.*index 1'):
        rescale_to_bone_length(pred, [4500, -1, 4500, 4500])
    with pytest.raises(ValueError, match='target_mm.*nan'):
        rescale_to_bone_length(pred, np.nan)


@pytest.mark.parametrize('align, theirs', [('none', 'none'), ('scale', 'scale'), ('similarity', 'procrustes')])
def test_errors_equal_mmpose(align, theirs):
    pred, gt = make_poses(9)
    pred[4] *= [-1, 1, 1]  # a mirrored pose must stay mirrored
    errors = mpjpe(pred, gt, align, joints=range(18))
    assert errors.shape == (9, 18)
    assert errors.mean() == pytest.approx(keypoint_mpjpe(pred.copy(), gt, np.ones((9, 18), bool), theirs))


@pytest.mark.parametrize('align', ['rigid', 'similarity'])
def test_alignment_equals_scipy_frame_by_frame(align):
    pred, gt = make_poses(12, seed=2)
    rotation = Rotation.random(12, random_state=0).as_matrix()
    pred = pred @ np.swapaxes(rotation, -1, -2)
    pred[5] *= [1, 1, -1]
    expected = np.array([loop_align(p, g, align == 'similarity') for p, g in zip(pred, gt, strict=True)])
    np.testing.assert_allclose(align_poses(pred, gt, align), expected, atol=1e-6)
    np.testing.assert_allclose(
        mpjpe(pred.reshape(3, 4, 18, 3), gt.reshape(3, 4, 18, 3), align, joints=[3, 0, 16])[2, 1],
        loop_errors(expected[9], gt[9])[[3, 0, 16]], atol=1e-6)


def test_default_joints_are_17_but_alignment_uses_18():
    pred, gt = make_poses(3)
    errors = mpjpe(pred, gt, 'rigid')
    assert errors.shape == (3, 17)
    np.testing.assert_allclose(errors, mpjpe(pred, gt, 'rigid', joints=range(18))[:, :17])
    assert not np.allclose(errors, mpjpe(pred[:, :17], gt[:, :17], 'rigid'))


@pytest.mark.parametrize('flatten', [[1, 1, 0], [1, 0, 0], [0, 0, 0]])
def test_flat_poses_are_aligned_without_reflection_or_nan(flatten):
    _, gt = make_poses(8)
    pred = gt[:, :, [1, 2, 0]] * flatten
    rotated, _, scale = procrustes(pred, gt)
    assert np.isfinite(rotated).all() and np.isfinite(scale).all()
    np.testing.assert_allclose(np.linalg.norm(rotated, axis=-1),
                               np.linalg.norm(pred - pred.mean(axis=1, keepdims=True), axis=-1), atol=1e-6)
    own = align_poses(gt * flatten, gt * flatten, 'rigid')
    np.testing.assert_allclose(own, gt * flatten, atol=1e-6)


def test_mpjpe_refuses_what_it_cannot_compare():
    pred, gt = make_poses(4)
    with pytest.raises(ValueError, match='align: one of'):
        mpjpe(pred, gt, 'affine')
    with pytest.raises(ValueError, match='equal shapes'):
        mpjpe(pred, gt[:3])
    gt[3, 5, 1] = np.nan
    with pytest.raises(ValueError, match=r'gt: 1 pose.*\(3,\)'):
        mpjpe(pred, gt)


def test_pck_and_auc_equal_a_loop_with_strict_thresholds():
    errors = np.concatenate([np.random.default_rng(0).gamma(2, 60, 500), [0, 5, 150, 150, 149.999]])
    assert pck(errors) == pytest.approx(100 * np.mean([error < 150 for error in errors]))
    expected = np.mean([100 * np.mean([error < limit for error in errors]) for limit in np.linspace(0, 150, 31)])
    assert auc(errors) == pytest.approx(expected)
    assert pck(np.zeros(3)) == 100 and auc(np.zeros(3)) == pytest.approx(100 * 30 / 31)
    with pytest.raises(ValueError, match='at least one'):
        pck([])


def test_whole_evaluation_equals_a_frame_loop():
    pred, gt = make_poses(13)
    shifted = (gt + 31).astype(np.float32)  # the root need not be at the origin
    result = evaluate_h80k(pred.astype(np.float32), shifted, {'train': 4400.0, 'own': 'per-frame', '5000': 5000})
    by_choice = {'train': [], 'own': [], '5000': []}
    rigid, similarity, axes = [], [], []
    for p, g in zip(pred, gt, strict=True):
        p = (p - p[0]) / loop_length(p)
        for name, length in (('train', 4400.0), ('own', loop_length(g)), ('5000', 5000.0)):
            by_choice[name].append(loop_errors(p * length, g)[:17])
        rigid.append(loop_errors(loop_align(p * 4400, g, False), g)[:17])
        similarity.append(loop_errors(loop_align(p * 4400, g, True), g)[:17])
        axes.append(np.abs(p * 4400 - g)[:17])
    assert list(result.mpjpe) == ['train', 'own', '5000']
    for name, errors in by_choice.items():
        assert result.mpjpe[name] == pytest.approx(np.mean(errors), rel=1e-5)
    assert result.rigid == pytest.approx(np.mean(rigid), rel=1e-5)
    assert result.similarity == pytest.approx(np.mean(similarity), rel=1e-5)
    np.testing.assert_allclose(result.per_joint, np.mean(by_choice['train'], axis=0), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(result.per_axis, np.mean(axes, axis=(0, 1)), rtol=1e-4)
    np.testing.assert_allclose(result.errors, by_choice['train'], rtol=1e-3, atol=1e-3)
    assert result.pck == pytest.approx(pck(result.errors)) and result.auc == pytest.approx(auc(result.errors))
    np.testing.assert_allclose(skeleton_length(result.pred_mm), 4400)


def test_perfect_predictions_have_no_error():
    _, gt = make_poses(4)
    result = evaluate_h80k(gt * 0.25 + 400, gt, {'per-frame': 'per-frame'})
    assert result.mpjpe['per-frame'] < 1e-9 and result.rigid < 1e-9 and result.similarity < 1e-9
    assert result.pck == 100 and result.per_joint[0] == 0


def test_evaluation_refuses_bad_input():
    pred, gt = make_poses(4)
    with pytest.raises(ValueError, match='N > 0'):
        evaluate_h80k(pred[:0], gt[:0], {'train': 4500})
    with pytest.raises(ValueError, match='at least one choice'):
        evaluate_h80k(pred, gt, {})
    with pytest.raises(ValueError, match=r"bone_lengths\['train'\].*'trian'"):
        evaluate_h80k(pred, gt, {'train': 'trian'})
    with pytest.raises(ValueError, match='gt_mm: 1 of 4.*row 2'):
        evaluate_h80k(pred, gt * np.array([1, 1, 0, 1])[:, None, None], {'train': 4500})
    pred[1, 4] = np.nan
    with pytest.raises(ValueError, match='first at index 1'):
        evaluate_h80k(pred, gt, {'train': 4500})
