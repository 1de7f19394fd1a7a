"""The cameras of a split: an npz file with one camera per frame, which ``fit_cameras.py`` writes."""
from pathlib import Path
from typing import Any

import numpy as np

from mmpose_integral.formats.h80k_index import H80KIndex
from mmpose_integral.formats.origin import IMAGES, POSES, check_origin, origin_of
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


def save_cameras(path: str | Path, index: H80KIndex, camera: Camera) -> None:
    """Write the cameras of a split.

    Args:
        path: File to write.
        index: Index of N frames, whose split, images and poses the file also names.
        camera: Cameras of N frames; NaN where a frame determines no camera. Perspective cameras have one focal length
            and N principal points.
    """
    write_arrays(path, **origin_of(index, IMAGES, POSES), model=np.array(model_of(camera)), frame_ids=index.frame_ids,
                 **camera._asdict())


def load_cameras(path: str | Path, index: H80KIndex) -> Camera:
    """Read the cameras of the frames of an index.

    Args:
        path: Product of ``mmpose-integral prepare cameras``.
        index: Index of N frames, to which the file must belong.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a frame is not in it, its model is unknown, its arrays do not fit together, or it was made from
            another index.
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
    for name in {*kind._fields} - {*shapes}:
        if arrays[name].shape != () or arrays[name].dtype.kind not in 'if' or not 0 < arrays[name] < np.inf:
            raise ValueError(f'file of cameras {path}: {name}: a positive number expected; {remedy}')
    check_origin(arrays, index, path, remedy)
    rows = match_rows(arrays['frame_ids'], index.frame_ids, path)
    fields: dict[str, Any] = {
        name: arrays[name][rows] if name in shapes else float(arrays[name]) for name in kind._fields}
    return kind(**fields)
