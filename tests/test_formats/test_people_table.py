"""The table of people holds the inferencer's results, as CSV and as NPZ."""
import csv
import math
import zipfile

import numpy as np
import pytest

from mmpose_integral.formats.people_table import (
    CSV_COLUMNS,
    FrameResult,
    make_table,
    people_arrays,
    read_npz,
    write_csv,
    write_npz,
)
from mmpose_integral.structures.skeleton import JOINT_NAMES


def person(seed, **extra):
    rng = np.random.default_rng(seed)
    return dict(keypoints=rng.normal(0, 500, (18, 3)).tolist(), keypoint_scores=rng.random(18).tolist(),
                bbox=[rng.uniform(0, 999, 4).tolist()], bbox_score=float(rng.random()),
                keypoints_2d=rng.uniform(-20, 999, (18, 2)).tolist(), bone_length=4000.0 + seed, **extra)


STD = np.random.default_rng(9).uniform(1, 90, (18, 3)).tolist()
CAMERA = dict(focal_length=[1145.0, 1145.0], principal_point=[500.0, 400.0], scale=0.2,
              root_position=[-12.5, 30.25, 5725.0])
# An image with two people; a frame of a video without people, and one of a person who has all fields.
PEOPLE = [[person(1), person(2)], [], [person(3, keypoint_std=STD, track_id=7, camera=CAMERA)]]
ALL = sum(PEOPLE, [])


@pytest.fixture
def table():
    frames = [('a, b "c".jpg', 0, math.nan), ('walk.mp4', 4, 0.16), ('walk.mp4', 5, 0.2)]
    return make_table([FrameResult(*frame, people_arrays(people))
                       for frame, people in zip(frames, PEOPLE, strict=True)])


def test_arrays_are_flat_over_people(table):
    for name, values in dict(frame_path=['a, b "c".jpg', 'walk.mp4', 'walk.mp4'], frame_id=[0, 4, 5],
                             frame_people=[2, 0, 1], frame=[0, 0, 2], person=[0, 1, 0], track_id=[-1, -1, 7],
                             joint_names=list(JOINT_NAMES)).items():
        assert table[name].tolist() == values, name
    for name, key in dict(keypoints_mm='keypoints', keypoints_2d_px='keypoints_2d', bbox_score='bbox_score',
                          keypoint_scores='keypoint_scores', bone_length_mm='bone_length').items():
        np.testing.assert_allclose(table[name], [one[key] for one in ALL], rtol=1e-6)
    np.testing.assert_allclose(table['bbox_px'], [one['bbox'][0] for one in ALL], rtol=1e-6)
    np.testing.assert_allclose(table['keypoint_std_mm'][2], STD, rtol=1e-6)
    np.testing.assert_array_equal(table['root_position_mm'][2], CAMERA['root_position'])
    assert np.isnan(table['keypoint_std_mm'][:2]).all() and np.isnan(table['root_position_mm'][:2]).all()


def test_an_npz_is_read_back_without_pickles(table, tmp_path):
    write_npz(tmp_path / 'new' / 't.npz', table)
    loaded = read_npz(tmp_path / 'new' / 't.npz')
    assert loaded.keys() == table.keys() and not any(value.dtype == object for value in loaded.values())
    for name, value in table.items():
        np.testing.assert_array_equal(loaded[name], value)
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['t.npz']


def test_a_csv_has_one_line_per_joint(table, tmp_path):
    write_csv(tmp_path / 't.csv', table)
    with open(tmp_path / 't.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS and len(rows) == 3 * 18
    for number, row in enumerate(rows):
        one, joint = ALL[number // 18], number % 18
        expected = dict(zip(('x_mm', 'y_mm', 'z_mm', 'u_px', 'v_px'),
                            one['keypoints'][joint] + one['keypoints_2d'][joint], strict=True),
                        score=one['keypoint_scores'][joint], bbox_x2_px=one['bbox'][0][2],
                        bbox_score=one['bbox_score'], bone_length_mm=one['bone_length'])
        assert row['joint'] == JOINT_NAMES[joint]
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected, abs=1e-3)
    image, frame = rows[18], rows[36 + 5]
    assert [image[name] for name in ('path', 'frame_id', 'person')] == ['a, b "c".jpg', '0', '1']
    assert not any(image[name] for name in ('time_s', 'track_id', 'std_x_mm', 'root_z_mm'))
    assert [frame[name] for name in ('path', 'frame_id', 'person', 'track_id')] == ['walk.mp4', '5', '0', '7']
    assert float(frame['time_s']) == 0.2 and frame['root_x_mm'] == '-12.500' and frame['root_z_mm'] == '5725.000'
    assert float(frame['std_y_mm']) == pytest.approx(STD[5][1], abs=1e-3)


@pytest.mark.parametrize('frames', [[], [FrameResult('a.jpg', 0, math.nan, people_arrays([]))]])
def test_a_table_may_have_no_people(frames, tmp_path):
    table = make_table(frames)
    write_npz(tmp_path / 't.npz', table)
    loaded = read_npz(tmp_path / 't.npz')
    assert loaded['keypoints_mm'].shape == (0, 18, 3) and loaded['bbox_px'].shape == (0, 4)
    assert loaded['frame_people'].tolist() == [0] * len(frames) and loaded['frame'].dtype == np.int64
    write_csv(tmp_path / 't.csv', table)
    assert (tmp_path / 't.csv').read_text() == ','.join(CSV_COLUMNS) + '\n'


def test_other_joints_are_refused():
    with pytest.raises(ValueError, match=r'person 1: keypoints of shape \(18, 3\) expected, got \(17, 3\)'):
        people_arrays([person(1), dict(person(2), keypoints=np.zeros((17, 3)).tolist())])


def test_files_that_are_no_npz_are_refused(table, tmp_path):
    path = tmp_path / 't.npz'
    with pytest.raises(FileNotFoundError, match='no such table of people'):
        read_npz(path)
    write_npz(path, table)
    whole = bytearray(path.read_bytes())
    np.save(tmp_path / 'person.npy', table['person'])
    first = zipfile.ZipFile(path).infolist()[0]
    begin = first.header_offset + 30 + len(first.filename) + 20  # after the header, to which numpy adds 20 bytes
    inverted = bytes(255 - one for one in whole[begin:begin + 12])
    for content in (b'text', (tmp_path / 'person.npy').read_bytes(), whole[:3000],
                    whole[:begin] + inverted + whole[begin + 12:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match='not readable as an npz file'):
            read_npz(path)


def test_incomplete_tables_are_refused(table, tmp_path):
    np.savez(tmp_path / 't.npz', **{name: value for name, value in table.items() if name != 'bbox_px'})
    with pytest.raises(ValueError, match='has no bbox_px'):
        read_npz(tmp_path / 't.npz')
    np.savez(tmp_path / 't.npz', **dict(table, person=table['person'][:2]))
    with pytest.raises(ValueError, match='person of length 3 expected, got the shape .2,.'):
        read_npz(tmp_path / 't.npz')
