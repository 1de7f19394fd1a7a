"""The files of the submission: written files are read back, and every fault is found and named."""
import json
import zipfile

import numpy as np
import pytest
from indexes import make_index
from small_training import run_tool

from mmpose_integral.formats.h80k_index import save_index
from mmpose_integral.formats.submission import (
    CSV_FOLDER,
    JSON_NAME,
    SubmissionError,
    find_faults,
    validate_submission,
    write_submission,
)

IDS = [1, 2, 3, 5]


INDEX = make_index(IDS, 'Test')


def make_poses(joints=17):
    poses = np.random.default_rng(0).normal(0, 400, (len(IDS), joints, 3))
    poses[:, 0] = 0
    poses[0, 3] = [-0.001, 0.004, -1234.565]
    return poses


@pytest.fixture
def folder(tmp_path):
    """A sound submission folder."""
    write_submission(tmp_path / 'sub', make_poses(), IDS)
    return tmp_path / 'sub'


@pytest.mark.parametrize('name, joints', [('sub.zip', 17), ('sub', 17), ('sub.zip', 18)])
def test_written_files_are_read_back_to_two_decimals(tmp_path, name, joints):
    poses = make_poses(joints)
    out = tmp_path / 'deep' / name
    write_submission(out, poses.astype(np.float32) if joints == 18 else poses, IDS)
    write_submission(out, poses, IDS)  # replaces the first one
    assert [item.name for item in out.parent.iterdir()] == [name]
    if name.endswith('.zip'):
        with zipfile.ZipFile(out) as archive:
            archive.extractall(tmp_path / 'x')
        out = tmp_path / 'x'
    entries = json.loads((out / JSON_NAME).read_text())
    assert [entry['image_id'] for entry in entries] == IDS
    for entry, frame_id, pose in zip(entries, IDS, poses, strict=True):
        text = (out / CSV_FOLDER / f'{frame_id:05d}.csv').read_text()
        assert '-0.00' not in text and text.startswith('0.00,0.00,0.00\n') and text.count('\n') == 17
        read = np.loadtxt(text.splitlines(), delimiter=',')
        np.testing.assert_allclose(read, pose[:17], atol=0.005001)
        assert np.shape(entry['keypoints']) == (1, 51)
        np.testing.assert_array_equal(np.reshape(entry['keypoints'], (17, 3)), read)
    assert find_faults(out, INDEX) == []


def test_names_are_those_of_the_images_and_text_is_that_of_numpy_savetxt(tmp_path):
    write_submission(tmp_path / 'sub', make_poses(), IDS, stems=[*'abcd'])
    assert sorted(file.name for file in (tmp_path / 'sub' / CSV_FOLDER).iterdir()) == [f'{stem}.csv' for stem in 'abcd']
    np.savetxt(tmp_path / 'expected.csv', make_poses()[2], fmt='%.2f', delimiter=',')
    assert (tmp_path / 'sub' / CSV_FOLDER / 'c.csv').read_text() == (tmp_path / 'expected.csv').read_text()


@pytest.mark.parametrize('spoil, match', [
    (lambda p: (p[:, :16], IDS), r'shape \(N, 17, 3\)'), (lambda p: (p, IDS[:3]), 'equal lengths'),
    (lambda p: (p, [1, 2, 2, 5]), 'frame_ids: 2 is there more than once'),
    (lambda p: (p + 1, IDS), 'frame 1 does not have its root'),
    (lambda p: (np.where(np.arange(4)[:, None, None] == 2, np.nan, p), IDS), 'frame 3 is not finite')])
def test_writer_refuses_bad_poses_and_leaves_nothing_behind(tmp_path, spoil, match):
    with pytest.raises(ValueError, match=match):
        write_submission(tmp_path / 'sub.zip', *spoil(make_poses()))
    assert not list(tmp_path.iterdir())


def test_writer_does_not_replace_a_folder_with_other_files(folder):
    (folder / 'thesis.tex').write_text('text')
    with pytest.raises(FileExistsError, match='other things'):
        write_submission(folder, make_poses(), IDS)
    assert (folder / 'thesis.tex').exists()


def csv_lines(folder, name='00002'):
    return (folder / CSV_FOLDER / f'{name}.csv').read_text().splitlines()


def rewrite(folder, lines, name='00002'):
    (folder / CSV_FOLDER / f'{name}.csv').write_text('\n'.join(lines) + '\n')


def rewrite_json(folder, change):
    entries = json.loads((folder / JSON_NAME).read_text())
    (folder / JSON_NAME).write_text(json.dumps(change(entries) or entries))


SPOILERS = {
    'Test_PRED/00002.csv is missing': lambda f: (f / CSV_FOLDER / '00002.csv').unlink(),
    'Test_PRED/00004.csv is not expected': lambda f: rewrite(f, csv_lines(f), '00004'),
    'notes.txt is not expected': lambda f: (f / 'notes.txt').write_text('hi'),
    'Test_PRED/00002.csv has 16 rows, 17 expected': lambda f: rewrite(f, csv_lines(f)[:16]),
    'Test_PRED/00002.csv has 2 columns in row 17, 3 expected': lambda f: rewrite(f, [*csv_lines(f)[:16], '1,2']),
    'Test_PRED/00002.csv has 0 rows, 17 expected': lambda f: (f / CSV_FOLDER / '00002.csv').write_text(''),
    'Test_PRED/00002.csv has a value that is not finite': lambda f: rewrite(f, [*csv_lines(f)[:16], '1,nan,3']),
    'Test_PRED/00002.csv has a value that is no number': lambda f: rewrite(f, [*csv_lines(f)[:16], '1,x,3']),
    'Test_PRED/00002.csv has a value that is no number (d': lambda f: rewrite(f, [*csv_lines(f)[:16], '1_0.5,2,3']),
    'Test_PRED/00002.csv has a value that is 1e+30 mm': lambda f: rewrite(f, [*csv_lines(f)[:16], '1e30,2,3']),
    'Test_PRED/00002.csv is not root-relative': lambda f: rewrite(f, ['0,5,0', *csv_lines(f)[1:]]),
    'Test_Prediction.JSON is missing': lambda f: (f / JSON_NAME).unlink(),
    'Test_Prediction.JSON is not JSON': lambda f: (f / JSON_NAME).write_text('[{'),
    'Test_Prediction.JSON is not JSON: it is nested too deeply': lambda f: (f / JSON_NAME).write_text('[' * 100_000),
    "Test_Prediction.JSON has the key 'image_id' more than once": lambda f: (f / JSON_NAME).write_text(
        (f / JSON_NAME).read_text().replace('{"image_id": 3,', '{"image_id": 4, "image_id": 3,')),
    'Test_Prediction.JSON holds a dict': lambda f: (f / JSON_NAME).write_text('{}'),
    'Test_Prediction.JSON image_id 1 is missing': lambda f: rewrite_json(f, lambda e: e[1:]),
    'Test_Prediction.JSON image_id 5 is there more than once': lambda f: rewrite_json(f, lambda e: [*e, e[-1]]),
    'Test_Prediction.JSON entry 4: image_id None is no Test': lambda f: rewrite_json(f, lambda e: [*e, 7]),
}
SPOILED_ENTRIES = {
    'entry 2: image_id 0 is no Test': lambda e: e.update(image_id=0),
    "entry 2: image_id '3' is no Test": lambda e: e.update(image_id='3'),
    'image_id 3: keypoints have shape (51,)': lambda e: e.update(keypoints=e['keypoints'][0]),
    'image_id 3: keypoints are ragged': lambda e: e.update(keypoints=[[1, [2, 3]]]),
    'image_id 3: keypoints hold something': lambda e: e['keypoints'][0].__setitem__(4, '1.0'),
    'image_id 3: keypoints hold true or false': lambda e: e['keypoints'][0].__setitem__(0, False),
    'image_id 3: has values that are not finite': lambda e: e['keypoints'][0].__setitem__(4, float('inf')),
    'image_id 3: is not root-relative': lambda e: e['keypoints'][0].__setitem__(1, 2.0),
    'image_id 3: differs from its CSV file by up to 0.02': lambda e: e['keypoints'][0].__setitem__(
        4, e['keypoints'][0][4] + 0.02)}
SPOILERS.update({f'{JSON_NAME} {fault}': lambda f, spoil=spoil: rewrite_json(f, lambda e: spoil(e[2]))
                 for fault, spoil in SPOILED_ENTRIES.items()})


@pytest.mark.parametrize('fault', SPOILERS)
def test_each_fault_is_found(folder, fault):
    SPOILERS[fault](folder)
    found = find_faults(folder, INDEX)
    assert any(line.startswith(fault) for line in found), found
    assert len(found) == 1 + ('entry 2' in fault)  # an entry with another id is also missing under its own id


def test_full_precision_json_beside_rounded_csv_is_fine(folder):
    poses = make_poses()
    rewrite_json(folder, lambda entries: [
        dict(image_id=i, keypoints=[pose.ravel().tolist()]) for i, pose in zip(IDS, poses, strict=True)])
    validate_submission(folder, INDEX)


def test_all_faults_come_in_one_error(folder):
    (folder / CSV_FOLDER / '00001.csv').unlink()
    rewrite(folder, csv_lines(folder)[:5])
    (folder / 'extra').mkdir()
    (folder / 'extra' / 'file.csv').write_text('')
    with pytest.raises(SubmissionError) as caught:
        validate_submission(folder, INDEX)
    assert len(caught.value.faults) == 3
    for fault in ('00001.csv is missing', '00002.csv has 5 rows', 'extra/file.csv is not expected'):
        assert fault in str(caught.value)
    assert 'and 5 more' in str(SubmissionError('x', ['fault'] * 25))


def test_archives_that_cannot_be_read(folder, tmp_path):
    (tmp_path / 'text.zip').write_text('not an archive')
    for name in ('text.zip', 'absent.zip'):
        assert 'cannot be read' in find_faults(tmp_path / name, INDEX)[0]
    with zipfile.ZipFile(tmp_path / 'nested.zip', 'w') as archive:
        for file in folder.rglob('*.*'):
            archive.write(file, f'sub/{file.relative_to(folder).as_posix()}')
    faults = find_faults(tmp_path / 'nested.zip', INDEX)
    assert f'{JSON_NAME} is missing' in faults and f'sub/{JSON_NAME} is not expected' in faults


def test_a_damaged_and_a_repeated_member_are_named(tmp_path):
    out = tmp_path / 'sub.zip'
    write_submission(out, make_poses(), IDS)
    content = bytearray(out.read_bytes())
    start = content.index(b'Test_PRED/00003.csv') + len('Test_PRED/00003.csv')
    content[start + 20:start + 60] = bytes(40)
    (tmp_path / 'damaged.zip').write_bytes(content)
    faults = find_faults(tmp_path / 'damaged.zip', INDEX)
    assert len(faults) == 1 and faults[0].startswith('Test_PRED/00003.csv cannot be unpacked')
    with pytest.warns(UserWarning, match='Duplicate name'), zipfile.ZipFile(out, 'a') as archive:
        archive.writestr('Test_PRED/00003.csv', '')
    assert find_faults(out, INDEX) == ['Test_PRED/00003.csv is there more than once']


def test_command_prints_all_faults_and_sets_the_exit_code(folder, tmp_path, capsys):
    save_index(INDEX, tmp_path / 'h80k_test.npz')

    def check(index):
        return run_tool('submit', '--check', folder, '--index', tmp_path / index), capsys.readouterr().out

    code, output = check('h80k_test.npz')
    assert code == 0 and 'valid, 4 frames' in output
    rewrite(folder, csv_lines(folder)[:5])
    (folder / CSV_FOLDER / '00001.csv').unlink()
    code, output = check('h80k_test.npz')
    assert code == 1 and output.splitlines()[-1] == f'{folder}: 2 fault(s)'
    assert '00001.csv is missing' in output and 'has 5 rows' in output
    assert 'absent.npz: no such H80K index' in check('absent.npz')[0]
