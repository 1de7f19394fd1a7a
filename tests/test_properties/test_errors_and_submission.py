"""Metric: laws that hold for any poses. Submission: any finite poses pass the check, and any damaged row is found."""
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from indexes import make_index
from poses import NUM_JOINTS, array, bodies, numbers, orders
from scipy.spatial.transform import Rotation

from mmpose_integral.evaluation.functional import mpjpe, rescale_to_bone_length, skeleton_length
from mmpose_integral.formats.submission import CSV_FOLDER, JSON_NAME, find_faults, write_submission

JOINTS = range(NUM_JOINTS)


def rms(pred, gt, align):
    """What an alignment minimises: the root mean square of the distances."""
    return float(np.sqrt(np.mean(np.square(mpjpe(pred, gt, align, JOINTS)))))


@given(bodies, bodies, orders, array(3, 1000))
def test_mpjpe_is_a_distance(pred, gt, order, shift):
    errors = mpjpe(pred, gt, joints=JOINTS)
    assert (errors >= 0).all() and mpjpe(gt, gt).max() == 0
    np.testing.assert_allclose(errors, np.sqrt(np.square(pred - gt).sum(axis=-1)))
    np.testing.assert_array_equal(errors, mpjpe(gt, pred, joints=JOINTS))
    np.testing.assert_array_equal(errors[order], mpjpe(pred[order], gt[order], joints=JOINTS))
    np.testing.assert_allclose(errors, mpjpe(pred + shift, gt + shift, joints=JOINTS), atol=1e-9)
    middle = (pred + gt) / 2
    assert (errors <= mpjpe(pred, middle, joints=JOINTS) + mpjpe(middle, gt, joints=JOINTS) + 1e-9).all()


@given(bodies, bodies, array(3, 3), array(3, 1000), numbers(0.125, 8))
def test_alignments_reduce_the_error_and_remove_what_they_fit(pred, gt, angles, shift, factor):
    none, rigid, similarity, scale = (rms(pred, gt, align) for align in ('none', 'rigid', 'similarity', 'scale'))
    assert similarity <= rigid + 1e-9 <= none + 2e-9 and scale <= none + 1e-9
    moved = pred @ Rotation.from_rotvec(angles).as_matrix().T + shift
    assert rms(moved, gt, 'rigid') == pytest.approx(rigid, abs=1e-6)
    assert rms(factor * moved, gt, 'similarity') == pytest.approx(similarity, abs=1e-6)
    assert rms(factor * pred, gt, 'scale') == pytest.approx(scale, abs=1e-6)


@given(bodies, array(3, 1000), numbers(0.0078125, 128), numbers(500, 20000))
def test_a_skeleton_is_scaled_to_the_wanted_length(pose, shift, factor, target):
    scaled = rescale_to_bone_length(pose, target)
    assert skeleton_length(scaled) == pytest.approx(target, rel=1e-9) and not scaled[0].any()
    np.testing.assert_allclose(rescale_to_bone_length(factor * pose + shift, target), scaled, atol=1e-6)
    np.testing.assert_allclose(rescale_to_bone_length(scaled, target), scaled, atol=1e-8)


poses = array((2, 17, 3), 400_000).map(lambda values: values - values[:, :1])
INDEX = make_index([3, 8], 'Test')


def read_submission(path):
    """The texts of the files by name, from an archive or a folder."""
    if path.is_dir():
        return {file.relative_to(path).as_posix(): file.read_text() for file in path.rglob('*') if file.is_file()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@given(poses, st.sampled_from(['a.zip', 'folder']))
def test_any_finite_poses_make_a_valid_submission(tmp_path_factory, poses, name):
    path = tmp_path_factory.getbasetemp() / f'any_{name}'
    write_submission(path, poses, [3, 8])
    assert find_faults(path, INDEX) == []
    files = read_submission(path)
    tables = np.array([[row.split(',') for row in files[f'{CSV_FOLDER}/{name}.csv'].split()]
                       for name in ('00003', '00008')], dtype=np.float64)
    np.testing.assert_allclose(tables, poses, atol=0.005 + 1e-6)
    entries = json.loads(files[JSON_NAME])
    assert [entry['image_id'] for entry in entries] == [3, 8]
    np.testing.assert_array_equal(np.reshape([entry['keypoints'] for entry in entries], tables.shape), tables)


DAMAGES = ('', '1,2', '1,2,3,4', '1,2,x', '1,2,nan', '1,2,inf', '1,2,1e400', '1,2,1_0', '1,2,٣', '1;2;3', '1,2,\0',
           'nan,nan,nan', '0x1,2,3', '1,2,3\n1,2,3')


@given(poses, st.integers(0, 16), st.sampled_from([3, 8]), st.sampled_from(DAMAGES) | st.text(max_size=20))
def test_a_damaged_row_is_found(tmp_path_factory, poses, row, frame, text):
    path = tmp_path_factory.getbasetemp() / 'damaged'
    write_submission(path, poses, [3, 8])
    file = path / CSV_FOLDER / f'{frame:05d}.csv'
    rows = file.read_text().splitlines()
    rows[row] = text
    file.write_text('\n'.join(rows), errors='surrogatepass')
    (fault, ) = find_faults(path, INDEX)
    assert f'{frame:05d}.csv' in fault or f'image_id {frame}' in fault
