import shutil

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
