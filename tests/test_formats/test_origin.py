"""Files that changed since they were indexed, and products of another index, are found by sizes and times."""
import os
import shutil

import numpy as np
import pytest
from indexes import make_index
from PIL import Image

from mmpose_integral.formats.h80k_index import load_index, pose_csv, save_index, scan_split
from mmpose_integral.formats.origin import IMAGES, POSES, check_images, check_origin, find_changes, origin_of


@pytest.fixture
def root(tmp_path):
    """A Val split of four frames."""
    rng = np.random.default_rng(0)
    for kind in ('IMG', 'POSE'):
        (tmp_path / 'data/Val' / kind).mkdir(parents=True)
    for number in range(1, 5):
        Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / f'data/Val/IMG/0000{number}.jpg')
        pose = rng.normal(0, 300, (17, 3))
        (tmp_path / f'data/Val/POSE/0000{number}.csv').write_text(pose_csv(pose - pose[0]))
    return tmp_path / 'data'


@pytest.fixture
def index(root):
    return scan_split(root, 'Val')


def rewrite(path, delay_ns=10):
    """Change the last byte of a file, without another size, some ns later than its last change."""
    content, time = path.read_bytes(), path.stat().st_mtime_ns
    path.write_bytes(content[:-1] + b'\n')
    os.utime(path, ns=(time, time + delay_ns))


def test_sizes_and_times_are_those_of_the_files(root, index):
    assert index.root == str(root.resolve())
    for states, kind in ((index.img_states, 'IMG'), (index.pose_states, 'POSE')):
        files = [os.stat(root / 'Val' / kind / name) for name in sorted(os.listdir(root / 'Val' / kind))]
        assert states.tolist() == [[file.st_size, file.st_mtime_ns] for file in files]


def test_every_change_of_a_file_is_found(root, index):
    assert find_changes(index, root) == {}
    image, pose = root / 'Val/IMG', root / 'Val/POSE'
    rewrite(image / '00001.jpg')
    rewrite(pose / '00002.csv', delay_ns=-10**12)  # an older file, or a wrong clock
    (image / '00004.jpg').unlink()
    (pose / '00005.csv').write_text('')
    (image / 'notes 1.txt').write_text('')
    assert find_changes(index, root) == {
        'IMG/00001.jpg': 'has changed', 'IMG/00004.jpg': 'is missing', 'IMG/notes 1.txt': 'is new',
        'POSE/00002.csv': 'has changed', 'POSE/00005.csv': 'is new'}
    assert find_changes(index._replace(img_states=None, pose_states=None), root) == {}  # of an earlier version


def test_images_must_be_those_of_the_index(root, index, tmp_path):
    moved = shutil.copytree(root, tmp_path / 'moved')  # keeps the times
    (moved / 'Val/IMG/00005.jpg').write_bytes(b'')  # a frame that was added does not change the others
    rewrite(moved / 'Val/POSE/00003.csv')
    check_images(index, 'val.npz', moved)
    os.replace(moved / 'Val/IMG/00001.jpg', moved / 'Val/IMG/00002.jpg')
    with pytest.raises(ValueError, match=r'val.npz is an index of .*data, and 2 of its 4 images are not the same in '
                                         r'.*moved \(first: IMG/00001.jpg is missing\); give the --root'):
        check_images(index, 'val.npz', moved)
    with pytest.raises(FileNotFoundError, match='IMG does not exist'):
        check_images(index, 'val.npz', tmp_path)


def test_hashes_depend_on_their_files_alone(root, index, tmp_path):
    save_index(index, tmp_path / 'val.npz')
    before = origin_of(load_index(tmp_path / 'val.npz'), IMAGES, POSES)
    assert before['split'] == 'Val' and set(before) == {'split', IMAGES, POSES}
    assert origin_of(scan_split(shutil.copytree(root, tmp_path / 'moved'), 'Val'), IMAGES, POSES) == before
    rewrite(root / 'Val/POSE/00003.csv')
    changed = origin_of(scan_split(root, 'Val'), IMAGES, POSES)
    assert changed[POSES] != before[POSES] and changed[IMAGES] == before[IMAGES]
    rewrite(root / 'Val/IMG/00003.jpg')
    assert origin_of(scan_split(root, 'Val'), IMAGES) == dict(split='Val', **{
        IMAGES: origin_of(scan_split(root, 'Val'), IMAGES, POSES)[IMAGES]})
    assert origin_of(scan_split(root, 'Val'), IMAGES)[IMAGES] != before[IMAGES]
    assert origin_of(make_index([1, 2]), IMAGES, POSES) == dict(split='Val')


@pytest.mark.parametrize('entries, message', [
    (dict(split='Train'), 'x.npz is of Train, and the index is of Val'),
    ({IMAGES: 'other'}, 'x.npz was made from other images than .* the index of Val.*; run it'),
    ({POSES: np.array('other')}, 'x.npz was made from other poses than .* the index of Val.*; run it')])
def test_a_product_of_another_index_is_refused(entries, message, index):
    sound = {name: np.array(value) for name, value in origin_of(index, IMAGES, POSES).items()}
    check_origin(sound, index, 'x.npz', 'run it again')
    check_origin({}, index, 'x.npz', 'run it again')  # of an earlier version
    with pytest.raises(ValueError, match=message):
        check_origin(sound | entries, index, 'x.npz', 'run it again')
