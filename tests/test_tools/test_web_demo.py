"""The web page answers as the Python API does, turns, scales, refuses what is no photo; nothing leaves the machine."""
import ast
import importlib.util
import json
import os
import shutil
import socket
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('gradio', reason='gradio is not installed (pip install gradio plotly)')
pytest.importorskip('plotly', reason='plotly is not installed (pip install gradio plotly)')
os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning',
                                        'ignore:.*copy keyword', 'ignore:.*no_silent_downcasting')

from mmpose_integral.apis import MMPoseInferencer  # noqa: E402
from mmpose_integral.web.answer import at_bone_length, describe, draw_picture, draw_view, to_json  # noqa: E402
from mmpose_integral.web.photo_check import check_photo  # noqa: E402

REPO = Path(__file__).parents[2]
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
FLAGS = ['--headless', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--use-gl=angle', '--use-angle=swiftshader',
         '--enable-unsafe-swiftshader']
VIEW = "document.querySelector('#view_3d .js-plotly-plot')"


@pytest.fixture(scope='module')
def demo():
    """The tool as a module; tools are no package."""
    spec = importlib.util.spec_from_file_location('web_demo', REPO / 'tools' / 'web_demo.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Counting:
    """An inferencer that knows how often it was asked."""

    def __init__(self):
        self.calls, self._own = 0, MMPoseInferencer(pose3d='standin', device='cpu')
        self.inferencer = self._own.inferencer

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self._own(*args, **kwargs)


@pytest.fixture(scope='module')
def inferencer():
    return Counting()


@pytest.fixture(scope='module')
def pictures(demo, standin, tmp_path_factory):
    """Files to send: rendered people, and what is none or too much of a picture."""
    folder = tmp_path_factory.mktemp('pictures')
    demo.make_examples(folder)
    upright = Image.open(standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg').crop((10, 0, 100, 120))
    exif = upright.getexif()
    exif[0x0112] = 6  # to be shown turned clockwise
    upright.rotate(90, expand=True).save(folder / 'turned.jpg', exif=exif, quality=95)
    Image.new('RGB', (160, 120), (120, 120, 120)).save(folder / 'nobody.png')
    (folder / 'text.jpg').write_text('no photo')
    (folder / 'drawing.svg').write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    upright.save(folder / 'moving.gif')
    (folder / 'large.jpg').write_bytes((folder / 'one_person.jpg').read_bytes() + bytes(2_000_000))
    for side in (12_000, 30_000):
        (folder / f'{side}.png').write_bytes(png_claiming(side, side))
    (folder / 'cut.png').write_bytes(png_claiming(60, 60)[:33])
    return folder


def png_claiming(width, height):
    """A few bytes whose header tells of a large picture."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return b'\x89PNG\r\n\x1a\n' + b''.join([
        chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)),
        chunk(b'IDAT', zlib.compress(bytes(1000))), chunk(b'IEND', b'')])


def ask(inferencer, *args, **kwargs):
    """The Python API's people."""
    return list(inferencer._own(*args, **kwargs))[0]['predictions'][0]


def assert_same(people, expected):
    """Same keys, same numbers but for the last bits of a product."""
    assert len(people) == len(expected)
    for person, wanted in zip(people, expected, strict=True):
        assert list(person) == list(wanted)
        for name, value in wanted.items():
            if name == 'camera':
                assert_same([person[name]], [value])
            else:
                np.testing.assert_allclose(person[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize('camera', [{}, dict(focal_length=300.0)])
def test_a_kept_answer_is_the_api_s_at_any_bone_length(inferencer, pictures, camera):
    path = str(pictures / 'two_people.jpg')
    kept = ask(inferencer, path, **camera)
    before = json.dumps(kept)
    assert len(kept) == 2 and ('camera' in kept[0]) == bool(camera)
    for length in (3000, 5217.5):
        answer = at_bone_length(kept, length)
        assert_same(json.loads(to_json(answer)), ask(inferencer, path, bone_length=length, **camera))
    assert json.dumps(kept) == before
    with pytest.raises(ValueError, match='positive lengths expected'):
        at_bone_length(kept, -1)


def test_what_is_shown_of_the_people(inferencer, pictures):
    people = ask(inferencer, str(pictures / 'two_people.jpg'))
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
    assert np.diff(order) * (people[1]['bbox'][0][0] - people[0]['bbox'][0][0]) > 0  # as they stand in the photo
    assert 'Nobody found' in describe([]) and to_json([]) == '[]\n'


@pytest.mark.parametrize('name, message', [
    ('text.jpg', 'no picture that can be read: JPEG, PNG, WEBP or BMP'), ('drawing.svg', 'no picture'),
    ('moving.gif', 'no picture'), ('12000.png', '12000 x 12000 px. At most 100 megapixels'),
    ('30000.png', 'too large. At most 100 megapixels'), ('large.jpg', r'has 2.0 MB; at most 1.0 MB')])
def test_only_photos_of_a_decent_size_pass(name, message, pictures):
    with pytest.raises(ValueError, match=message) as caught:
        check_photo(pictures / name, 1_000_000)
    assert str(pictures) not in str(caught.value)  # no path of the server


def test_photos_pass_by_content_not_by_name(pictures, tmp_path):
    picture = Image.open(pictures / 'turned.jpg')
    for kind in ('jpeg', 'png', 'webp', 'bmp'):
        picture.save(tmp_path / 'photo.txt', format=kind)
        assert check_photo(tmp_path / 'photo.txt', 1_000_000) == (120, 90)


@pytest.mark.parametrize('args, message', [
    (['--max-size-mb', '0'], 'a positive number expected, got 0'), (['--port', '0'], '1 to 65535 expected'),
    (['--auth', 'name'], 'NAME:PASSWORD expected'), (['--auth', ':x'], 'NAME:PASSWORD expected')])
def test_wrong_arguments_end_in_a_sentence(args, message, demo, capsys):
    with pytest.raises(SystemExit) as stop:
        demo.main(args)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_what_cannot_start_says_why(demo, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        assert demo.main(['--port', str(port), '--device', 'cpu']) == 1
    assert f'port {port}: ' in (message := capsys.readouterr().err) and 'another --port' in message
    port = ['--port', str(free_port()), '--device', 'cpu']
    assert demo.main([*port, '--model', 'absent.py']) == 1
    assert 'absent.py: no such config file' in capsys.readouterr().err
    assert demo.main([*port, '--model', 'human3d']) == 1
    assert '--model human3d: a model of this package expected' in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, 'mmpose_integral.web.app', None)
    monkeypatch.setitem(sys.modules, 'gradio', None)
    monkeypatch.delitem(sys.modules, 'mmpose_integral.web.app')
    assert demo.main(port) == 1
    assert 'gradio is not installed: pip install gradio plotly' in capsys.readouterr().err


@pytest.mark.parametrize('args, words', [
    ([], None), (['--host', '0.0.0.0'], 'there is no login, see --auth'),
    (['--host', '0.0.0.0', '--auth', 'a:b:c'], 'after a login')])
def test_an_open_door_is_announced(args, words, demo, inferencer, capsys, monkeypatch, tmp_path):
    import mmpose_integral.apis
    from mmpose_integral.web import app
    launched = []
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    monkeypatch.setattr(mmpose_integral.apis, 'MMPoseInferencer', lambda **kwargs: inferencer)
    monkeypatch.setattr(app, 'launch_app', lambda app, *rest: launched.append(rest))
    assert demo.main([*args, '--port', str(free_port()), '--max-size-mb', '3']) == 0
    host, _, auth, size = launched[0]
    assert (host, size) == ('0.0.0.0' if args else '127.0.0.1', 3)
    assert auth == (('a', 'b:c') if 'a:b:c' in args else None)
    said = capsys.readouterr().err
    assert words in said if words else said == ''


def test_the_package_does_not_need_gradio_or_plotly():
    """Only web/app.py and figure_3d.py import them at their top, and no other module imports these two at its top."""
    package, optional = REPO / 'mmpose_integral', {'gradio', 'plotly', 'web', 'figure_3d'}
    found = set()
    for path in package.rglob('*.py'):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            names.append((getattr(node, 'module', None) or '') if isinstance(node, ast.ImportFrom) else '')
            if {part for name in names for part in name.split('.')} & optional:
                found.add(path.stem)
    assert found == {'app', 'figure_3d'}


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as found:
        return found.getsockname()[1]


@pytest.fixture(scope='module')
def site(inferencer, pictures, tmp_path_factory):
    """The page, served in this process: its address, and what this process connected to outside the machine."""
    from mmpose_integral.web.app import build_app, launch_app
    patch, outside, connect = pytest.MonkeyPatch(), [], socket.socket.connect

    def watched(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ('127.0.0.1', '::1', 'localhost'):
            outside.append(address)
        return connect(self, address)

    patch.setattr(socket.socket, 'connect', watched)
    patch.setenv('GRADIO_TEMP_DIR', str(tmp_path_factory.mktemp('gradio')))
    app = build_app(inferencer, 'Model: **standin**', max_size_mb=1, examples=[pictures / 'two_people.jpg'])
    yield launch_app(app, port=free_port(), max_size_mb=1, block=False), outside
    app.close()
    patch.undo()


class Page:
    """A visitor's hands and eyes."""

    def __init__(self, browser, url):
        self.page = browser.new_page(viewport=dict(width=900, height=1000), accept_downloads=True)
        self.page.set_default_timeout(60_000)  # of a busy machine
        self.requests = []
        self.page.on('request', lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.wait(f'{VIEW}?._fullLayout?.scene?._scene != null')

    def start_anew(self):
        """As a new visitor finds it; loading it again takes seconds."""
        self.page.uncheck('#whole input')
        self.page.click('#bone_length button')
        for button in self.page.locator('#photo button[aria-label*="lear"], #photo button[aria-label*="emove"]').all():
            button.click()
        self.people(0)

    def wait(self, condition):
        self.page.wait_for_function(condition)

    def send(self, path):
        self.page.set_input_files('#photo input[type=file]', str(path))

    def people(self, count):
        """Wait until the view shows so many people; the joints of each, (18, 3) mm as x, y, z."""
        self.wait(f"{VIEW}.data.filter(t => t.name.startsWith('person')).length == {count}")
        traces = self.page.evaluate(f'{VIEW}.data.filter(t => t.name.startsWith("person")).map(t => [t.x, t.z, t.y])')
        return [np.transpose(trace) for trace in traces]

    def camera(self):
        eye = self.page.evaluate(f'{VIEW}._fullLayout.scene._scene.getCamera().eye')
        return np.array([eye[axis] for axis in 'xyz'])

    def turn(self, pixels):
        box = self.page.locator('#view_3d .js-plotly-plot').bounding_box()
        x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + pixels, y, steps=4)
        self.page.mouse.up()
        # The view glides to a halt.
        before, now = None, self.camera()
        while before is None or not np.array_equal(before, now):
            self.page.wait_for_timeout(400)
            before, now = now, self.camera()

    def slide(self, length, expected):
        """Move the slider, and wait until the view shows joints (18, 3) mm."""
        self.page.fill('#bone_length input[type=range]', str(length))
        lowest = np.max(np.array(expected)[:, 1])
        self.wait(f"Math.abs(Math.max(...{VIEW}.data.at(-1).z) - {lowest}) < 0.01")
        self.wait(f"document.querySelector('#people').innerText.includes('{length}.0')")

    def download(self, path):
        with self.page.expect_download() as started:
            self.page.click('#download')
        started.value.save_as(path)
        return started.value.suggested_filename, json.loads(path.read_text())

    def complaint(self, words):
        """Wait for a message and close it."""
        self.page.locator('.toast-body', has_text=words).first.wait_for()
        for button in self.page.locator('.toast-close').all():
            button.click()


@pytest.fixture(scope='module')
def opened(site):
    """The page in Chromium without a screen; WebGL is computed by the CPU."""
    playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    if CHROMIUM is None:
        pytest.skip('no chromium on the PATH: the page cannot be tried in a browser')
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield Page(chromium, site[0])
        chromium.close()


@pytest.fixture
def visit(opened):
    opened.start_anew()
    return opened


def test_a_visit_from_upload_to_download(site, visit, inferencer, pictures, tmp_path):
    (url, outside), photo = site, pictures / 'one_person.jpg'
    calls = inferencer.calls
    visit.send(photo)
    joints = visit.people(1)[0]
    kept = ask(inferencer, str(photo))
    np.testing.assert_allclose(joints, kept[0]['keypoints'], atol=0.0051)
    first_name, people = visit.download(tmp_path / 'default.json')
    assert_same(people, kept)

    start = visit.camera()
    visit.turn(150)
    turned = visit.camera()
    assert np.linalg.norm(turned - start) > 0.3 and np.linalg.norm(turned) == pytest.approx(np.linalg.norm(start))
    for length in (3500, 5800):
        expected = ask(inferencer, str(photo), bone_length=length)
        visit.slide(length, expected[0]['keypoints'])
        joints = visit.people(1)[0]
        np.testing.assert_allclose(joints, expected[0]['keypoints'], atol=0.0051)
        np.testing.assert_allclose(visit.camera(), turned, atol=1e-6)
        name, people = visit.download(tmp_path / f'{length}.json')
        assert_same(people, expected)
        assert name != first_name and name.startswith('pose_') and name.endswith('.json')
    assert inferencer.calls == calls + 1  # the slider never asks the network

    strangers = [address for address in visit.requests
                 if not address.startswith((url, 'data:', 'blob:'))]
    assert len(visit.requests) > 20 and strangers == [] and outside == []


def test_turned_photos_nobody_and_the_whole_image(visit, inferencer, pictures, tmp_path):
    visit.send(pictures / 'nobody.png')
    visit.complaint('Nobody found')
    assert 'Nobody found' in visit.page.inner_text('#people')
    assert visit.page.locator('#picture img').is_visible()  # the plain picture
    visit.page.check('#whole input')
    visit.people(1)
    visit.send(pictures / 'turned.jpg')
    # Upright, as the EXIF data says.
    visit.wait("document.querySelector('#people').innerText.includes('0, 0, 90, 120')")
    visit.people(1)
    _, people = visit.download(tmp_path / 'turned.json')
    assert_same(people, ask(inferencer, str(pictures / 'turned.jpg'), bboxes=np.array([[0, 0, 90, 120.]])))
    visit.page.uncheck('#whole input')
    visit.page.locator('.gallery-item').first.click()
    assert len(visit.people(2)) == 2


def test_bad_files_are_refused_in_words_and_leave_no_answer(visit, inferencer, pictures):
    visit.send(pictures / 'one_person.jpg')
    visit.people(1)
    calls = inferencer.calls
    for name, words in (('large.jpg', 'exceed the maximum allowed size'), ('text.jpg', 'no picture that can be read'),
                        ('30000.png', 'At most 100 megapixels'), ('cut.png', 'no picture that can be read')):
        visit.send(pictures / name)
        visit.complaint(words)
    assert inferencer.calls == calls
    visit.people(0)
    assert visit.page.inner_text('#people').strip() == '' and visit.page.locator('#download').is_disabled()
