"""The cameras of a split: an npz file with one camera per frame, which ``fit_cameras.py`` writes."""
from pathlib import Path

import numpy as np

from mmpose_integral.structures.weak_perspective import WeakPerspectiveCamera
from mmpose_integral.utils.files import match_rows, read_arrays, replace_when_done

WEAK = 'weak'
"""The ``model`` of a file with weak-perspective cameras."""


def save_cameras(path: str | Path, frame_ids: np.ndarray, camera: WeakPerspectiveCamera) -> None:
    """Write the cameras of a split.

    Args:
        path: File to write; it appears when it is complete.
        frame_ids: (N,) 1-based frame numbers.
        camera: Cameras of N frames; NaN where a frame determines no camera.
    """
    with replace_when_done(path) as temporary:
        np.savez(temporary, model=np.array(WEAK), frame_ids=np.asarray(frame_ids, dtype=np.int32), **camera._asdict())


def load_cameras(path: str | Path, frame_ids: np.ndarray) -> WeakPerspectiveCamera:
    """Read the cameras of given frames.

    Args:
        path: A product of ``tools/dataset_converters/fit_cameras.py``.
        frame_ids: (N,) frames wanted, in this order.

    Returns:
        Cameras of these N frames.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a wanted frame is not in it, it holds another model, or its arrays do not fit together.
    """
    fields = WeakPerspectiveCamera._fields
    arrays = read_arrays(path, 'file of cameras', ('model', 'frame_ids', *fields),
                         'make it with tools/dataset_converters/fit_cameras.py')
    if str(arrays['model']) != WEAK:
        raise ValueError(f'{path}: cameras of model {str(arrays["model"])!r}, {WEAK!r} expected')
    count = len(arrays['frame_ids'])
    wrong = [name for name in fields if len(arrays[name]) != count]
    if wrong or arrays['rotation'].shape[1:] != (2, 2) or arrays['translation'].shape[1:] != (2,):
        raise ValueError(f'{path}: arrays of {count} frames expected; got '
                         + ', '.join(f'{name} {arrays[name].shape}' for name in fields))
    rows = match_rows(arrays['frame_ids'], frame_ids, path)
    return WeakPerspectiveCamera(*(arrays[name][rows] for name in fields))
