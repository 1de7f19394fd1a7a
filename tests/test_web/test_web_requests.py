"""Requests beside the page's own, over HTTP: other hosts and sites, foreign files, wrong types, and very many."""
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip('gradio', reason='gradio is not installed (pip install gradio plotly)')
pytest.importorskip('plotly', reason='plotly is not installed (pip install gradio plotly)')
import httpx  # noqa: E402

from mmpose_integral.web import blocks, guard, visitors  # noqa: E402
from mmpose_integral.web.app import build_app, launch_app  # noqa: E402

NOT_YOURS = 'The photo was not sent by you, or it is no longer on the server; send it again.'
WRONG = 'The request has inputs that this page does not send.'
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning', 'ignore:.*copy keyword',
                                        'ignore:.*no_silent_downcasting')


def as_photo(path):
    return dict(path=path, meta=dict(_type='gradio.FileData'))


def test_files_answers_and_sessions_belong_to_their_visitor(served, visitor, new_visitor, pictures):
    path = visitor.upload(pictures / 'one_person.jpg')
    answer = visitor.call(visitor.analyse, [as_photo(path), False, None, 0, None])
    picture = answer['output']['data'][1]['path']
    people = visitor.call(visitor.show, [None, 4000])['output']['data'][2]['value']['path']
    assert visitor.file(path).content == (pictures / 'one_person.jpg').read_bytes()
    assert visitor.file(picture).headers['content-type'] == 'image/jpeg'
    assert visitor.file(people).json()[0]['bone_length'] == 4000
    other = new_visitor()
    assert other.http.cookies[visitors.COOKIE] != visitor.http.cookies[visitors.COOKIE]
    for each in (path, picture, people):
        assert other.file(each).status_code == httpx.get(f'{served[0]}gradio_api/file={each}').status_code == 403
    assert other.call(other.analyse, [as_photo(path), False, None, 0, None])['output']['error'] == NOT_YOURS
    other.session = visitor.session
    assert other.join(other.show, [None, 4000]).status_code == 403
    with pytest.raises(httpx.HTTPStatusError, match='403'):
        other.read()
    assert other.http.get(f'/gradio_api/heartbeat/{visitor.session}').status_code == 403


def test_examples_belong_to_everybody(visitor, watched):
    calls = watched.own.calls
    loaded = visitor.http.post('/gradio_api/run/predict', json=dict(
        data=[0], fn_index=visitor.load, session_hash=visitor.session)).json()['data'][0]
    photo = loaded.get('value', loaded)
    answer = visitor.call(visitor.analyse, [photo, False, None, 0, None])
    assert answer['success'] and watched.own.calls == calls + 1 and visitor.file(photo['path']).status_code == 200


@pytest.mark.parametrize('marked', [True, False])
def test_other_paths_are_refused_without_a_look_at_them(marked, served, visitor, watched, pictures, tmp_path,
                                                        monkeypatch, capfd):
    """An existing photo, an absent one, a pipe, a folder and a path through the upload folder give the same answer."""
    secret = tmp_path / 'secret'
    secret.mkdir()
    (secret / 'photo.jpg').write_bytes((pictures / 'one_person.jpg').read_bytes())
    os.mkfifo(secret / 'pipe.jpg')
    own, calls, asked = visitor.upload(pictures / 'one_person.jpg'), watched.own.calls, []
    paths = [str(secret), *(str(secret / name) for name in ('photo.jpg', 'absent.jpg', 'pipe.jpg')),
             os.path.relpath(secret / 'photo.jpg', served[1]), f'{own}/../{secret.name}', f'file://{secret}/photo.jpg']
    for function in ('stat', 'lstat', 'open'):
        real = getattr(os, function)
        monkeypatch.setattr(os, function, lambda path, *args, real=real, **kwargs: (
            asked.append(str(path)), real(path, *args, **kwargs))[1])
    for path in paths:
        answer = visitor.call(visitor.analyse, [as_photo(path) if marked else dict(path=path), True, None, 0, None])
        assert (answer['success'], answer['output']['error']) == (False, NOT_YOURS)
        assert visitor.file(path).json() == dict(detail='This file was not sent by you or made for you.')
    assert not [path for path in asked if 'secret' in path] and watched.own.calls == calls
    assert 'Traceback' not in capfd.readouterr().err
    Path(own).unlink()
    assert visitor.call(visitor.analyse, [as_photo(own), True, None, 0, None])['output']['error'] == NOT_YOURS


@pytest.mark.parametrize('function, data, message', [
    ('analyse', [5, False, None, 0, None], WRONG), ('analyse', ['photo.jpg', False, None, 0, None], WRONG),
    ('analyse', [dict(path=5), False, None, 0, None], NOT_YOURS), ('analyse', [None, 'yes', None, 0, None], WRONG),
    ('analyse', [dict(path=['a']), False, None, 0, None], NOT_YOURS), ('analyse', [None, False, '50', 0, None], WRONG),
    ('analyse', [dict(url='http://127.0.0.1/'), False, None, 0, None], NOT_YOURS),
    ('analyse', [None, as_photo('/etc/hostname'), None, 0, None], WRONG), ('analyse', [None, False, 0, None], WRONG),
    ('analyse', [None, False, None, [1], None], WRONG), ('clear', [], WRONG), ('clear', [None, 1], WRONG),
    ('analyse', [None, False], WRONG), ('analyse', [], WRONG), ('show', [None, 'long'], WRONG),
    ('show', [None, None], WRONG), ('show', [None, 10], WRONG), ('show', [None, float('nan')], WRONG),
    ('show', [None, True], WRONG), ('analyse', [None, False, 10 ** 400, 0, None], WRONG),
    ('analyse', [None, False, [1], 0, None], WRONG), ('load', [-1], WRONG), ('load', [99], WRONG),
    ('load', ['a'], WRONG)])
def test_inputs_of_a_wrong_type_end_in_a_sentence(function, data, message, visitor, capfd):
    body = json.dumps(dict(data=data, fn_index=getattr(visitor, function), session_hash=visitor.session))
    sent = visitor.http.post('/gradio_api/queue/join', content=body, headers={'Content-Type': 'application/json'})
    assert sent.status_code == 200
    assert visitor.read()['output']['error'] == message
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('body, status', [
    (b'no JSON', 422), (b'[1]', 422), (b'[' * 60_000, 422), (b'{"data": "x" }', 422), (b' ' * 70_000, 413),
    (b'{"data": [], "fn_index": 9999, "session_hash": "a"}', 422), (b'{"data": [], "fn_index": 1}', 422),
    (b'{"data": [], "fn_index": 1, "session_hash": 5}', 422), (b'{"data": [], "fn_index": {}}', 422)])
@pytest.mark.parametrize('route', ['queue/join', 'run/predict'])
def test_other_calls_are_refused(route, body, status, visitor, capfd):
    answer = visitor.http.post(f'/gradio_api/{route}', content=body, headers={'Content-Type': 'application/json'})
    assert answer.status_code == status and answer.json().keys() == {'detail'}
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('method, path', [
    ('POST', 'gradio_api/component_server'), ('POST', 'gradio_api/call/predict'), ('GET', 'gradio_api/info'),
    ('POST', 'gradio_api/process_recording'), ('GET', 'monitoring'), ('GET', 'gradio_api/proxy=http://127.0.0.1'),
    ('GET', 'gradio_api/deep_link?session_hash=a'), ('POST', 'gradio_api/vibe-edit')])
def test_routes_that_the_page_does_not_use_are_closed(method, path, visitor):
    assert visitor.http.request(method, path).json() == dict(detail='The page does not use this address.')


@pytest.mark.parametrize('host, origin, status', [
    (None, None, 200), ('localhost', None, 200), ('[::1]:7860', None, 200), ('demo.example.org', None, 200),
    ('localhost:7860', 'http://localhost:7860', 200), ('DEMO.example.org', 'https://demo.example.org', 200),
    ('127.0.0.1:7860', 'https://demo.example.org', 200), ('evil.example', None, 400), ('[', None, 400),
    ('127.0.0.1.evil.example', None, 400), ('192.168.1.7:7860', None, 400),
    ('evil.example', 'http://evil.example', 400),
    ('127.0.0.1:7860', 'http://evil.example', 403), ('127.0.0.1:7860', 'http://127.0.0.1:8000', 403),
    ('[::1]:7860', 'http://evil.example', 403), ('demo.example.org', 'https://evil.example', 403),
    ('127.0.0.1:7860', 'null', 403), ('localhost', 'http://localhost.evil.example', 403)])
def test_hosts_and_origins(host, origin, status, visitor):
    headers = {'Host': host} if host else {}
    if origin:
        headers['Origin'] = origin
    for method, path in (('GET', '/'), ('GET', '/theme.css'), ('GET', '/gradio_api/app_id')):
        answer = visitor.http.request(method, path, headers=headers)
        assert answer.status_code == status
        assert status == 200 or not [name for name in answer.headers if name.startswith('access-control')]
    if status == 403:
        answer = visitor.http.options('/gradio_api/upload', headers=headers | {'Access-Control-Request-Method': 'POST'})
        assert answer.status_code == 403 and not [name for name in answer.headers if name.startswith('access-control')]


def test_a_page_at_all_addresses_accepts_addresses_but_no_other_names():
    names = guard.served_names('0.0.0.0', ['Demo.example.org'])
    for host in ('192.168.1.7:7860', '[fe80::1]:7860', 'localhost', 'demo.example.org'):
        guard.check_host(guard.Headers({'host': host}), names)
    for host in ('evil.example', '', '192.168.1.7.evil.example'):
        with pytest.raises(guard.HTTPException, match='400'):
            guard.check_host(guard.Headers({'host': host}), names)


def test_uploads_are_limited(served, visitor, pictures, monkeypatch, capfd):
    photo, url = pictures / 'one_person.jpg', '/gradio_api/upload'
    one = dict(files=photo.open('rb'))
    assert httpx.post(served[0] + url[1:], files=one).status_code == 403  # no cookie
    several = [('files', (f'{n}.bin', bytes(400_000))) for n in range(3)]
    assert visitor.http.post(url, files=several).status_code == 413
    kind = {'Content-Type': 'multipart/form-data; boundary=x'}
    assert visitor.http.post(url, content=iter([b'--x']), headers=kind).status_code == 411
    text = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--x--\r\n'
    assert visitor.http.post(url, content=text, headers=kind).status_code == 500
    time.sleep(0.5)  # the line is written after the answer
    line, = capfd.readouterr().err.splitlines()
    assert line.startswith("web demo: POST '/gradio_api/upload' failed at ") and 'TypeError' in line
    old, new = served[1] / 'tmpold', served[1] / 'tmpnew'
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 4000,) * 2)
    visitor.upload(photo)
    assert new.exists() and not old.exists()
    monkeypatch.setattr(guard, '_PHOTOS_PER_HOUR', 0)
    assert visitor.http.post(url, files=dict(files=photo.open('rb'))).status_code == 503


def test_thirty_at_once_are_served_one_by_one(new_visitor, watched, pictures, tmp_path, capfd):
    large = tmp_path / 'large.png'
    Image.open(pictures / 'one_person.jpg').resize((1500, 1500)).quantize(8).save(large)
    crowd, watched.most = [new_visitor() for _ in range(30)], 0

    def visit(visitor):
        path = visitor.upload(large)
        joined = visitor.join(visitor.analyse, [as_photo(path), True, None, 0, None])
        return joined.status_code if joined.status_code != 200 else visitor.read()['success']

    with ThreadPoolExecutor(30) as pool:
        results = list(pool.map(visit, crowd))
    assert set(results) <= {True, 503} and results.count(True) >= 17 and watched.most == 1  # 16 wait, one is in work
    assert 'Traceback' not in capfd.readouterr().err
    direct = dict(data=[None, True, None, 0, None], fn_index=crowd[0].analyse, session_hash=crowd[0].session)
    assert crowd[0].http.post('/gradio_api/run/predict', json=direct).status_code == 404  # not beside the queue


def test_answers_that_are_not_read_are_limited(visitor, monkeypatch):
    monkeypatch.setattr(blocks, '_UNREAD', 3)
    statuses = []
    for _ in range(20):
        statuses.append(visitor.join(visitor.show, [None, 4000]).status_code)
        time.sleep(0.05)
    assert statuses[0] == 200 and statuses[-1] == 429
    monkeypatch.setattr(blocks, '_SESSIONS', 1)
    for session in ('a1', 'a2', 'a3'):  # another session's call deletes the oldest answers
        visitor.join(visitor.show, [None, 4000], session_hash=session)
        time.sleep(0.3)
    assert visitor.join(visitor.show, [None, 4000]).status_code == 200


def test_a_login_is_required_and_possible(watched, tmp_path, monkeypatch):
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    with socket.create_server(('127.0.0.1', 0)) as found:
        port = found.getsockname()[1]
    app = build_app(watched)
    url = launch_app(app, port=port, auth=('name', 'word'), block=False)
    try:
        http = httpx.Client(base_url=url)
        http.get('/')
        sent = dict(files=('a.jpg', b'abc'))
        assert http.post('/gradio_api/upload', files=sent).status_code == 401
        assert http.post('/login', data=dict(username='name', password='no')).status_code == 400
        assert http.post('/login', data=dict(username='name', password='word')).status_code == 200
        assert http.post('/gradio_api/upload', files=sent).status_code == 200
    finally:
        app.close()
