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

MMPOSE_CONFIG = 'configs/quickstart/keypoints_2d_r18_mpii.py'  # has mmpose::_base_/default_runtime.py as its base


def old_function(*args, **kwargs):
    """Stands for a function that a library still has."""


def run_python(code, *args):
    output = subprocess.run([sys.executable, '-W', 'ignore', '-c', code, *args], capture_output=True, text=True,
                            check=True)
    return output.stdout.splitlines()[-1]


def test_find_loader_is_restored(monkeypatch):
    monkeypatch.delattr(pkgutil, 'find_loader', raising=False)
    compat.restore_find_loader()
    assert pkgutil.find_loader('json').get_filename('json') == importlib.util.find_spec('json').origin
    assert pkgutil.find_loader('json.no_such_module') is None
    from mmcv.utils.ext_loader import check_ops_exist
    from mmengine.utils.dl_utils import mmcv_full_available
    assert check_ops_exist() and mmcv_full_available()


def test_tostring_rgb_is_restored(monkeypatch):
    monkeypatch.delattr(FigureCanvasAgg, 'tostring_rgb', raising=False)
    compat.restore_tostring_rgb()
    figure = Figure(figsize=(3, 2), dpi=10, facecolor=(1.0, 0.2, 0.0))  # 30 x 20 pixels of one colour
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert canvas.tostring_rgb() == bytes([255, 51, 0]) * 600


@pytest.mark.parametrize('owner, name', [(pkgutil, 'find_loader'), (FigureCanvasAgg, 'tostring_rgb')])
def test_existing_functions_are_not_replaced(monkeypatch, owner, name):
    monkeypatch.setattr(owner, name, old_function, raising=False)
    getattr(compat, f'restore_{name}')()
    assert getattr(owner, name) is old_function


@pytest.mark.parametrize('has_pkg_resources', [False, True])
def test_package_lookup_is_replaced_only_without_pkg_resources(monkeypatch, has_pkg_resources):
    def find_spec(name, package=None):
        return (has_pkg_resources or None) if name == 'pkg_resources' else real_find_spec(name, package)

    real_find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', find_spec)
    places = [(module, name) for module in (utils, utils.package_utils, config.config, hub.hub)
              for name in ('is_installed', 'get_installed_path') if hasattr(module, name)]
    assert len(places) >= 6
    for module, name in places:
        monkeypatch.setattr(module, name, old_function)
    compat.restore_package_lookup()
    for module, name in places:
        assert getattr(module, name) is (old_function if has_pkg_resources else getattr(compat, name))
    if not has_pkg_resources:
        assert config.Config.fromfile(MMPOSE_CONFIG).default_scope == 'mmpose'


def test_package_lookup_answers_as_mmengine():
    pytest.importorskip('pkg_resources', reason='setuptools 82 and newer have no pkg_resources to compare with')
    names = ('mmpose', 'pyyaml', 'no-such-package')  # pyyaml is imported as yaml
    output = run_python('import sys; from mmengine.utils import package_utils as p; '
                        'print([p.is_installed(n) for n in sys.argv[1:]], '
                        '[p.get_installed_path(n) for n in sys.argv[1:3]])', *names)
    ours = [compat.is_installed(name) for name in names], [compat.get_installed_path(name) for name in names[:2]]
    assert output == f'{ours[0]} {ours[1]}'
    with pytest.raises(ModuleNotFoundError, match='no-such-package is neither'):
        compat.get_installed_path('no-such-package')


@pytest.mark.parametrize('version, wrapped', [('1.26.4', False), ('2.3.5', False), ('2.4.0', True), ('2.5.5', True)])
def test_radius_of_one_element(version, wrapped, monkeypatch):
    monkeypatch.setattr(np, '__version__', version)
    monkeypatch.setattr(OpencvBackendVisualizer, 'draw_circles', lambda self, center, radius: radius)
    places = [OpencvBackendVisualizer.draw_circles]
    for _ in range(2):  # the second call must not wrap again
        compat.accept_one_element_radius()
        places.append(OpencvBackendVisualizer.draw_circles)
    assert (places[1] is not places[0]) == wrapped and places[2] is places[1]
    for backend, scalar in [('opencv', wrapped), ('matplotlib', False)]:
        radius = places[2](SimpleNamespace(backend=backend), np.zeros(2), radius=np.array([3.0]))
        assert np.isscalar(radius) == scalar and radius == 3


def test_mmpose_draws_a_circle():
    visualizer = OpencvBackendVisualizer(backend='opencv')
    visualizer.set_image(np.zeros((21, 31, 3), np.uint8))
    visualizer.draw_circles(np.array([15.0, 10.0]), np.array([4.0]), face_colors=(255, 0, 7), alpha=1.0)
    painted = visualizer.get_image().any(axis=-1)
    y, x = np.nonzero(painted)
    assert (x.min(), x.max(), y.min(), y.max()) == (11, 19, 6, 14)


def test_config_with_a_base_of_mmpose_is_read_before_the_plugin_is_imported():
    output = run_python('import sys; from mmengine.config import Config; '
                        f"cfg = Config.fromfile('{MMPOSE_CONFIG}', import_custom_modules=False); "
                        "print(cfg.default_scope, 'mmpose_integral' in sys.modules)")
    assert output.split() == ['mmpose', 'False']
