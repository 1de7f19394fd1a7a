"""The page in a browser: it shows the Python API's results, keeps the view, refuses other files, and stays local."""
import json
import shutil
import socket
import threading

import numpy as np
import pytest

pytest.importorskip('gradio', reason='gradio is not installed (pip install gradio plotly)')
playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
from mmpose_integral.web.app import build_app, launch_app  # noqa: E402

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
FLAGS = ['--headless', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--use-gl=angle', '--use-angle=swiftshader',
         '--enable-unsafe-swiftshader']
expect = playwright.expect  # waits until it is so
expect.set_options(timeout=60_000)  # of a busy machine
REQUEST = "Number(document.querySelector('#request input').value)"
VIEW = "document.querySelector('#view_3d .js-plotly-plot')"
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason='no chromium on the PATH: the page cannot be tried in a browser'),
    pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::FutureWarning', 'ignore:.*copy keyword',
                               'ignore:.*no_silent_downcasting')]


@pytest.fixture(scope='module')
def site(counting, pictures, tmp_path_factory, free_port):
    """The page, served in this process: its address, and what this process connected to outside the machine."""
    patch, outside, connect = pytest.MonkeyPatch(), [], socket.socket.connect

    def watched(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ('127.0.0.1', '::1', 'localhost'):
            outside.append(address)
        return connect(self, address)

    patch.setattr(socket.socket, 'connect', watched)
    patch.setenv('GRADIO_TEMP_DIR', str(tmp_path_factory.mktemp('gradio')))
    app = build_app(counting, 'Model: **standin**', max_size_mb=1, examples=[pictures / 'two_people.jpg'])
    yield launch_app(app, port=free_port, max_size_mb=1, block=False), outside
    app.close()
    patch.undo()


class Page:
    """The page as a visitor uses it."""

    def __init__(self, browser, url):
        self.page = browser.new_page(viewport=dict(width=900, height=1000), accept_downloads=True)
        self.page.set_default_timeout(60_000)
        self.requests = []
        self.page.on('request', lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.wait = self.page.wait_for_function
        self.wait(f'{VIEW}?._fullLayout?.scene?._scene != null')

    def start_anew(self):
        """Restore the state of a new visit; loading the page again takes seconds."""
        self.page.uncheck('#whole input')
        self.page.click('#bone_length button')
        self.remove_photo()
        self.people(0)

    def remove_photo(self):
        for button in self.page.locator('#photo button[aria-label*="lear"], #photo button[aria-label*="emove"]').all():
            button.click()

    def send(self, path):
        self.page.set_input_files('#photo input[type=file]', str(path))

    def people(self, count):
        """Wait until the view shows so many people; the joints of each, (18, 3) mm as x, y, z."""
        shown = f"{VIEW}.data.filter(t => t.name.startsWith('person'))"
        self.wait(f'{shown}.length == {count}')
        return [np.transpose(trace) for trace in self.page.evaluate(f'{shown}.map(t => [t.x, t.z, t.y])')]

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
        before, now = None, self.camera()
        while before is None or not np.array_equal(before, now):  # the rotation takes time to come to rest
            self.page.wait_for_timeout(400)
            before, now = now, self.camera()

    def slide(self, length, lowest):
        """Move the slider, and wait until the lowest joint of the view is at a y, mm."""
        self.page.fill('#bone_length input[type=range]', str(length))
        self.wait(f"Math.abs(Math.max(...{VIEW}.data.at(-1).z) - {lowest}) < 0.01")
        self.wait(f"document.querySelector('#people').innerText.includes('{length}.0')")

    def download(self, path):
        with self.page.expect_download() as started:
            self.page.click('#download')
        started.value.save_as(path)
        return started.value.suggested_filename, json.loads(path.read_text())

    def message(self, words):
        """Wait for a message and close it."""
        self.page.locator('.toast-body', has_text=words).first.wait_for()
        for button in self.page.locator('.toast-close').all():
            button.click()


@pytest.fixture(scope='module')
def opened(site):
    """The page in Chromium without a screen; WebGL is computed by the CPU."""
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield Page(chromium, site[0])
        chromium.close()


@pytest.fixture
def visit(opened):
    opened.start_anew()
    return opened


def test_a_visit_from_upload_to_download(site, visit, counting, pictures, tmp_path):
    (url, outside), photo, calls = site, pictures / 'one_person.jpg', counting.calls
    visit.send(photo)
    np.testing.assert_allclose(visit.people(1)[0], counting.people(photo)[0]['keypoints'], atol=0.0051)
    first_name, people = visit.download(tmp_path / 'default.json')
    counting.check(people, photo)
    start = visit.camera()
    visit.turn(150)
    turned = visit.camera()
    assert np.linalg.norm(turned - start) > 0.3 and np.linalg.norm(turned) == pytest.approx(np.linalg.norm(start))
    for length in (3500, 5800):
        expected = np.array(counting.people(photo, bone_length=length)[0]['keypoints'])
        visit.slide(length, expected[:, 1].max())
        np.testing.assert_allclose(visit.people(1)[0], expected, atol=0.0051)
        np.testing.assert_allclose(visit.camera(), turned, atol=1e-6)
        name, people = visit.download(tmp_path / f'{length}.json')
        counting.check(people, photo, bone_length=length)
        assert name != first_name and name.startswith('pose_') and name.endswith('.json')
    assert counting.calls == calls + 1  # the slider does not run the network
    foreign = [address for address in visit.requests if not address.startswith((url, 'data:', 'blob:'))]
    assert len(visit.requests) > 20 and foreign == [] and outside == []


def test_rotated_photos_photos_without_people_and_whole_images(visit, counting, pictures, tmp_path):
    visit.send(pictures / 'nobody.png')
    visit.message('No person was detected')
    expect(visit.page.locator('#people')).to_contain_text('No person was detected')
    expect(visit.page.locator('#picture img')).to_be_visible()  # the plain picture
    visit.page.check('#whole input')
    visit.people(1)
    visit.send(pictures / 'turned.jpg')
    visit.wait("document.querySelector('#people').innerText.includes('0, 0, 90, 120')")  # upright, by its EXIF data
    visit.people(1)
    _, people = visit.download(tmp_path / 'turned.json')
    counting.check(people, pictures / 'turned.jpg', bboxes=np.array([[0, 0, 90, 120.]]))
    visit.page.uncheck('#whole input')
    visit.page.locator('.gallery-item').first.click()
    assert len(visit.people(2)) == 2


@pytest.mark.parametrize('error', [None, ValueError('no such photo')])
def test_a_photo_that_is_replaced_during_its_analysis(visit, counting, pictures, monkeypatch, error):
    begun, go_on, analyse = threading.Event(), threading.Event(), type(counting).__call__

    def wait(*args, **kwargs):
        monkeypatch.undo()  # the second photo does not wait
        begun.set()
        assert go_on.wait(60)
        if error:
            raise error
        return analyse(*args, **kwargs)

    monkeypatch.setattr(type(counting), '__call__', wait)
    visit.send(pictures / 'one_person.jpg')
    assert begun.wait(60)
    number = visit.page.evaluate(REQUEST)
    visit.remove_photo()
    visit.send(pictures / 'two_people.jpg')
    visit.wait(f'{REQUEST} == {number + 2}')  # the removal is a request, too
    go_on.set()
    assert len(visit.people(2)) == 2


def test_other_files_are_refused_and_clear_the_page(visit, counting, pictures):
    visit.send(pictures / 'one_person.jpg')
    visit.people(1)
    calls = counting.calls
    for name, words in (('large.jpg', 'exceed the maximum allowed size'), ('text.jpg', 'not a readable picture'),
                        ('30000.png', 'At most 100 megapixels'), ('cut.png', 'not a readable picture')):
        visit.send(pictures / name)
        visit.message(words)
    assert counting.calls == calls
    visit.people(0)
    expect(visit.page.locator('#people')).to_have_text('')
    expect(visit.page.locator('#download')).to_be_disabled()
