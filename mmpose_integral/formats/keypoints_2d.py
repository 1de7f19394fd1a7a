"""The coarse 2D joints of a split: an npz file, which ``predict_keypoints_2d.py`` writes."""
from pathlib import Path

import numpy as np

from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import match_rows, read_arrays, replace_when_done


def save_keypoints_2d(path: str | Path, frame_ids: np.ndarray, keypoints_2d: np.ndarray, scores: np.ndarray) -> None:
    """Write coarse 2D joints.

    Args:
        path: File to write; it appears when it is complete.
        frame_ids: (N,), 1-based frame numbers.
        keypoints_2d: (N, 18, 2), image px.
        scores: (N, 18), scores of the joints; 0 = not predicted.
    """
    with replace_when_done(path) as temporary:
        np.savez(temporary, frame_ids=np.asarray(frame_ids, dtype=np.int32),
                 keypoints_2d=np.asarray(keypoints_2d, dtype=np.float32),
                 keypoints_2d_score=np.asarray(scores, dtype=np.float32))


def load_keypoints_2d(path: str | Path, frame_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read coarse 2D joints of given frames.

    Args:
        path: Product of ``tools/dataset_converters/predict_keypoints_2d.py``.
        frame_ids: (N,), wanted frames, in this order.

    Returns:
        (N, 18, 2) image px, (N, 18) scores.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a wanted frame is not in it, or its arrays have the wrong shape.
    """
    arrays = read_arrays(path, 'file of coarse 2D joints', ('frame_ids', 'keypoints_2d', 'keypoints_2d_score'),
                         'make it with tools/dataset_converters/predict_keypoints_2d.py')
    ids, keypoints, scores = arrays['frame_ids'], arrays['keypoints_2d'], arrays['keypoints_2d_score']
    if keypoints.shape != (len(ids), NUM_JOINTS, 2) or scores.shape != (len(ids), NUM_JOINTS):
        raise ValueError(f'{path}: (N, 18, 2) joints and (N, 18) scores of {len(ids)} frames expected, got '
                         f'{keypoints.shape} and {scores.shape}')
    rows = match_rows(ids, frame_ids, path)
    return keypoints[rows], scores[rows]
