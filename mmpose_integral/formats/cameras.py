"""The cameras of a split: an npz file with one camera per frame, which ``fit_cameras.py`` writes."""
from pathlib import Path

import numpy as np

from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.structures.weak_perspective import WeakPerspectiveCamera
from mmpose_integral.utils.files import check_rows, match_rows, read_arrays, write_arrays

WEAK = 'weak'
"""The ``model`` of a file with weak-perspective cameras."""

_SHAPES = dict(scale=(), rotation=(2, 2), translation=(2,), residual=(NUM_JOINTS,), inlier=(NUM_JOINTS,))


def save_cameras(path: str | Path, frame_ids: np.ndarray, camera: WeakPerspectiveCamera) -> None:
    """Write the cameras of a split.

    Args:
        path: File to write.
        frame_ids: (N,) 1-based frame numbers.
        camera: Cameras of N frames; NaN where a frame determines no camera.
    """
    write_arrays(path, model=np.array(WEAK), frame_ids=np.asarray(frame_ids, dtype=np.int32), **camera._asdict())


def load_cameras(path: str | Path, frame_ids: np.ndarray) -> WeakPerspectiveCamera:
    """Read the cameras of given frames.

    Args:
        path: Product of ``mmpose-integral prepare cameras``.
        frame_ids: (N,) wanted frames, in this order.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a wanted frame is not in it, it holds another model, or its arrays do not fit together.
    """
    remedy = 'make it with mmpose-integral prepare cameras'
    arrays = read_arrays(path, 'file of cameras', ('model', 'frame_ids', *_SHAPES), remedy)
    if str(arrays['model']) != WEAK:
        raise ValueError(f'{path}: cameras of model {str(arrays["model"])!r}, {WEAK!r} expected; {remedy}')
    check_rows(arrays, _SHAPES, f'file of cameras {path}', remedy)
    rows = match_rows(arrays['frame_ids'], frame_ids, path)
    return WeakPerspectiveCamera(**{name: arrays[name][rows] for name in _SHAPES})
