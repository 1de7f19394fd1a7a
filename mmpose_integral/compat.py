"""Functions that newer Pythons and libraries dropped and that MMEngine, MMCV and MMPose still call.

Importing ``mmpose_integral`` calls :func:`restore_all`. Each function does nothing where the old function still exists.
The last one, :func:`accept_own_prefix`, makes ``mmpose_integral::`` known to MMEngine, whose list of packages is fixed.

A config with ``mmpose::`` bases may be read before this package is imported. MMEngine then still needs
``pkg_resources``. The pin ``setuptools==81.0.0`` covers that case.
"""
import contextlib
import importlib.util
import pkgutil
from importlib import metadata
from importlib.abc import Loader
from pathlib import Path
from typing import Any

import numpy as np


def restore_all() -> None:
    """Restore everything that this module can restore."""
    restore_find_loader()
    restore_package_lookup()
    restore_tostring_rgb()
    accept_one_element_radius()
    accept_own_prefix()


def restore_find_loader() -> None:
    """Restore ``pkgutil.find_loader``, removed in Python 3.14, for MMEngine and MMCV.

    Both ask with it whether ``mmcv._ext`` exists: MMEngine when it builds an optimizer, MMCV in ``check_ops_exist``.
    """
    def find_loader(fullname: str) -> Loader | None:
        spec = importlib.util.find_spec(fullname)
        return spec.loader if spec else None

    if not hasattr(pkgutil, 'find_loader'):
        pkgutil.find_loader = find_loader


def restore_package_lookup() -> None:
    """Replace MMEngine's two users of ``pkg_resources``, which setuptools 82 removed.

    MMEngine resolves ``mmpose::`` in configs with them.
    """
    if importlib.util.find_spec('pkg_resources') is not None:
        return
    from mmengine import config, hub, utils
    for module in (utils, utils.package_utils, config.config, hub.hub):
        for function in (is_installed, get_installed_path):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)


def is_installed(package: str) -> bool:
    """Whether a distribution or an importable module has this name."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        metadata.distribution(package)
        return True
    return _folder(package) is not None


def get_installed_path(package: str) -> str:
    """Folder of the module that belongs to a distribution, or of the module with this name.

    Raises:
        ModuleNotFoundError: If there is neither such a distribution nor such a module.
    """
    names = [package]
    with contextlib.suppress(metadata.PackageNotFoundError):
        names += (metadata.distribution(package).read_text('top_level.txt') or '').split()
    for folder in filter(None, map(_folder, names)):
        return folder
    raise ModuleNotFoundError(f'{package} is neither an installed distribution nor an importable package')


def _folder(module: str) -> str | None:
    spec = importlib.util.find_spec(module)
    return None if spec is None or spec.origin is None else str(Path(spec.origin).parent)


def restore_tostring_rgb() -> None:
    """Restore ``FigureCanvasAgg.tostring_rgb``, removed in matplotlib 3.10, for MMPose's ``Pose3dLocalVisualizer``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    if not hasattr(FigureCanvasAgg, 'tostring_rgb'):
        FigureCanvasAgg.tostring_rgb = lambda self: np.asarray(self.buffer_rgba())[..., :3].tobytes()


def accept_one_element_radius() -> None:
    """Let MMPose's ``OpencvBackendVisualizer.draw_circles`` take its radius as an array of one element.

    MMPose passes such arrays, and ``int()`` of them is an error since numpy 2.4.
    """
    from mmpose.visualization.opencv_backend_visualizer import OpencvBackendVisualizer
    draw_circles = OpencvBackendVisualizer.draw_circles
    if np.lib.NumpyVersion(np.__version__) < '2.4.0' or draw_circles.__module__ == __name__:
        return

    def draw_circles_of_any_radius(self: Any, center: np.ndarray, radius: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        if self.backend == 'opencv':  # the matplotlib backend needs an array
            radius = np.asarray(radius).item()
        return draw_circles(self, center, radius, *args, **kwargs)

    OpencvBackendVisualizer.draw_circles = draw_circles_of_any_radius


def accept_own_prefix() -> None:
    """Let a config name ours as its base, such as ``_base_ = 'mmpose_integral::integral_r152_h80k.py'``.

    The base must be read after the import of this package. Its parts are looked up in MMPose's registries.
    """
    from mmengine.config import Config
    find_config = Config._get_cfg_path
    if find_config.__module__ == __name__:
        return

    def find_config_of_any_package(cfg_path: str, filename: str) -> tuple[str, str | None]:
        package, prefixed, name = cfg_path.partition('::')
        if not prefixed or package != __package__:
            return find_config(cfg_path, filename)
        folder = Path(__file__).parent
        paths = [root / 'configs' / name for root in (folder / '.mim', folder.parent)]  # installed, and a checkout
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            raise FileNotFoundError(f'{filename}: its base {cfg_path} does not exist; see {paths[0].parent}')
        return str(found), 'mmpose'

    Config._get_cfg_path = staticmethod(find_config_of_any_package)
