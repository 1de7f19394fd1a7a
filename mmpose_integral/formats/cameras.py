"""The cameras of a split: an npz file with one camera per frame, which ``fit_cameras.py`` writes."""
from pathlib import Path
from typing import Any

import numpy as np

from mmpose_integral.structures.perspective import PerspectiveCamera
from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.structures.weak_perspective import WeakPerspectiveCamera
from mmpose_integral.utils.files import check_rows, match_rows, read_arrays, write_arrays

Camera = WeakPerspectiveCamera | PerspectiveCamera

MODELS: dict[str, type[Camera]] = dict(weak=WeakPerspectiveCamera, perspective=PerspectiveCamera)
"""Cameras by the ``model`` of their file."""

_JOINTS = dict(residual=(NUM_JOINTS,), inlier=(NUM_JOINTS,))
_SHAPES: dict[str, dict[str, tuple[int, ...]]] = dict(
    weak=dict(scale=(), rotation=(2, 2), translation=(2,), **_JOINTS),
    perspective=dict(principal_point=(2,), translation=(3,), **_JOINTS))


def model_of(camera: Camera) -> str:
    """The name of a camera's model, a key of :data:`MODELS`."""
    return next(name for name, kind in MODELS.items() if isinstance(camera, kind))


def save_cameras(path: str | Path, frame_ids: np.ndarray, camera: Camera) -> None:
    """Write the cameras of a split.

    Args:
        path: File to write.
        frame_ids: (N,) 1-based frame numbers.
        camera: Cameras of N frames; NaN where a frame determines no camera. Perspective cameras have one focal length
            and N principal points.
    """
    write_arrays(path, model=np.array(model_of(camera)), frame_ids=np.asarray(frame_ids, dtype=np.int32),
                 **camera._asdict())


def load_cameras(path: str | Path, frame_ids: np.ndarray) -> Camera:
    """Read the cameras of given frames.

    Args:
        path: Product of ``mmpose-integral prepare cameras``.
        frame_ids: (N,) wanted frames, in this order.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a wanted frame is not in it, its model is unknown, or its arrays do not fit together.
    """
    remedy = 'make it with mmpose-integral prepare cameras'
    arrays = read_arrays(path, 'file of cameras', ('model', 'frame_ids'), remedy)
    model = str(arrays['model'])
    if model not in MODELS:
        raise ValueError(f'{path}: cameras of model {model!r}, one of {tuple(MODELS)} expected; {remedy}')
    kind, shapes = MODELS[model], _SHAPES[model]
    absent = [name for name in kind._fields if name not in arrays]
    if absent:
        raise ValueError(f'{path} is no file of cameras, because it has no {absent[0]}; {remedy}')
    check_rows(arrays, shapes, f'file of cameras {path}', remedy)
    rows = match_rows(arrays['frame_ids'], frame_ids, path)
    fields: dict[str, Any] = {
        name: arrays[name][rows] if name in shapes else float(arrays[name]) for name in kind._fields}
    return kind(**fields)
