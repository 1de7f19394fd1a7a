"""From the joints of MPII- or COCO-format 2D models to our 18, and from several models' joints to one set."""
import numpy as np

from mmpose_integral.structures.skeleton import JOINT_MAPS

FORMAT_SIZES = dict(mpii=16, coco=17)


def joint_format(dataset_meta):
    """Tell the joint format of a model.

    Args:
        dataset_meta (dict): the model's, as mmpose parses it: ``dataset_name``, ``num_keypoints``.

    Returns:
        str: a key of ``skeleton.JOINT_MAPS``.

    Raises:
        ValueError: neither MPII nor COCO.
    """
    name, size = str(dataset_meta.get('dataset_name')), dataset_meta.get('num_keypoints')
    if FORMAT_SIZES.get(name) != size:
        raise ValueError(f'the 2D model predicts the {size} joints of dataset {name!r}; MPII (16) or COCO (17) is '
                         'expected')
    return name


def to_h80k_joints(keypoints, scores, joint_format):
    """Reorder a model's joints to ours.

    Args:
        keypoints (np.ndarray): (N, J, 2), image px.
        scores (np.ndarray): (N, J).
        joint_format (str): 'mpii' or 'coco'.

    Returns:
        tuple[np.ndarray, np.ndarray]: (N, 18, 2) and (N, 18) float32; a joint that the format lacks is 0 in both.
        Scores are held to [0, 1]: heat-map peaks overshoot 1 and undershoot 0 a little.

    Raises:
        ValueError: J is not the format's number of joints.
    """
    if keypoints.shape[1] != FORMAT_SIZES[joint_format]:
        raise ValueError(f'keypoints: (N, {FORMAT_SIZES[joint_format]}, 2) expected for format {joint_format!r}, got '
                         f'{keypoints.shape}')
    source = np.array(JOINT_MAPS[joint_format])
    present = source >= 0
    mapped = np.where(present[:, None], keypoints[:, source], 0).astype(np.float32)
    return mapped, np.where(present, np.clip(scores[:, source], 0, 1), 0).astype(np.float32)


def merge_by_score(keypoints, scores):
    """Take each joint from the model that is surest of it; equal scores go to the earlier model.

    Args:
        keypoints (np.ndarray): (M, N, K, 2), one entry a model, image px.
        scores (np.ndarray): (M, N, K), 0 = not predicted.

    Returns:
        tuple[np.ndarray, np.ndarray]: (N, K, 2), (N, K).
    """
    best = np.argmax(scores, axis=0)[None]
    return np.take_along_axis(keypoints, best[..., None], axis=0)[0], np.take_along_axis(scores, best, axis=0)[0]
