from unittest import mock

import numpy as np
import pytest
from bad_pictures import declare_size
from PIL import Image

from mmpose_integral.formats.frame_checks import FaultyFile, read_image_size, read_pose
from mmpose_integral.formats.h80k_index import (
    H80KIndex,
    index_path,
    load_index,
    load_index_with_poses,
    pose_csv,
    save_index,
    scan_split,
)


def write_pose(path, pose):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, pose, delimiter=',', fmt='%.4f')


def write_image(path, size=(40, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(size[0]).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, quality=90)


def random_pose(seed):
    pose = np.random.default_rng(seed).normal(0, 400, (17, 3))
    pose[0] = 0
    return pose


@pytest.fixture
def tree(tmp_path):
    """A sound Train split of six frames, each of its own size."""
    for i in range(1, 7):
        write_image(tmp_path / f'Train/IMG/{i:05d}.jpg', (40 + i, 24))
        write_pose(tmp_path / f'Train/POSE/{i:05d}.csv', random_pose(i))
    return tmp_path


def problems(root, split='Train', num_workers=1):
    index = scan_split(root, split, num_workers)
    return index.frame_ids.tolist(), index.faulty.tolist()


def test_sound_tree_matches_genfromtxt(tree):
    index = scan_split(tree, 'Train', num_workers=2)
    assert index.faulty.shape == (0,)
    assert index.frame_ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert index.img_paths[2] == 'Train/IMG/00003.jpg'
    assert index.img_sizes.tolist() == [[40 + i, 24] for i in range(1, 7)]
    for i in range(6):
        expected = np.genfromtxt(tree / f'Train/POSE/{i + 1:05d}.csv', delimiter=',')
        np.testing.assert_allclose(index.keypoints_mm[i, :17], expected, atol=1e-3)
    np.testing.assert_allclose(index.keypoints_mm[:, 17], index.keypoints_mm[:, [11, 14]].mean(axis=1), atol=1e-3)


def test_all_faults_are_reported_at_once(tree):
    pose = tree / 'Train/POSE'
    (tree / 'Train/IMG/00001.jpg').unlink()
    (pose / '00002.csv').unlink()
    write_pose(pose / '00003.csv', random_pose(3)[:16])
    write_pose(pose / '00004.csv', np.pad(random_pose(4), ((0, 0), (0, 1))))
    data = (tree / 'Train/IMG/00004.jpg').read_bytes()
    (tree / 'Train/IMG/00004.jpg').write_bytes(data[:len(data) // 2])
    for number in (9, 11):
        write_image(tree / f'Train/IMG/{number:05d}.jpg')
        write_pose(pose / f'{number:05d}.csv', random_pose(number))
    (pose / 'notes.txt').write_text('')
    (pose / '.hidden').write_text('')
    ids, found = problems(tree)
    assert ids == [5, 6, 9, 11]
    assert found[:6] == ['H80K Train: POSE/notes.txt is not expected; names run from 00001.csv',
                         'H80K Train: frame 00007 to 00008 is missing; numbers run to 00011 without a gap',
                         'H80K Train: frame 00010 is missing; numbers run to 00011 without a gap',
                         'H80K Train: IMG/00001.jpg is missing, its pose is there',
                         'H80K Train: POSE/00002.csv is missing, its image is there',
                         'H80K Train: POSE/00003.csv has 16 rows, 17 expected']
    assert found[6].startswith('H80K Train: IMG/00004.jpg cannot be decoded')
    assert found[7:] == ['H80K Train: POSE/00004.csv has 4 columns in row 1, 3 expected']
    assert problems(tree, num_workers=3) == (ids, found)


@pytest.mark.parametrize('place, value, message', [
    ((4, 1), np.nan, 'not finite in row 5'), ((16, 2), np.inf, 'not finite in row 17'),
    ((0, 2), 0.02, 'root 0.02 mm off zero'), ((4, 1), 1e39, r'1e\+39 mm in row 5; at most 1e\+06 mm expected'),
    ((5, 0), -1e7, r'-1e\+07 mm in row 6')])
def test_unusable_values(tmp_path, place, value, message):
    pose = random_pose(1)
    pose[place] = value
    write_pose(tmp_path / 'pose.csv', pose)
    with pytest.raises(FaultyFile, match=message):
        read_pose(tmp_path / 'pose.csv')


def test_poses_that_are_no_bodys_in_mm_are_refused(tree):
    """Metres, centimetres, a giant, and joints in one place; the lengths are sums over the bones of this list."""
    bones = [(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6), (0, 7), (8, 10), (11, 12), (12, 13), (14, 15),
             (15, 16)]
    shown = {}
    for number, unit in ((1, 1e-3), (2, 0.03), (4, 3.0), (6, 0.0)):
        pose = random_pose(number) * unit
        write_pose(tree / f'Train/POSE/{number:05d}.csv', pose)
        pose, thorax = pose.round(4), (pose[11] + pose[14]) / 2
        length = sum(np.linalg.norm(pose[a] - pose[b]) for a, b in bones)
        shown[number] = length + sum(np.linalg.norm(pose[joint] - thorax) for joint in (0, 8, 9, 11, 14))
    ids, found = problems(tree)
    assert ids == [3, 5]
    assert found == [f'H80K Train: POSE/{number:05d}.csv has a total bone length of {length:.4g} mm, 500 to 20000 '
                     'expected (an adult has about 4500); are its values in mm?' for number, length in shown.items()]


def test_pose_text_variants(tmp_path):
    path, pose = tmp_path / 'pose.csv', random_pose(2) + [0.004, -0.009, 0]
    write_pose(path, pose)
    np.testing.assert_allclose(read_pose(path), pose - pose[0], atol=2e-3)  # a root within rounding is subtracted
    assert (read_pose(path)[0] == 0).all()
    pose = random_pose(3).round(3)
    rows = [','.join(map(repr, row)) for row in pose.tolist()]
    for text in ('\n'.join(rows), '\ufeff' + '\r\n'.join(rows) + '\r\n', '\n'.join(rows).replace(',', ', ') + '\n\n'):
        path.write_text(text, newline='')
        np.testing.assert_array_equal(read_pose(path), pose.astype(np.float32))
    for text, message in ((['x,y,z'] + rows[1:], 'no number'), (['1,2', '1,2,3,4'] + rows[2:], '2 columns in row 1'),
                          (rows[:16] + ['1_0.5,0,0'], 'no number'), (rows[:16] + ['\u0661,0,0'], 'no number')):
        path.write_text('\n'.join(text))
        with pytest.raises(FaultyFile, match=message):
            read_pose(path)
    path.write_bytes(b'\xff')
    with pytest.raises(FaultyFile, match='not a text file'):
        read_pose(path)


def test_size_of_truncated_turned_and_other_images(tmp_path):
    path = tmp_path / '1.jpg'
    write_image(path, (90, 70))
    assert read_image_size(path) == (90, 70)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FaultyFile, match='cannot be decoded'):
        read_image_size(path)
    write_image(path, (90, 70))
    path.write_bytes(declare_size(path.read_bytes(), 65500, 65500))
    with pytest.raises(FaultyFile, match='cannot be decoded .*exceeds limit'):
        read_image_size(path)
    path.write_text('no image')
    with pytest.raises(FaultyFile, match='is not a JPEG image'):
        read_image_size(path)
    image = Image.new('RGB', (50, 30))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif)
    assert read_image_size(path) == (50, 30)


@pytest.mark.parametrize('kind', ['GIF', 'TGA', 'PNG', 'EPS'])
def test_only_jpeg_images_are_opened(kind, tmp_path):
    """Other formats cannot all be trained on; Pillow would run Ghostscript for EPS."""
    Image.new('RGB', (40, 30)).save(tmp_path / '1.jpg', kind)
    with mock.patch('PIL.EpsImagePlugin.Ghostscript', side_effect=AssertionError), \
            pytest.raises(FaultyFile, match='is not a JPEG image'):
        read_image_size(tmp_path / '1.jpg')


def test_an_image_that_is_too_large_is_a_fault_like_others(tree):
    path = tree / 'Train/IMG/00002.jpg'
    content = bytearray(path.read_bytes())
    header = content.index(b'\xff\xc0')  # start of frame; height and width follow after three bytes of length and depth
    content[header + 5:header + 9] = b'\xff\xff\xff\xff'
    path.write_bytes(content)
    ids, (fault, ) = problems(tree)
    assert ids == [1, 3, 4, 5, 6] and fault.startswith('H80K Train: IMG/00002.jpg cannot be decoded')


def test_test_split_has_no_poses_and_empty_split_is_a_fault(tmp_path):
    write_image(tmp_path / 'Test/IMG/00001.jpg')
    index = scan_split(tmp_path, 'Test')
    assert index.keypoints_mm is None and not len(index.faulty)
    (tmp_path / 'Test/IMG/00001.jpg').unlink()
    assert problems(tmp_path, 'Test') == ([], ['H80K Test: IMG holds no frame'])
    with pytest.raises(FileNotFoundError, match='Train: folder .*IMG does not exist'):
        scan_split(tmp_path, 'Train')
    with pytest.raises(ValueError, match="got 'train'"):
        scan_split(tmp_path, 'train')


@pytest.mark.parametrize('split', ['Train', 'Test'])
def test_save_and_load(tmp_path, split):
    poses = np.random.default_rng(0).normal(size=(3, 18, 3)).astype(np.float32)
    poses[:, 17] = (poses[:, 11] + poses[:, 14]) / 2
    index = H80KIndex(split, np.array([1, 2, 5], np.int32), np.array(['a', 'bb', 'c']), np.ones((3, 2), np.int32),
                      poses if split == 'Train' else None, np.array(['x is odd']), '/data',
                      np.arange(6).reshape(3, 2), np.arange(6).reshape(3, 2) + 10**18 if split == 'Train' else None)
    path = index_path(tmp_path, split)
    save_index(index, path)
    assert [p.name for p in path.parent.iterdir()] == [f'h80k_{split.lower()}.npz']
    for loaded, saved in zip(load_index(path), index, strict=True):
        np.testing.assert_array_equal(loaded, saved)
    if split == 'Train':
        np.testing.assert_array_equal(load_index_with_poses(path)[1], poses)
    else:
        with pytest.raises(ValueError, match='h80k_test.npz: Test is a split without poses'):
            load_index_with_poses(path)


def test_pose_csv_has_17_rows_of_four_decimals():
    points = np.arange(54).reshape(18, 3) / 7
    lines = pose_csv(points).splitlines()
    assert len(lines) == 17 and lines[0] == '0.0000,0.1429,0.2857'
    np.testing.assert_allclose(np.loadtxt(lines, delimiter=','), points[:17], atol=5e-5)


def test_files_that_are_no_index_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='prepare index'):
        load_index(tmp_path / 'none.npz')
    np.savez(tmp_path / 'other.npz', a=1)
    arrays = dict(split='Val', frame_ids=np.arange(3), img_paths=np.array(['a']), img_sizes=np.ones((3, 2)),
                  faulty=np.array([], str))
    np.savez(tmp_path / 'short.npz', **arrays)
    np.savez(tmp_path / 'poses.npz', **{**arrays, 'img_paths': np.array([*'abc']), 'keypoints_mm': np.ones((3, 18, 3))})
    np.savez(tmp_path / 'empty.npz', **{**arrays, 'frame_ids': np.zeros(0, int), 'img_paths': np.zeros(0, str),
                                        'img_sizes': np.ones((0, 2))})
    for name, message in (('other', 'has no split'), ('empty', 'it has no frames; make it with'),
                          ('short', r'img_paths of shape \(3,\) expected, got \(1,\)'),
                          ('poses', r'keypoints_mm of shape \(3, 17, 3\) expected, got \(3, 18, 3\)')):
        with pytest.raises(ValueError, match=message):
            load_index(tmp_path / f'{name}.npz')
