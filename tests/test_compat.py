"""Each function of mmpose_integral.compat, on libraries that lost the old function and on those that still have it."""
import importlib.util
import pkgutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine import config, hub, utils
from mmpose.visualization.opencv_backend_visualizer import OpencvBackendVisualizer

from mmpose_integral import compat


def answer(*args, **kwargs):
    """Stands for a function that a library still has."""


def test_find_loader_is_restored(monkeypatch):
    monkeypatch.delattr(pkgutil, 'find_loader', raising=False)
    compat.restore_find_loader()
    assert pkgutil.find_loader('json').get_filename('json') == importlib.util.find_spec('json').origin
    assert pkgutil.find_loader('json.no_such_module') is None
    from mmcv.utils.ext_loader import check_ops_exist
    from mmengine.utils.dl_utils import mmcv_full_available
    assert check_ops_exist() and mmcv_full_available()


def test_find_loader_is_left_alone(monkeypatch):
    monkeypatch.setattr(pkgutil, 'find_loader', answer, raising=False)
    compat.restore_find_loader()
    assert pkgutil.find_loader is answer


@pytest.fixture
def lookup(monkeypatch):
    """A find_spec whose ``found`` says whether pkg_resources exists. MMEngine's functions are put back afterwards."""
    def find_spec(name, package=None):
        return (True if find_spec.found else None) if name == 'pkg_resources' else real_find_spec(name, package)

    real_find_spec = importlib.util.find_spec
    for module in (utils, utils.package_utils, config.config, hub.hub):
        for name in ('is_installed', 'get_installed_path'):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, answer)

    monkeypatch.setattr(importlib.util, 'find_spec', find_spec)
    return find_spec



def test_package_lookup_is_replaced_without_pkg_resources(lookup):
    lookup.found = False
    compat.restore_package_lookup()
    assert config.config.is_installed is utils.is_installed is utils.package_utils.is_installed is compat.is_installed
    assert hub.hub.get_installed_path is config.config.get_installed_path is compat.get_installed_path
    resolved = config.Config.fromfile('configs/quickstart/keypoints_2d_r18_mpii.py')
    assert resolved.default_scope == 'mmpose'  # it comes from mmpose::_base_/default_runtime.py


def test_package_lookup_is_left_alone_with_pkg_resources(lookup):
    lookup.found = True
    compat.restore_package_lookup()
    assert config.config.get_installed_path is utils.is_installed is hub.hub.get_installed_path is answer


def test_package_lookup_answers_as_mmengine():
    pytest.importorskip('pkg_resources', reason='setuptools 82 and newer have no pkg_resources to compare with')
    code = ('import sys; from mmengine.utils import package_utils as p; '
            'print([p.is_installed(n) for n in sys.argv[1:]], [p.get_installed_path(n) for n in sys.argv[1:3]])')
    names = ('mmpose', 'pyyaml', 'no-such-package')  # pyyaml is imported as yaml
    output = subprocess.run([sys.executable, '-W', 'ignore', '-c', code, *names], capture_output=True, text=True,
                            check=True)
    ours = [compat.is_installed(name) for name in names], [compat.get_installed_path(name) for name in names[:2]]
    assert output.stdout.splitlines()[-1] == f'{ours[0]} {ours[1]}'
    with pytest.raises(ModuleNotFoundError, match='no-such-package is neither'):
        compat.get_installed_path('no-such-package')


def test_tostring_rgb_is_restored(monkeypatch):
    monkeypatch.delattr(FigureCanvasAgg, 'tostring_rgb', raising=False)
    compat.restore_tostring_rgb()
    figure = Figure(figsize=(3, 2), dpi=10, facecolor=(1.0, 0.2, 0.0))  # 30 x 20 pixels of one colour
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert canvas.tostring_rgb() == bytes([255, 51, 0]) * 600


def test_tostring_rgb_is_left_alone(monkeypatch):
    monkeypatch.setattr(FigureCanvasAgg, 'tostring_rgb', answer, raising=False)
    compat.restore_tostring_rgb()
    assert FigureCanvasAgg.tostring_rgb is answer


def fake_draw_circles(self, center, radius, *args, **kwargs):
    self.radius = radius


@pytest.mark.parametrize('version, wrapped', [('1.26.4', False), ('2.3.5', False), ('2.4.0', True), ('2.5.5', True)])
def test_radius_of_one_element(version, wrapped, monkeypatch):
    monkeypatch.setattr(np, '__version__', version)
    monkeypatch.setattr(OpencvBackendVisualizer, 'draw_circles', fake_draw_circles)
    compat.accept_one_element_radius()
    compat.accept_one_element_radius()  # the second call must not wrap again
    assert (OpencvBackendVisualizer.draw_circles is not fake_draw_circles) == wrapped
    for backend, scalar in [('opencv', wrapped), ('matplotlib', False)]:
        drawing = SimpleNamespace(backend=backend)
        OpencvBackendVisualizer.draw_circles(drawing, np.zeros(2), radius=np.array([3.0]))
        assert np.isscalar(drawing.radius) == scalar and drawing.radius == 3


def test_mmpose_draws_a_circle():
    visualizer = OpencvBackendVisualizer(backend='opencv')
    visualizer.set_image(np.zeros((21, 31, 3), np.uint8))
    visualizer.draw_circles(np.array([15.0, 10.0]), np.array([4.0]), face_colors=(255, 0, 7), alpha=1.0)
    painted = visualizer.get_image().any(axis=-1)
    y, x = np.nonzero(painted)
    assert (x.min(), x.max(), y.min(), y.max()) == (11, 19, 6, 14)


def test_config_with_a_base_of_mmpose_is_read_before_the_plugin_is_imported():
    code = ("import sys; from mmengine.config import Config; "
            "cfg = Config.fromfile('configs/quickstart/keypoints_2d_r18_mpii.py', import_custom_modules=False); "
            "print(cfg.default_scope, 'mmpose_integral' in sys.modules)")
    output = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True)
    assert output.stdout.split() == ['mmpose', 'False']
