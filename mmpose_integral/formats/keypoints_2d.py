"""Coarse 2D joints of a split: an npz file."""
import numpy as np

from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import match_rows, read_arrays, replace_when_done


def save_keypoints_2d(path, frame_ids, keypoints_2d, scores):
    """Write coarse 2D joints: (N,) ids, (N, 18, 2) image px, (N, 18) scores, 0 = not predicted."""
    with replace_when_done(path) as temporary:
        np.savez(temporary, frame_ids=np.asarray(frame_ids, dtype=np.int32),
                 keypoints_2d=np.asarray(keypoints_2d, dtype=np.float32),
                 keypoints_2d_score=np.asarray(scores, dtype=np.float32))


def load_keypoints_2d(path, frame_ids):
    """Read coarse 2D joints of given frames.

    Args:
        path (str | Path): a product of ``tools/dataset_converters/predict_keypoints_2d.py``.
        frame_ids (np.ndarray): (N,), the frames wanted, in this order.

    Returns:
        tuple[np.ndarray, np.ndarray]: (N, 18, 2) image px, (N, 18) scores.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a wanted frame is not in it, or its arrays have the wrong shape.
    """
    arrays = read_arrays(path, 'file of coarse 2D joints', ('frame_ids', 'keypoints_2d', 'keypoints_2d_score'),
                         'make it with tools/dataset_converters/predict_keypoints_2d.py')
    ids, keypoints, scores = arrays['frame_ids'], arrays['keypoints_2d'], arrays['keypoints_2d_score']
    if keypoints.shape != (len(ids), NUM_JOINTS, 2) or scores.shape != (len(ids), NUM_JOINTS):
        raise ValueError(f'{path}: (N, 18, 2) joints and (N, 18) scores of {len(ids)} frames expected, got '
                         f'{keypoints.shape} and {scores.shape}')
    rows = match_rows(ids, frame_ids, path)
    return keypoints[rows], scores[rows]
