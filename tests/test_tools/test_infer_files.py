"""The command infer with files as users have them: originals, odd names, bombs, damaged videos, addresses."""
import os
import shutil

import cv2
import numpy as np
import pytest
from bad_pictures import png
from small_training import files_in
from video_files import damage_frame, set_durations, ticks_per_second, write_video

from mmpose_integral.formats.people_table import read_npz

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture
def photos(frames, tmp_path):
    """Folder of three photos, 00001.jpg to 00003.jpg."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for frame in frames[:3]:
        shutil.copy(frame, folder)
    return folder


@pytest.mark.parametrize('args, name', [
    (['{photos}', '--vis-out-dir', '{photos}'], '00001.jpg'),
    (['{photos}', '--vis-out-dir', '{photos}/../link'], '00001.jpg'),
    (['walk.mp4', '--vis-out-dir', '.'], 'walk.mp4'),
    (['{photos}', 'walk.mp4', '--csv', 'walk.mp4'], 'walk.mp4'),
    (['walk.npz', '--npz', 'walk.npz'], 'walk.npz'),
    (['{photos}/00001.jpg', '--vis-out-dir', '{photos}/../link/00001.jpg'], '00001.jpg'),
    (['walk.json', '--pred-out-dir', '.'], 'walk.json')])
def test_originals_are_never_replaced(args, name, infer, photos, video, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'link').symlink_to(photos)
    for ending in ('mp4', 'npz', 'json'):  # pictures and videos are recognised by their content, too
        shutil.copy(video, f'walk.{ending}')
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    assert infer(*(arg.format(photos=photos) for arg in args), model=('--pose3d', 'unknown')) == 1  # before the model
    err = capsys.readouterr().err
    assert f'{name} would replace an input of this call' in err and err.count('\n') == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


def test_folders_as_people_have_them(infer, photos, tmp_path, capsys):
    for name in ('._00001.jpg', 'a.heic', 'b.CR2', 'c.cr2'):
        (photos / name).write_text('text')
    (photos / 'bomb.png').write_bytes(png(60_000, 60_000))
    (photos / 'zero.jpg').touch()
    folder = photos.rename(tmp_path / 'my.photos.mp4')
    out = tmp_path / 'out.v2'
    out.mkdir()
    assert infer(folder, '--whole-image', '--vis-out-dir', out) == 1
    printed, err = capsys.readouterr()
    assert printed.startswith('3 images (3 people, 0 without a person), 2 failed')
    first, *others = err.splitlines()
    assert first == f'infer: {folder}: 3 files left out: .cr2, .heic'
    assert [line.split('/')[-1].split(' ')[0] for line in others] == ['bomb.png', 'zero.jpg']
    assert files_in(out) == ['00001.jpg', '00002.jpg', '00003.jpg']


def test_names_that_are_no_utf_8(infer, frames, video, tmp_path, capsys):
    """OpenCV would end the process with a segmentation fault."""
    for source, name in ((frames[0], b'\xff\xe9.jpg'), (video, b'\xff.mp4')):
        shutil.copy(source, os.path.join(os.fsencode(tmp_path), name))
    inputs = [os.fsdecode(os.path.join(os.fsencode(tmp_path), name)) for name in (b'\xff\xe9.jpg', b'\xff.mp4')]
    out = tmp_path / 'out'
    assert infer(*inputs, '--whole-image', '--out-dir', out, '--csv', out / 'a.csv', '--npz', out / 'a.npz') == 0
    assert [os.fsencode(name) for name in files_in(out)] == [
        b'a.csv', b'a.npz', b'predictions/\xff.json', b'predictions/\xff\xe9.json', b'visualizations/\xff.mp4',
        b'visualizations/\xff\xe9.jpg']
    assert set(read_npz(out / 'a.npz')['frame_path']) == set(inputs)
    assert r'\udcff\udce9.jpg' in (out / 'a.csv').read_text()
    (tmp_path / 'broken').write_text('text')
    os.rename(tmp_path / 'broken', os.path.join(os.fsencode(tmp_path), b'\xfe.jpg'))
    capsys.readouterr()
    assert infer(os.fsdecode(os.path.join(os.fsencode(tmp_path), b'\xfe.jpg')), '--pred-out-dir', out) == 1
    assert r'\udcfe.jpg cannot be decoded as an image' in capsys.readouterr().err


def test_outputs_fail_one_by_one(infer, photos, video, tmp_path, capsys):
    out = tmp_path / 'out'
    for blocked in ('visualizations/00002.jpg', 'predictions/00001.json', 'visualizations/walk.mp4'):
        (out / blocked / 'full').mkdir(parents=True)
    table = tmp_path / f'{"n" * 250}.csv'  # its temporary name is too long
    assert infer(photos, video, '--whole-image', '--out-dir', out, '--csv', table, '--npz', out / 'all.npz') == 1
    printed, err = capsys.readouterr()
    assert printed.startswith('3 images (3 people, 0 without a person), 1 video (7 frames') and ', 3 failed,' in printed
    lines = err.splitlines()
    assert len(lines) == 3 and all(line.startswith('infer: ') for line in lines)
    assert '1 further output' in lines[0] and 'walk.mp4' in lines[1] and 'File name too long' in lines[2]
    assert files_in(out) == ['all.npz', 'predictions/00002.json', 'predictions/00003.json',
                             'predictions/walk.json', 'visualizations/00001.jpg', 'visualizations/00003.jpg']
    assert len(read_npz(out / 'all.npz')['frame_path']) == 3 + 7


def test_damaged_videos_and_videos_of_variable_rate(infer, frames, tmp_path, capsys):
    picture = cv2.imread(str(frames[0]))
    damaged, phone = (write_video(tmp_path / name, [picture] * 6, code=code)
                      for name, code in (('damaged.avi', 'MJPG'), ('phone.mp4', 'mp4v')))
    damage_frame(damaged, 2)
    ticks = ticks_per_second(phone)
    set_durations(phone, [ticks // 10] * 3 + [ticks] * 3)
    table = tmp_path / 'all.npz'
    assert infer(damaged, phone, '--whole-image', '--smooth', '--npz', table) == 1
    printed, err = capsys.readouterr()
    assert '2 videos (11 frames, 11 poses, 0 without a person), 1 failed' in printed
    assert err == (f'infer: {damaged}: 5 of 6 frames could be decoded; the others are damaged\n')
    np.testing.assert_allclose(read_npz(table)['frame_time_s'],
                               [0, 0.1, 0.3, 0.4, 0.5, 0, 0.1, 0.2, 0.3, 1.3, 2.3], atol=2e-3)


def test_bad_addresses_stop_nothing_else(infer, frames, tmp_path, capsys):
    bad = ['ftp://127.0.0.1:9/a.jpg', 's3://bucket/b.mp4', 'http://127.0.0.1:9/c', 'rtsp://127.0.0.1:9/d']
    assert infer(*bad, frames[0].as_uri(), '--whole-image', '--out-dir', tmp_path) == 1
    printed, err = capsys.readouterr()
    assert printed.startswith('1 image (1 person, 0 without a person), 4 failed')
    assert [address in line for address, line in zip(bad, err.splitlines(), strict=True)] == [True] * 4
    assert files_in(tmp_path / 'visualizations') == [frames[0].name]
