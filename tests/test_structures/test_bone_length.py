"""The bone length of a person: its sources, its limits, and poses whose depth has another unit."""
import numpy as np
import pytest
from scipy.optimize import brentq

from mmpose_integral.structures.bone_length import (
    check_bone_length,
    mm_per_px_of_depth,
    resolve_bone_length,
    scale_to_bone_length,
    skeleton_length,
    skeleton_length_from_height,
)


@pytest.mark.parametrize(('sources', 'length'), [
    ({}, 4502.881), (dict(dataset_meta={}), 4502.881), (dict(body_height=1709), 2.62 * 1709),
    (dict(bone_length=4000, body_height=1800), 4000),
    (dict(dataset_meta=dict(skeleton_length={'train': 4400, 'train+val': 4450})), 4450),
    (dict(dataset_meta=dict(skeleton_length={'train': 4400})), 4400),
    (dict(bone_length=4300, dataset_meta=dict(skeleton_length={'train': 4400})), 4300)])
def test_the_first_source_that_is_given_decides(sources, length):
    found = resolve_bone_length(**sources)
    assert found == pytest.approx(length, rel=1e-12) and isinstance(found, float)


@pytest.mark.parametrize(('check', 'low', 'high', 'message'), [
    (lambda value: check_bone_length(value, 'name'), 500, 20000, r'^name: mm expected, 500 to 20000 .*, got '),
    (skeleton_length_from_height, 500, 2500, '^body height: mm expected, 500 to 2500, got ')])
def test_limits_belong_to_the_range(check, low, high, message):
    check(low), check(high)
    for value in (low - 0.5, high + 0.5, np.nan, -1700):
        with pytest.raises(ValueError, match=f'{message}{value:g}'):
            check(value)


def test_lengths_of_a_checkpoint_are_checked_and_named():
    for stored, name in (({'train': 4.5}, 'train'), ({'train+val': 4.5, 'train': 4500}, r'train\+val')):
        with pytest.raises(ValueError, match=rf"^skeleton_length\['{name}'\] of the checkpoint: .* got 4.5"):
            resolve_bone_length(dataset_meta=dict(skeleton_length=stored))
    with pytest.raises(ValueError, match='^bone_length: .* got 0'):
        resolve_bone_length(bone_length=0)


def test_errors_name_the_skeleton_and_the_value():
    poses = np.random.default_rng(0).normal(size=(2, 3, 18, 3))
    poses[1, 2] = 5.0
    with pytest.raises(ValueError, match=r'for 1 skeleton\(s\) of 6, first at index \(1, 2\) \(length 0.0\)'):
        scale_to_bone_length(poses, 4500)
    with pytest.raises(ValueError, match=r'zero or not finite for 1 skeleton\(s\) \(length nan\)'):
        scale_to_bone_length(np.full((18, 3), np.nan), 4500)
    with pytest.raises(ValueError, match='^target_mm: positive lengths expected, got 0.0$'):
        scale_to_bone_length(poses[0], 0)
    with pytest.raises(ValueError, match=r'^keypoints: shape \(..., 18, 3\) expected, got \(18, 2\); .*add_thorax'):
        skeleton_length(np.zeros((18, 2)))


@pytest.mark.filterwarnings('error')
def test_scale_of_poses_in_px_with_depth_in_mm_solves_its_equation():
    rng = np.random.default_rng(0)
    xy, z = rng.normal(0, 30, (4, 5, 18, 2)), rng.normal(0, 120, (4, 5, 18))
    xy[0, 0] = 7.0  # no extent
    z[1, 1] *= 40  # deeper than a person is long
    found = mm_per_px_of_depth(xy, z, 4500.0, 190.0)
    assert found.shape == (4, 5) and np.isinf(found[0, 0])
    assert found[1, 1] == pytest.approx(np.abs(z[1, 1]).max() / 190)
    for index in ((0, 1), (2, 3), (3, 4)):
        exact = brentq(lambda scale, index=index: skeleton_length(
            np.concatenate([xy[index] * scale, z[index][:, None]], -1)) - 4500, 1e-6, 1e6, xtol=1e-12)
        assert found[index] == pytest.approx(exact, rel=1e-9)
