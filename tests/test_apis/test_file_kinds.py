"""Kinds of inputs do not depend on the machine, and folders are read as people have them."""
import mimetypes

import cv2
import numpy as np
import pytest
from video_files import greys, write_video

from mmpose_integral.apis.file_kinds import images_of, kind_of, left_out_of
from mmpose_integral.apis.media import Media


@pytest.fixture(params=['no list', 'list of Linux'])
def machine(request, monkeypatch):
    """A machine without /etc/mime.types, and one whose list has other kinds for the endings of videos."""
    types = mimetypes.MimeTypes(filenames=())
    if request.param == 'no list':
        types.types_map = ({}, {})
    else:
        types.add_type('text/vnd.trolltech.linguist', '.ts')
        types.add_type('application/octet-stream', '.mp4')
    monkeypatch.setattr(mimetypes, '_db', types)
    monkeypatch.setattr(mimetypes, 'inited', True)


@pytest.mark.parametrize('ending', ['mkv', 'webm', 'wmv', 'm4v', 'ts', 'mts', 'm2ts', '3gp', 'MP4', 'mov', 'avi'])
def test_videos_by_ending(ending, machine, tmp_path):
    path = tmp_path / f'walk.{ending}'
    path.write_bytes(b'anything')
    assert kind_of(str(path)) == 'video' and kind_of(f'http://127.0.0.1:9/walk.{ending}?quality=high') == 'video'


@pytest.mark.parametrize('name, code', [('a.mp4', 'mp4v'), ('a.mov', 'mp4v'), ('a.avi', 'MJPG'), ('a.mkv', 'MJPG'),
                                        ('a.webm', 'VP80'), ('a.ts', 'MPEG')])
def test_videos_by_content(name, code, machine, tmp_path):
    path = write_video(tmp_path / name, greys(12, step=20), code=code)
    bare = path.rename(tmp_path / 'without_ending')
    assert kind_of(str(bare)) == 'video' and len(list(Media(bare))) == 12


@pytest.mark.parametrize('name', ['a.jpg', 'a.JPEG', 'a.webp', 'a.png', 'a.tiff', 'a.bmp'])
def test_pictures(name, machine, tmp_path):
    path = tmp_path / name
    path.write_bytes(cv2.imencode(path.suffix.lower(), np.full((6, 8, 3), 90, np.uint8))[1].tobytes())
    assert images_of(tmp_path) == [str(path)]
    bare = path.rename(tmp_path / 'without_ending')
    assert kind_of(str(bare)) == 'picture' and [int(frame.image.mean()) for frame in Media(bare)] == [90]


def test_hidden_files_are_skipped_and_others_named(tmp_path):
    for name in ('b.jpg', 'a10.png', 'a9.png', '._b.jpg', '.b.123.part.jpg', 'raw.CR2', 'raw2.cr2', 'phone.heic',
                 'walk.mov', 'notes.txt', 'Thumbs.db'):
        (tmp_path / name).touch()
    (tmp_path / 'folder.jpg').mkdir()
    assert images_of(tmp_path) == [str(tmp_path / name) for name in ('a9.png', 'a10.png', 'b.jpg')]
    assert left_out_of(tmp_path) == '4 files left out: .cr2, .heic, .mov'
    for name in ('b.jpg', 'a10.png', 'a9.png'):
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=r'no images in this folder that OpenCV can read; 4 files left out: \.cr2'):
        Media(tmp_path)


def test_jpegs_in_a_row_are_a_video_as_a_file_and_a_stream_as_an_address(tmp_path):
    path = tmp_path / 'a.mjpeg'
    path.write_bytes(b''.join(cv2.imencode('.jpg', image)[1].tobytes() for image in greys(4)))
    assert kind_of(str(path)) == 'video' and kind_of('http://127.0.0.1:9/a.mjpeg') == 'stream'
    assert len(list(Media(path))) == 4


def test_a_folder_is_no_video_whatever_its_name(tmp_path):
    folder = tmp_path / 'walk.mp4'
    folder.mkdir()
    cv2.imwrite(str(folder / 'a.png'), np.full((6, 8, 3), 90, np.uint8))
    assert kind_of(str(folder)) == 'picture' and not Media(folder).is_video and Media(folder).count == 1
