"""Functions that newer Pythons and libraries dropped and that MMEngine, MMCV and MMPose still call.

Importing ``mmpose_integral`` calls :func:`restore_all`. Each function does nothing where the old function still exists.

A config with ``mmpose::`` bases may be read before this package is imported. MMEngine then still needs
``pkg_resources``, and no code of ours has run. The pin ``setuptools==81.0.0`` covers that case.
"""
import contextlib
import importlib.util
import pkgutil
from importlib import metadata
from pathlib import Path

import numpy as np


def restore_all() -> None:
    """Restore everything that this module knows."""
    restore_find_loader()
    restore_package_lookup()
    restore_tostring_rgb()
    accept_one_element_radius()


def restore_find_loader() -> None:
    """Restore ``pkgutil.find_loader``, removed in Python 3.14, for MMEngine and MMCV.

    Both ask with it whether ``mmcv._ext`` exists: MMEngine when it builds an optimizer, MMCV in ``check_ops_exist``.
    """
    if hasattr(pkgutil, 'find_loader'):
        return

    def find_loader(fullname):
        spec = importlib.util.find_spec(fullname)
        return spec and spec.loader

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
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def get_installed_path(package: str) -> str:
    """Folder of the module that belongs to a distribution, or of the module with this name.

    Raises:
        ModuleNotFoundError: If there is neither such a distribution nor such a module.
    """
    names = [package]
    with contextlib.suppress(metadata.PackageNotFoundError):
        names += (metadata.distribution(package).read_text('top_level.txt') or '').split()
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            return str(Path(spec.origin).parent)
    raise ModuleNotFoundError(f'{package} is neither an installed distribution nor an importable package')


def restore_tostring_rgb() -> None:
    """Restore ``FigureCanvasAgg.tostring_rgb``, removed in matplotlib 3.10, for MMPose's ``Pose3dLocalVisualizer``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    if hasattr(FigureCanvasAgg, 'tostring_rgb'):
        return

    def tostring_rgb(self):
        return np.asarray(self.buffer_rgba())[..., :3].tobytes()

    FigureCanvasAgg.tostring_rgb = tostring_rgb


def accept_one_element_radius() -> None:
    """Let MMPose's ``OpencvBackendVisualizer.draw_circles`` take its radius as an array of one element.

    MMPose passes such arrays, and ``int()`` of them is an error since numpy 2.4.
    """
    from mmpose.visualization.opencv_backend_visualizer import OpencvBackendVisualizer
    draw_circles = OpencvBackendVisualizer.draw_circles
    if np.lib.NumpyVersion(np.__version__) < '2.4.0' or draw_circles.__module__ == __name__:
        return

    def draw_circles_of_any_radius(self, center, radius, *args, **kwargs):
        if self.backend == 'opencv':  # the matplotlib backend insists on an array
            radius = np.asarray(radius).item()
        return draw_circles(self, center, radius, *args, **kwargs)

    OpencvBackendVisualizer.draw_circles = draw_circles_of_any_radius
