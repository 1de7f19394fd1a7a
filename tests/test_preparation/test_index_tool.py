import os
import shutil

import numpy as np
import pytest

from mmpose_integral.cli.prepare import index_h80k
from mmpose_integral.formats.h80k_index import load_index


@pytest.fixture
def root(standin, tmp_path):
    return shutil.copytree(standin / 'h80k', tmp_path / 'h80k')


def test_all_splits_then_nothing_to_do(root, capsys):
    assert index_h80k.main([str(root)]) == 0
    text = capsys.readouterr().out
    assert 'Train: 12 frames (the real set has 35832), mean skeleton length' in text and '4522.828' in text
    assert 'Test: 6 frames' in text
    assert load_index(root / 'annotations/h80k_train.npz').keypoints_mm.shape == (12, 18, 3)
    written = (root / 'annotations/h80k_train.npz').stat().st_mtime_ns
    assert index_h80k.main([str(root)]) == 0
    assert 'up to date' in capsys.readouterr().out
    assert (root / 'annotations/h80k_train.npz').stat().st_mtime_ns == written
    shutil.copy(root / 'Test/IMG/00001.jpg', root / 'Test/IMG/00007.jpg')
    assert index_h80k.main([str(root), '--splits', 'Test']) == 0
    assert len(load_index(root / 'annotations/h80k_test.npz').frame_ids) == 7


def rescanned(root, capsys, *options):
    """Reason for which Test is scanned again, '' if it is up to date."""
    assert index_h80k.main([str(root), '--splits', 'Test', *map(str, options)]) == 0
    text = capsys.readouterr().out
    assert ('wrote' in text) != ('up to date' in text)
    return text.partition(' is scanned again: ')[2].partition('\n')[0]


def test_replaced_files_are_noticed_whatever_the_times_of_the_folders(root, capsys):
    index_h80k.main([str(root)])
    capsys.readouterr()
    folder, index = root / 'Test/IMG', root / 'annotations/h80k_test.npz'
    image, times = folder / '00002.jpg', (folder.stat().st_atime_ns, folder.stat().st_mtime_ns)
    for name, delay_ns in (('00003.jpg', 0), ('00002.jpg', 10**9), ('00002.jpg', -10**15)):  # a wrong clock, too
        content = (folder / name).read_bytes()
        time = image.stat().st_mtime_ns
        image.write_bytes(content)
        os.utime(image, ns=(time, time + delay_ns))
        os.utime(folder, ns=times)
        os.utime(index, ns=(2**62, 2**62))
        assert rescanned(root, capsys).endswith('were indexed (first: IMG/00002.jpg has changed)')
        assert rescanned(root, capsys) == ''
    assert load_index(index).img_states[1].tolist() == [len(content), image.stat().st_mtime_ns]


def test_names_of_new_files_do_not_control_the_terminal(root, capsys):
    index_h80k.main([str(root)])
    capsys.readouterr()
    (root / 'Test/IMG/\x1b[2J.txt').touch()
    assert rescanned(root, capsys, '--skip-faulty').endswith(r'(first: IMG/\x1b[2J.txt is new)')


def test_a_folder_of_indexes_is_not_taken_for_that_of_another_root(root, tmp_path, capsys):
    shared, other = tmp_path / 'shared', shutil.copytree(root, tmp_path / 'other', copy_function=shutil.copy)
    assert rescanned(root, capsys, '--out-dir', shared) == ''
    reason = rescanned(other, capsys, '--out-dir', shared)
    assert reason == f'6 files differ from those of {root} that were indexed (first: IMG/00001.jpg has changed)'
    moved = shutil.move(other, tmp_path / 'moved')  # the same files
    assert rescanned(moved, capsys, '--out-dir', shared) == ''


def test_an_index_without_sizes_and_times_is_read_and_made_again(root, capsys):
    index_h80k.main([str(root)])
    capsys.readouterr()
    path = root / 'annotations/h80k_test.npz'
    with np.load(path) as file:
        np.savez(path, **{name: file[name] for name in file.files if name not in ('root', 'img_states')})
    assert load_index(path).img_states is None
    assert 'earlier version' in rescanned(root, capsys) and rescanned(root, capsys) == ''


def test_faults_stop_a_split_unless_skipped(root, tmp_path, capsys):
    (root / 'Val/POSE/00003.csv').write_text('1,2,3\n')
    (root / 'Val/IMG/00005.jpg').write_bytes((root / 'Val/IMG/00005.jpg').read_bytes()[:900])
    out = ['--out-dir', str(tmp_path / 'out'), '--splits', 'Val', 'Test']
    assert index_h80k.main([str(root), *out]) == 1
    errors = capsys.readouterr().err
    assert 'H80K Val: POSE/00003.csv has 1 rows, 17 expected' in errors and 'H80K Val: IMG/00005.jpg' in errors
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['h80k_test.npz']
    assert index_h80k.main([str(root), *out, '--skip-faulty']) == 0
    index = load_index(tmp_path / 'out/h80k_val.npz')
    assert index.frame_ids.tolist() == [1, 2, 4, 6, 7, 8] and len(index.faulty) == 2
    # An index with skipped frames is scanned again by a run that does not ask to skip them.
    assert index_h80k.main([str(root), *out]) == 1


def test_wrong_folder(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match='has none of the folders Train, Val, Test'):
        index_h80k.main([str(tmp_path)])
    (tmp_path / 'Train/IMG').mkdir(parents=True)
    assert index_h80k.main([str(tmp_path)]) == 1
    assert 'POSE does not exist' in capsys.readouterr().err
