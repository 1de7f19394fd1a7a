"""Bone lengths, px to mm, alignments and the whole evaluation against float64 loops, scipy and mmpose's functions."""
import numpy as np
import pytest
from mmpose.evaluation.functional import keypoint_mpjpe
from scipy.spatial.transform import Rotation

from mmpose_integral.evaluation.functional import auc, evaluate_h80k, mpjpe, pck, px_to_mm
from mmpose_integral.evaluation.functional.mpjpe import nearest_rotation, procrustes
from mmpose_integral.structures.bone_length import mean_skeleton_length, rescale_to_bone_length, skeleton_length
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
    assert skeleton_length(gt[0]).shape == () and skeleton_length(gt.astype(np.float32)).dtype == np.float64


def test_mean_length_of_two_splits_is_over_the_frames_of_both():
    (_, train), (_, val) = make_poses(5), make_poses(2, seed=1)
    expected = np.mean([loop_length(pose) for pose in [*train, *val]])
    assert mean_skeleton_length(train, val) == pytest.approx(expected)
    assert mean_skeleton_length(train) != pytest.approx(expected)
    with pytest.raises(ValueError, match='at least one frame'):
        mean_skeleton_length(train[:0])
    with pytest.raises(ValueError, match='first at index 1'):
        mean_skeleton_length(train * np.array([1, 0, 1, 1, 1])[:, None, None])


def test_px_become_mm_of_the_wanted_length_with_the_root_at_the_origin():
    pred, gt = make_poses(5)
    target = np.array([4000.0, 4500, 5000, 3900, 4200])
    poses, mm_per_px = px_to_mm(pred, target)
    np.testing.assert_allclose([loop_length(pose) for pose in poses], target)
    np.testing.assert_array_equal(poses[:, 0], 0)
    np.testing.assert_array_equal(poses, rescale_to_bone_length(pred, target))
    np.testing.assert_allclose(poses, (pred - pred[:, :1]) * mm_per_px[:, None, None])
    single = px_to_mm(pred[3], 3900)
    np.testing.assert_allclose(single.keypoints, poses[3])
    assert single.mm_per_px == pytest.approx(mm_per_px[3])
    known = px_to_mm(gt * 0.3 + 500, [loop_length(pose) for pose in gt])
    np.testing.assert_allclose(known.keypoints, gt, atol=1e-9)
    np.testing.assert_allclose(known.mm_per_px, 1 / 0.3)
    assert px_to_mm(pred[:0], target[:0]).keypoints.shape == (0, 18, 3)


def test_px_of_perspective_labels_become_the_true_mm():
    _, gt = make_poses(5)
    gt = gt - gt[:, :1]
    roots, focal, centre = np.array([300.0, -200, 4000]) + 50 * np.arange(15).reshape(5, 3), 1100.0, [480, 300]
    points = gt + roots[:, None]
    xy, z = focal * points[..., :2] / points[..., 2:] + centre, focal * gt[..., 2:] / roots[:, None, 2:]
    px = np.concatenate([xy, z], axis=-1)
    lengths, intrinsics = np.array([loop_length(pose) for pose in gt]), np.tile([focal, *centre], (5, 1))
    poses, mm_per_px = px_to_mm(px, lengths, intrinsics)
    np.testing.assert_allclose(poses, gt, atol=1e-8)
    np.testing.assert_allclose(mm_per_px, roots[:, 2] / focal)
    right, wrong = (evaluate_h80k(px, gt, {'own': 'per-frame'}, values) for values in (intrinsics, None))
    assert right.mpjpe['own'] == pytest.approx(0, abs=1e-6) and wrong.mpjpe['own'] > 5
    np.testing.assert_allclose(right.pred_mm, gt, atol=1e-6)


@pytest.mark.parametrize('convert', [rescale_to_bone_length, px_to_mm])
@pytest.mark.parametrize('spoil', [np.nan, np.inf, 0.0])
def test_a_pose_without_length_is_named(convert, spoil):
    pred, _ = make_poses(4)
    pred[2] = spoil
    with pytest.raises(ValueError, match='index 2'):
        convert(pred, 4500)
    with pytest.raises(ValueError, match=r'index \(1, 0\)'):
        convert(pred.reshape(2, 2, 18, 3), 4500)


def test_rescaling_refuses_wrong_joints_and_targets():
    pred, _ = make_poses(4)
    for poses, target, match in ((pred[:, :17], 4500, 'add_thorax'), (pred, np.nan, 'target_mm.*nan'),
                                 (pred, [4500, -1, 4500, 4500], 'target_mm.*index 1')):
        with pytest.raises(ValueError, match=match):
            rescale_to_bone_length(poses, target)


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
    pred = pred @ np.swapaxes(Rotation.random(12, random_state=0).as_matrix(), -1, -2)
    pred[5] *= [1, 1, -1]
    expected = np.array([loop_align(p, g, align == 'similarity') for p, g in zip(pred, gt, strict=True)])
    rotated, centred, scale = procrustes(pred, gt)
    factor = scale[:, None, None] if align == 'similarity' else 1
    np.testing.assert_allclose(rotated * factor + gt.mean(axis=1, keepdims=True), expected, atol=1e-6)
    np.testing.assert_allclose(centred, gt - gt.mean(axis=1, keepdims=True), atol=1e-6)
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
    assert np.isfinite(rotated).all() and np.isfinite(scale).all() and (scale > 0).all() == any(flatten)
    np.testing.assert_allclose(np.linalg.norm(rotated, axis=-1),
                               np.linalg.norm(pred - pred.mean(axis=1, keepdims=True), axis=-1), atol=1e-6)
    np.testing.assert_allclose(mpjpe(gt * flatten, gt * flatten, 'rigid'), 0, atol=1e-6)


@pytest.mark.parametrize('strengths', [
    (1, 1, 1), (3e6, 2e5, 4e4), (1, 1e-4, 1e-5), (2e-9, 1e-9, 1e-10), (1, .5, -.1), (1, .5, -.499), (1, .3, 0)])
def test_known_rotations_are_found_also_for_mirrored_and_flat_poses(strengths):
    u, v = Rotation.random(48, random_state=0).as_matrix().reshape(2, 24, 3, 3)
    found = nearest_rotation((u * strengths @ np.swapaxes(v, -1, -2)).reshape(2, 3, 4, 3, 3))
    np.testing.assert_allclose(found.reshape(24, 3, 3), u @ np.swapaxes(v, -1, -2), atol=1e-9)


def test_mpjpe_refuses_what_it_cannot_compare():
    pred, gt = make_poses(4)
    broken = gt.copy()
    broken[3, 5, 1] = np.nan
    for truth, align, match in ((gt, 'affine', 'align: one of'), (gt[:3], 'none', 'equal shapes'),
                                (broken, 'none', r'gt: 1 pose.*\(3,\)')):
        with pytest.raises(ValueError, match=match):
            mpjpe(pred, truth, align)


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
    assert (result.rigid, result.similarity) == pytest.approx((np.mean(rigid), np.mean(similarity)), rel=1e-5)
    np.testing.assert_allclose(result.per_joint, np.mean(by_choice['train'], axis=0), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(result.per_axis, np.mean(axes, axis=(0, 1)), rtol=1e-4)
    np.testing.assert_allclose(result.errors, by_choice['train'], rtol=1e-3, atol=1e-3)
    assert result.pck == pytest.approx(pck(result.errors)) and result.auc == pytest.approx(auc(result.errors))
    np.testing.assert_allclose(skeleton_length(result.pred_mm), 4400)
    perfect = evaluate_h80k(gt * 0.25 + 400, gt, {'per-frame': 'per-frame'})
    assert max(perfect.mpjpe['per-frame'], perfect.rigid, perfect.similarity) < 1e-9 and perfect.pck == 100


def test_evaluation_refuses_bad_input():
    pred, gt = make_poses(4)
    flat, broken = gt.copy(), pred.copy()
    flat[2], broken[1, 4] = 0, np.nan
    for poses, truth, lengths, match in (
            (pred[:0], gt[:0], {'a': 4500}, 'N > 0'), (pred, gt, {}, 'at least one choice'),
            (pred, gt, {'train': 'trian'}, r"bone_lengths\['train'\].*'trian'"), (pred, gt, {'a': -1.0}, 'got -1'),
            (pred, flat, {'a': 4500}, 'gt_mm: 1 of 4.*row 2'), (broken, gt, {'a': 4500}, 'first at index 1')):
        with pytest.raises(ValueError, match=match):
            evaluate_h80k(poses, truth, lengths)
