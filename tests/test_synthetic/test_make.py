import json
import os
import signal
import time

import cv2
import pytest

from mmpose_integral.cli.main import run_command
from mmpose_integral.synthetic import make_standin, parts
from mmpose_integral.synthetic.preview import save_preview
from mmpose_integral.utils.errors import ExpectedError

_SMALL = dict(num_train=5, num_val=3, num_test=2, num_mpii=3, num_coco=2, image_size=64, progress=False)
_ONE_FRAME = dict(num_train=1, num_val=0, num_test=0, num_mpii=0, num_coco=0, num_workers=0, progress=False)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp('made')
    make_standin(root, num_workers=1, **_SMALL)
    return root


def test_workers_do_not_change_a_byte(made, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, 'CHUNK', 2)
    assert make_standin(tmp_path, num_workers=3, **_SMALL)['images'] == 15
    expected, found = ({path.relative_to(root): path.read_bytes() for path in root.rglob('*') if path.is_file()}
                       for root in (made, tmp_path))
    assert expected.keys() == found.keys() and len(found) > 25
    assert not [name for name in expected if expected[name] != found[name]]


def test_frames_do_not_depend_on_the_counts(made, tmp_path):
    make_standin(tmp_path, image_size=64, **{**_ONE_FRAME, 'num_train': 2, 'num_mpii': 1})
    for name in ('h80k/Train/IMG/00002.jpg', 'h80k/Train/POSE/00001.csv', 'mpii/images/000000001.jpg'):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()
    assert not list((tmp_path / 'h80k' / 'Val' / 'IMG').iterdir())


def test_stopped_run_continues_and_finished_run_draws_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, 'CHUNK', 2)
    drawn, render_frame = [], parts.render_frame

    def stop_at_val(seed, split, index, *arguments, **options):
        if split == 'val':
            raise KeyboardInterrupt
        drawn.append(index)
        return render_frame(seed, split, index, *arguments, **options)

    monkeypatch.setattr(parts, 'render_frame', stop_at_val)
    with pytest.raises(KeyboardInterrupt):
        make_standin(tmp_path, num_workers=1, **_SMALL)
    assert drawn == [0, 1, 2, 3, 4]
    monkeypatch.setattr(parts, 'render_frame', render_frame)
    assert make_standin(tmp_path, num_workers=1, **_SMALL)['images'] == 10
    assert make_standin(tmp_path, num_workers=1, **_SMALL)['images'] == 0
    assert not (tmp_path / 'parts').exists()


def test_a_killed_worker_ends_the_run_with_a_message_and_the_next_run_continues(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, 'CHUNK', 2)

    def be_killed(*arguments, **options):
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(parts, 'render_frame', be_killed)
        with pytest.raises(ExpectedError, match='has ended early.* The same command continues'):
            make_standin(tmp_path, num_workers=2, **_SMALL)
    make_standin(tmp_path, num_workers=2, **_SMALL)
    assert len(list((tmp_path / 'h80k' / 'Train' / 'IMG').iterdir())) == 5 and not (tmp_path / 'parts').exists()


def test_an_error_does_not_wait_for_the_other_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, 'CHUNK', 1)

    def fail_or_hang(seed, split, index, *arguments, **options):
        if index == 2:
            raise OSError('no space')
        time.sleep(300)

    monkeypatch.setattr(parts, 'render_frame', fail_or_hang)
    start = time.monotonic()
    with pytest.raises(OSError, match='no space'):
        make_standin(tmp_path, num_workers=3, **_SMALL)
    assert time.monotonic() - start < 60


def test_other_parameters_in_the_same_folder_are_refused(tmp_path):
    make_standin(tmp_path, image_size=64, **_ONE_FRAME)
    product = tmp_path / 'h80k' / 'annotations' / 'product.json'
    product.write_text('{}')
    with pytest.raises(ValueError, match='seed: 0 there, 1 requested.*--fresh'):
        make_standin(tmp_path, image_size=64, seed=1, **_ONE_FRAME)
    with pytest.raises(ValueError, match='image_size: 64 there, 96 requested'):
        make_standin(tmp_path, image_size=96, **_ONE_FRAME)
    make_standin(tmp_path, image_size=96, fresh=True, **_ONE_FRAME)
    assert json.loads((tmp_path / 'standin.json').read_text())['image_size'] == 96
    assert not product.exists()


def test_fresh_does_not_delete_the_folders_of_others(tmp_path):
    (tmp_path / 'h80k').mkdir()
    (tmp_path / 'h80k' / 'thesis.txt').write_text('years of work')
    with pytest.raises(FileExistsError, match='was not made by make_standin'):
        make_standin(tmp_path, fresh=True, **_SMALL)
    assert (tmp_path / 'h80k' / 'thesis.txt').exists()


@pytest.mark.parametrize('wrong, message', [
    (dict(num_train=-1), 'num_train: a whole number >= 0'), (dict(image_size=20), 'image_size: a whole number >= 64'),
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
    with pytest.raises(FileNotFoundError, match='mmpose-integral make-standin'):
        save_preview(tmp_path, tmp_path / 'sheet.jpg')


def test_command_line(made, tmp_path, capsys):
    arguments = ['--root', str(made), '--num-train', '5', '--num-val', '3', '--num-test', '2', '--num-mpii', '3',
                 '--num-coco', '2', '--image-size', '64']
    assert run_command('make-standin', [*arguments, '--preview', str(tmp_path / 'a.png')]) == 0
    output = capsys.readouterr().out
    assert '0 images drawn' in output and 'mean skeleton length, val' in output
    assert (tmp_path / 'a.png').exists()
    assert run_command('make-standin', [*arguments, '--seed', '9']) == 1
    assert 'seed: 0 there, 9 requested' in capsys.readouterr().err
