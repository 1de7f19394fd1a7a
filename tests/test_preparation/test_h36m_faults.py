"""What is wrong or missing in a tree of Human3.6M is named."""
import os
import pickle
import re
import shutil

import numpy as np
import pytest
from h36m_tree import CAMERAS, camera_entry, convert, h36m_to_h80k

from mmpose_integral.formats.h80k_index import scan_split
from mmpose_integral.preparation.h36m import read_cameras


def test_a_folder_of_other_origin_is_left_alone(tree, tmp_path, capsys):
    (tmp_path / 'out/Train/IMG').mkdir(parents=True)
    (tmp_path / 'out/Train/IMG/00001.jpg').write_bytes(b'precious')
    for options in ([], ['--fresh']):
        assert convert(tree[0], tmp_path / 'out', *options) == 1
        assert 'holds data that this tool did not make' in capsys.readouterr().err
    assert (tmp_path / 'out/Train/IMG/00001.jpg').read_bytes() == b'precious'


def rewrite(path, **changes):
    arrays = dict(np.load(path))
    np.savez(path, **{key: change(arrays[key]) for key, change in changes.items()},
             **{key: array for key, array in arrays.items() if key not in changes})


@pytest.mark.parametrize('change, message', [
    (dict(S=lambda S: S[:-1]), r'h36m_train\.npz: S of shape \(60, 17, 4\) expected .*got \(59, 17, 4\)'),
    (dict(S=lambda S: S * 1000), r'the root of S1.* m away, 0\.5 to 50 expected; S must be in metres'),
    (dict(S=lambda S: S - (0.4, 0, 0, 0)), r'annotated 2D joints are .* px off the projected 3D joints'),
    (dict(S=lambda S: S * np.nan), r'48 frames have joints that are not finite'),
    (dict(imgname=lambda names: np.char.replace(names, '_Walk', '/Walk')), r"h36m_train\.npz: image name 'S1/")])
def test_wrong_annotations_say_so(tree, tmp_path, capsys, change, message):
    rewrite(tree[0] / 'annotation_body3d/fps10/h36m_train.npz', **change)
    assert convert(tree[0], tmp_path / 'out', '--val-subjects') == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / 'out').exists()


class Command:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_wrong_cameras_say_so(tree, tmp_path, capsys):
    path = tree[0] / 'annotation_body3d/cameras.pkl'
    cameras = pickle.loads(path.read_bytes())
    less = {key: entry for key, entry in cameras.items() if key != ('S8', CAMERAS[1])}
    path.write_bytes(pickle.dumps(less))
    assert convert(tree[0], tmp_path / 'out') == 1
    assert f'cameras.pkl has no camera {CAMERAS[1]} of S8' in capsys.readouterr().err
    for content in (dict(a=1), [1], {('S1', '5'): dict(R=np.eye(3))}, {('S1', '5'): camera_entry(k=(1, 2))},
                    {('S1', '5'): {**camera_entry(), 'R': np.ones((3, 3))}}):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(ValueError, match=r"cameras\.pkl: a dict of \('S1', '54138969'\) to R, T"):
            read_cameras(path)
    path.write_bytes(pickle.dumps({**cameras, 'extra': Command(f'touch {tmp_path / "ran"}')}))
    assert convert(tree[0], tmp_path / 'out') == 1
    assert 'which is no plain data' in capsys.readouterr().err and not (tmp_path / 'ran').exists()
    path.unlink()
    assert convert(tree[0], tmp_path / 'out') == 1
    assert 'cameras.pkl do not exist; make it with' in capsys.readouterr().err


def test_missing_images(tree, tmp_path, capsys):
    shutil.rmtree(tree[0] / f'images/S11/S11_Walk_Dog_1.{CAMERAS[0]}')
    assert convert(tree[0], tmp_path / 'out') == 1
    assert '3 of 12 images are not there, first ' in capsys.readouterr().err
    assert convert(tree[0], tmp_path / 'out', '--skip-missing') == 0
    index, faults = scan_split(tmp_path / 'out', 'Test')
    assert not faults and index.frame_ids.tolist() == list(range(1, 10))


def test_missing_subjects_annotations_and_too_many_frames(tree, tmp_path, capsys, monkeypatch):
    (tree[0] / 'annotation_body3d/fps10/h36m_test.npz').unlink()
    assert convert(tree[0], tmp_path / 'out') == 1
    assert 'no frames of S9, S11; preprocess these' in capsys.readouterr().err
    assert convert(tree[0], tmp_path / 'out', '--fps', '50') == 1
    assert 'fps50 has neither h36m_train.npz nor h36m_test.npz' in capsys.readouterr().err
    monkeypatch.setattr(h36m_to_h80k, 'MAX_FRAMES', 23)
    assert convert(tree[0], tmp_path / 'out', '--test-subjects') == 1
    assert 'Train would have 24 frames; file names have five digits, so at most 23 fit' in capsys.readouterr().err
    for options in (['--val-subjects', '8', 'S1'], ['--step', '0']):
        with pytest.raises(SystemExit):
            convert(tree[0], tmp_path / 'out', *options)
