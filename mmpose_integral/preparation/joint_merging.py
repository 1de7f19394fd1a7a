"""Conversion of the joints of MPII- or COCO-format 2D models to our 18, and merging of several models' joints."""
import numpy as np

from mmpose_integral.structures.skeleton import JOINT_MAPS

FORMAT_SIZES = dict(mpii=16, coco=17)


def joint_format(dataset_meta: dict) -> str:
    """Determine the joint format of a model.

    Args:
        dataset_meta: Meta data of the model's dataset, with ``dataset_name`` and ``num_keypoints``.

    Returns:
        Key of ``skeleton.JOINT_MAPS``.

    Raises:
        ValueError: If the format is neither MPII nor COCO.
    """
    name, size = str(dataset_meta.get('dataset_name')), dataset_meta.get('num_keypoints')
    if FORMAT_SIZES.get(name) != size:
        raise ValueError(f'the 2D model predicts the {size} joints of dataset {name!r}; MPII (16) or COCO (17) is '
                         'expected')
    return name


def to_h80k_joints(keypoints: np.ndarray, scores: np.ndarray, joint_format: str) -> tuple[np.ndarray, np.ndarray]:
    """Convert a model's joints to ours.

    Args:
        keypoints: (N, J, 2), image px.
        scores: (N, J), scores.
        joint_format: Joint format, 'mpii' or 'coco'.

    Returns:
        (N, 18, 2) and (N, 18) float32; joints that the format lacks are 0 in both. Scores are clipped to [0, 1],
        because heat-map peaks may lie slightly outside this range.

    Raises:
        ValueError: If J is not the format's number of joints.
    """
    if keypoints.shape[1] != FORMAT_SIZES[joint_format]:
        raise ValueError(f'keypoints: (N, {FORMAT_SIZES[joint_format]}, 2) expected for format {joint_format!r}, got '
                         f'{keypoints.shape}')
    source = np.array(JOINT_MAPS[joint_format])
    present = source >= 0
    mapped = np.where(present[:, None], keypoints[:, source], 0).astype(np.float32)
    return mapped, np.where(present, np.clip(scores[:, source], 0, 1), 0).astype(np.float32)


def merge_by_score(keypoints: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take each joint from the model with the highest score; of equal scores, the one of the earlier model is taken.

    Args:
        keypoints: (M, N, K, 2), one entry per model, image px.
        scores: (M, N, K), scores; 0 = not predicted.

    Returns:
        Joints (N, K, 2) and scores (N, K).
    """
    best = np.argmax(scores, axis=0)[None]
    return np.take_along_axis(keypoints, best[..., None], axis=0)[0], np.take_along_axis(scores, best, axis=0)[0]
