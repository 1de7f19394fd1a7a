"""The coarse 2D joints of a split: an npz file, which ``predict_keypoints_2d.py`` writes."""
from pathlib import Path

import numpy as np

from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import check_rows, match_rows, read_arrays, write_arrays


def save_keypoints_2d(path: str | Path, frame_ids: np.ndarray, keypoints_2d: np.ndarray, scores: np.ndarray) -> None:
    """Write coarse 2D joints.

    Args:
        path: File to write.
        frame_ids: (N,), 1-based frame numbers.
        keypoints_2d: (N, 18, 2), image px.
        scores: (N, 18), scores of the joints; 0 = not predicted.
    """
    write_arrays(path, frame_ids=np.asarray(frame_ids, dtype=np.int32),
                 keypoints_2d=np.asarray(keypoints_2d, dtype=np.float32),
                 keypoints_2d_score=np.asarray(scores, dtype=np.float32))


def load_keypoints_2d(path: str | Path, frame_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read coarse 2D joints of given frames.

    Args:
        path: Product of ``mmpose-integral prepare keypoints-2d``.
        frame_ids: (N,), wanted frames, in this order.

    Returns:
        (N, 18, 2) image px, (N, 18) scores.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a wanted frame is not in it, or its arrays have the wrong shape.
    """
    remedy = 'make it with mmpose-integral prepare keypoints-2d'
    shapes = dict(keypoints_2d=(NUM_JOINTS, 2), keypoints_2d_score=(NUM_JOINTS,))
    arrays = read_arrays(path, 'file of coarse 2D joints', ('frame_ids', *shapes), remedy)
    check_rows(arrays, shapes, f'file of coarse 2D joints {path}', remedy)
    rows = match_rows(arrays['frame_ids'], frame_ids, path)
    return arrays['keypoints_2d'][rows], arrays['keypoints_2d_score'][rows]
