"""Contents of the page, check of uploads, and the command that serves it; no other part needs gradio or plotly."""
import ast
import json
import os
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

import mmpose_integral.apis
from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.cli.main import run_command
from mmpose_integral.web.answer import at_bone_length, describe, draw_picture, draw_view

pytest.importorskip('gradio', reason='gradio is not installed (pip install gradio plotly)')
pytest.importorskip('plotly', reason='plotly is not installed (pip install gradio plotly)')
from mmpose_integral.web import app  # noqa: E402

PACKAGE = Path(__file__).parents[2] / 'mmpose_integral'


@pytest.mark.parametrize('camera', [{}, dict(focal_length=300.0)])
def test_people_at_any_bone_length_are_those_of_the_api(counting, pictures, camera):
    path = pictures / 'two_people.jpg'
    kept = counting.people(path, **camera)
    before = json.dumps(kept)
    assert len(kept) == 2 and kept[0]['camera']['focal_length_source'] == ('argument' if camera else 'default')
    for length in (3000, 5217.5):
        counting.check(json.loads(json.dumps(at_bone_length(kept, length))), path, bone_length=length, **camera)
    assert json.dumps(kept) == before
    with pytest.raises(ValueError, match='positive lengths expected'):
        at_bone_length(kept, -1)


def test_focal_length_of_a_model_with_perspective_labels(pictures, tmp_path):
    inferencer = MMPoseInferencer(pose3d='standin', device='cpu')
    photo, path = Image.open(pictures / 'one_person.jpg'), tmp_path / 'exif.jpg'
    exif = photo.getexif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 50
    photo.save(path, exif=exif, quality=95)
    with app.gr.Blocks():
        page = app._Page(inferencer, 1_000_000, [])
    assert page.focal.visible
    for given, source in ((None, 'exif'), (0, 'exif'), (444, 'argument')):  # gradio may send 0 for an empty field
        people, _ = page._analyse(dict(path=str(path)), False, given, 0, [0])
        expected = next(inferencer(str(path), **(dict(focal_length=given) if given else {})))['predictions'][0]
        assert people == expected and people[0]['camera']['focal_length_source'] == source
    with pytest.warns(UserWarning, match='focal_length: a positive number of px'):
        assert page._analyse(dict(path=str(path)), False, -3, 0, [0]) == (None, None)


@pytest.mark.parametrize('error', [None, ValueError('cannot be decoded')])
def test_a_result_or_message_is_returned_for_the_last_request_only(counting, pictures, error, recwarn):
    with app.gr.Blocks():
        page = app._Page(counting, 1_000_000, [])
    photo, latest, calls = dict(path=str(pictures / 'one_person.jpg')), [0], counting.calls
    first = page._clear(latest)[0]
    people, picture = page._analyse(photo, False, None, first, latest)
    assert len(people) == 1 and picture.ndim == 3 and counting.calls == calls + 1

    def replaced(*args, **kwargs):
        page._clear(latest)
        if error:
            raise error
        return counting(*args, **kwargs)

    page.inferencer = replaced
    assert page._analyse(photo, False, None, first, latest) == app.gr.skip() and latest == [2]
    assert page._analyse(photo, False, None, first, latest) == app.gr.skip() and latest == [2]  # not run any more
    assert 'cannot be decoded' not in ' '.join(str(each.message) for each in recwarn)
    assert page._analyse(None, False, None, 2, latest) == (None, None)


def test_picture_table_and_view_of_two_people(counting, pictures):
    people = counting.people(pictures / 'two_people.jpg')
    image = np.asarray(Image.open(pictures / 'two_people.jpg'))
    plain, drawn = draw_picture(image, []), draw_picture(image, people)
    assert plain.shape == drawn.shape and max(drawn.shape) == 640
    x0, y0, x1, y1 = (np.array(people[1]['bbox'][0]) * 640 / max(image.shape)).round().astype(int)
    changed = np.abs(plain.astype(int) - drawn).max(axis=2) > 30
    assert changed[max(y0, 0):y1, x1 - 2:x1 + 3].any(axis=1).mean() > 0.9  # the box's right edge
    lines = describe(people).splitlines()
    assert len(lines) == 4 and f'| {people[1]["bone_length"]:.1f} | {people[1]["bbox_score"]:.2f} |' in lines[3]
    view = json.loads(draw_view(people, 6000))
    names = [trace['name'] for trace in view['data']]
    assert names.count('left') == 2 and {'person 0', 'person 1'} <= set(names)
    order = [np.min(view['data'][names.index(f'person {n}')]['x']) for n in (0, 1)]
    assert np.diff(order) * (people[1]['bbox'][0][0] - people[0]['bbox'][0][0]) > 0  # as in the photo
    assert 'No person was detected' in describe([])


@pytest.mark.parametrize('name, message', [
    ('text.jpg', 'not a readable picture; JPEG, PNG, WEBP, BMP'), ('drawing.svg', 'not a readable picture'),
    ('moving.gif', 'not a readable picture'), ('12000.png', '12000 x 12000 px. At most 100 megapixels'),
    ('30000.png', 'too large. At most 100 megapixels'), ('large.jpg', r'has 2.0 MB; at most 1.0 MB')])
def test_other_files_and_large_photos_are_refused(name, message, pictures):
    with pytest.raises(ValueError, match=message) as caught:
        app.check_photo(pictures / name, 1_000_000)
    assert str(pictures) not in str(caught.value)  # no path of the server


def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / 'photo.jpg')
    with pytest.raises(ValueError, match='not a file'):
        app.check_photo(tmp_path / 'photo.jpg', 1_000_000)


def test_photos_are_recognised_by_content(pictures, tmp_path):
    for kind in ('jpeg', 'png', 'webp', 'bmp'):
        Image.open(pictures / 'turned.jpg').save(tmp_path / 'photo.txt', format=kind)
        app.check_photo(tmp_path / 'photo.txt', 1_000_000)


@pytest.mark.parametrize('args, message', [
    (['--max-size-mb', '0'], 'a positive number expected, got 0'), (['--port', '0'], '1 to 65535 expected'),
    (['--trusted-host', 'https://a.org'], 'without scheme and port expected, got https://a.org'),
    (['--auth', 'name'], 'NAME:PASSWORD expected'), (['--auth', ':x'], 'NAME:PASSWORD expected')])
def test_wrong_arguments_are_named(args, message, capsys):
    with pytest.raises(SystemExit) as stop:
        run_command('demo', args)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_the_reason_for_a_failed_start_is_given(capsys, monkeypatch, tmp_path, free_port):
    def error_of(*args):
        assert run_command('demo', ['--port', str(free_port), '--device', 'cpu', *args]) == 1
        return capsys.readouterr().err

    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    with socket.create_server(('127.0.0.1', free_port)):
        message = error_of()
    assert f'port {free_port}: ' in message and 'another --port' in message
    assert 'absent.py: no such config file' in error_of('--model', 'absent.py')
    assert '--model human3d: a model of this package expected' in error_of('--model', 'human3d')
    monkeypatch.setitem(sys.modules, 'gradio', None)
    monkeypatch.delitem(sys.modules, 'mmpose_integral.web.app')
    assert 'gradio is not installed: pip install gradio plotly' in error_of()


@pytest.mark.parametrize('args, words', [
    ([], ''), (['--host', '0.0.0.0'], 'without a login (see --auth)'),
    (['--host', '0.0.0.0', '--auth', 'a:b:c'], 'after a login')])
def test_a_page_for_the_network_is_announced(args, words, counting, capsys, monkeypatch, tmp_path, free_port):
    launched = []
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path))
    (tmp_path / 'aliases.json').write_text('{')  # damaged; models of the index do not need it
    monkeypatch.setattr(mmpose_integral.apis, 'MMPoseInferencer', lambda **kwargs: counting)
    monkeypatch.setattr(app, 'launch_app', lambda app, *rest: launched.append(rest))
    more = ['--port', str(free_port), '--max-size-mb', '3', '--trusted-host', 'a.org', '--trusted-host', 'b.org']
    assert run_command('demo', [*args, *more]) == 0
    host, _, auth, *rest = launched[0]
    assert (host, rest) == ('0.0.0.0' if args else '127.0.0.1', [3, ['a.org', 'b.org']])
    assert auth == (('a', 'b:c') if 'a:b:c' in args else None)
    said = capsys.readouterr().err
    assert words in said and bool(said) == bool(words)


def test_the_package_does_not_need_gradio_or_plotly():
    """Only the page and the 3D view import them or a module that needs them at the top."""
    optional, found = {'gradio', 'plotly', 'starlette', 'web', 'app', 'blocks', 'guard', 'figure_3d'}, set()
    for path in PACKAGE.rglob('*.py'):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            names.append((getattr(node, 'module', None) or '') if isinstance(node, ast.ImportFrom) else '')
            if {part for name in names for part in name.split('.')} & optional:
                found.add(path.stem)
    assert found == {'app', 'blocks', 'guard', 'visitors', 'figure_3d'}
