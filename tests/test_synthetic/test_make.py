import json
import runpy
import sys
from pathlib import Path

import cv2
import pytest

from mmpose_integral.synthetic import make_standin, parts
from mmpose_integral.synthetic.preview import save_preview

_SMALL = dict(num_train=5, num_val=3, num_test=2, num_mpii=3, num_coco=2, image_size=64, progress=False)


def _contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp('made')
    make_standin(root, num_workers=1, **_SMALL)
    return root


def test_workers_do_not_change_a_byte(made, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, 'CHUNK', 2)
    summary = make_standin(tmp_path / 'b', num_workers=3, **_SMALL)
    assert summary['images'] == 15
    expected, found = _contents(made), _contents(tmp_path / 'b')
    assert expected.keys() == found.keys() and len(found) > 25
    assert not [name for name in expected if expected[name] != found[name]]


def test_frames_do_not_depend_on_the_counts(made, tmp_path):
    make_standin(tmp_path, num_train=2, num_val=0, num_test=0, num_mpii=1, num_coco=0, image_size=64, num_workers=0,
                 progress=False)
    for name in ('h80k/Train/IMG/00002.jpg', 'h80k/Train/POSE/00001.csv', 'mpii/images/000000001.jpg'):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()
    assert not list((tmp_path / 'h80k' / 'Val' / 'IMG').iterdir())


def test_second_run_draws_nothing_and_a_cut_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, 'CHUNK', 2)
    drawn = []
    original = parts._draw_studio_chunk

    def stops_at_val(root, seed, image_size, split, start, stop):
        if split == 'val':
            raise KeyboardInterrupt
        drawn.append((split, start))
        return original(root, seed, image_size, split, start, stop)

    monkeypatch.setattr(parts, '_draw_studio_chunk', stops_at_val)
    with pytest.raises(KeyboardInterrupt):
        make_standin(tmp_path, num_workers=1, **_SMALL)
    assert drawn == [('train', 0), ('train', 2), ('train', 4)]
    monkeypatch.setattr(parts, '_draw_studio_chunk', original)
    assert make_standin(tmp_path, num_workers=1, **_SMALL)['images'] == 10
    assert make_standin(tmp_path, num_workers=1, **_SMALL)['images'] == 0
    assert not (tmp_path / 'parts').exists() and not list(tmp_path.rglob('*.tmp'))


def test_other_parameters_in_the_same_folder_are_refused(tmp_path):
    few = dict(num_train=1, num_val=0, num_test=0, num_mpii=0, num_coco=0, num_workers=1, progress=False)
    make_standin(tmp_path, image_size=64, **few)
    (tmp_path / 'h80k' / 'annotations' / 'product.json').write_text('{}')
    with pytest.raises(ValueError, match='seed 0 there, 1 asked.*--fresh'):
        make_standin(tmp_path, image_size=64, seed=1, **few)
    with pytest.raises(ValueError, match='image_size 64 there, 96 asked'):
        make_standin(tmp_path, image_size=96, **few)
    make_standin(tmp_path, image_size=96, fresh=True, **few)
    assert json.loads((tmp_path / 'standin.json').read_text())['image_size'] == 96
    assert not (tmp_path / 'h80k' / 'annotations' / 'product.json').exists()


def test_fresh_leaves_a_strangers_folder_alone(tmp_path):
    (tmp_path / 'h80k').mkdir()
    (tmp_path / 'h80k' / 'thesis.txt').write_text('years of work')
    with pytest.raises(FileExistsError, match='was not made by make_standin'):
        make_standin(tmp_path, fresh=True, **_SMALL)
    assert (tmp_path / 'h80k' / 'thesis.txt').exists()


@pytest.mark.parametrize('wrong, message', [
    (dict(num_train=-1), 'num_train: a whole number >= 0'), (dict(image_size=20), 'image_size: .* at least 64'),
    (dict(seed=-2), 'seed: a whole number >= 0'), (dict(num_coco=1.5), 'num_coco')])
def test_numbers_out_of_range_are_refused(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        make_standin(tmp_path, **{**_SMALL, **wrong})
    assert not list(tmp_path.iterdir())


def test_preview(made, tmp_path):
    save_preview(made, tmp_path / 'sheet.jpg', per_part=2)
    sheet = cv2.imread(str(tmp_path / 'sheet.jpg'))
    assert sheet.shape[0] > sheet.shape[1] > 300 and sheet.std() > 20
    with pytest.raises(ValueError, match='.jpg or .png'):
        save_preview(made, tmp_path / 'sheet.gif')
    with pytest.raises(FileNotFoundError, match='make_standin.py'):
        save_preview(tmp_path, tmp_path / 'sheet.jpg')


def test_command_line(made, tmp_path, monkeypatch, capsys):
    tool = str(Path(__file__).resolve().parents[2] / 'tools' / 'make_standin.py')
    arguments = [tool, '--root', str(made), '--num-train', '5', '--num-val', '3', '--num-test', '2', '--num-mpii', '3',
                 '--num-coco', '2', '--image-size', '64']
    monkeypatch.setattr(sys, 'argv', [*arguments, '--preview', str(tmp_path / 'a.png')])
    runpy.run_path(tool, run_name='__main__')
    said = capsys.readouterr().out
    assert '0 images drawn' in said and 'mean skeleton length, val' in said
    assert (tmp_path / 'a.png').exists()
    monkeypatch.setattr(sys, 'argv', [*arguments, '--seed', '9'])
    with pytest.raises(SystemExit, match='make_standin: .*seed 0 there, 9 asked'):
        runpy.run_path(tool, run_name='__main__')
