"""The coarse 2D joints of a split: an npz file, which ``predict_keypoints_2d.py`` writes."""
from pathlib import Path

import numpy as np

from mmpose_integral.formats.h80k_index import H80KIndex
from mmpose_integral.formats.origin import IMAGES, check_origin, origin_of
from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import check_rows, match_rows, read_arrays, write_arrays


def save_keypoints_2d(path: str | Path, index: H80KIndex, keypoints_2d: np.ndarray, scores: np.ndarray) -> None:
    """Write coarse 2D joints.

    Args:
        path: File to write.
        index: Index of N frames, whose split and images the file also names.
        keypoints_2d: (N, 18, 2), image px.
        scores: (N, 18), scores of the joints; 0 = not predicted.
    """
    write_arrays(path, **origin_of(index, IMAGES), frame_ids=index.frame_ids,
                 keypoints_2d=np.asarray(keypoints_2d, dtype=np.float32),
                 keypoints_2d_score=np.asarray(scores, dtype=np.float32))


def load_keypoints_2d(path: str | Path, index: H80KIndex) -> tuple[np.ndarray, np.ndarray]:
    """Read the coarse 2D joints of the frames of an index.

    Args:
        path: Product of ``mmpose-integral prepare keypoints-2d``.
        index: Index of N frames, to which the file must belong.

    Returns:
        (N, 18, 2) image px, (N, 18) scores.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a frame is not in it or has values that are not finite, its arrays have the wrong shape, or it
            was made from another index.
    """
    remedy = 'make it with mmpose-integral prepare keypoints-2d'
    shapes = dict(keypoints_2d=(NUM_JOINTS, 2), keypoints_2d_score=(NUM_JOINTS,))
    arrays = read_arrays(path, 'file of coarse 2D joints', ('frame_ids', *shapes), remedy)
    check_rows(arrays, shapes, f'file of coarse 2D joints {path}', remedy)
    check_origin(arrays, index, path, remedy)
    rows = match_rows(arrays['frame_ids'], index.frame_ids, path)
    keypoints, scores = arrays['keypoints_2d'][rows], arrays['keypoints_2d_score'][rows]
    bad = np.flatnonzero(~(np.isfinite(keypoints).all(-1) | (scores == 0)).all(-1) | ~np.isfinite(scores).all(-1))
    if len(bad):
        raise ValueError(f'{path}: frame {index.frame_ids[bad[0]]:05d} has 2D joints or scores that are not finite '
                         f'({len(bad)} such frames); {remedy}')
    return keypoints, scores
