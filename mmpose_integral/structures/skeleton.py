"""The 18-joint skeleton of CHALL_H80K: names, tree, mirror pairs, and the maps from MPII and COCO joints.

Joints 0-16 are the rows of a CHALL_H80K pose file. Joint 17, the thorax, is in no file. It is the midpoint of the
shoulders, and :func:`add_thorax` computes it.
"""
from typing import Any

import numpy as np

JOINT_NAMES = (
    'root', 'right_hip', 'right_knee', 'right_ankle', 'left_hip', 'left_knee', 'left_ankle', 'torso', 'neck', 'nose',
    'head', 'left_shoulder', 'left_elbow', 'left_wrist', 'right_shoulder', 'right_elbow', 'right_wrist', 'thorax')
NUM_JOINTS = len(JOINT_NAMES)
NUM_FILE_JOINTS = 17

# Parent of each joint; the root is its own parent. The challenge's skeleton length is the sum over these 17 bones.
PARENTS = (0, 0, 1, 2, 0, 4, 5, 0, 17, 17, 8, 17, 11, 12, 17, 14, 15, 0)
BONES = tuple((parent, joint) for joint, parent in enumerate(PARENTS) if joint != parent)

# The official tree defines the skeleton length. It runs from the root to the thorax and from there to the nose.
# Drawings use these bones instead, which follow the body: spine through the torso, neck, nose, top of the head.
DRAWN_BONES = ((0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6), (0, 7), (7, 17), (17, 8), (8, 9), (9, 10),
               (17, 11), (11, 12), (12, 13), (17, 14), (14, 15), (15, 16))

FLIP_PAIRS = ((1, 4), (2, 5), (3, 6), (11, 14), (12, 15), (13, 16))

# Entry k is the index of our joint k in the other data set; it is -1 where that set has no such joint.
MPII_TO_H80K = (6, 2, 1, 0, 3, 4, 5, -1, 8, -1, 9, 13, 14, 15, 12, 11, 10, 7)
COCO_TO_H80K = (-1, 12, 14, 16, 11, 13, 15, -1, -1, 0, -1, 5, 7, 9, 6, 8, 10, -1)
JOINT_MAPS = dict(mpii=MPII_TO_H80K, coco=COCO_TO_H80K)

# Okabe-Ito blue and vermilion can be told apart with every common colour blindness. RGB, as in mmpose's METAINFO.
LEFT_COLOR, RIGHT_COLOR, MIDDLE_COLOR = (0, 114, 178), (213, 94, 0), (90, 90, 90)
# A trunk that points more directly at the camera than this, as tan(20 degrees), has no direction in the image.
_LEAST_SLOPE = 0.36


def flip_indices() -> list[int]:
    """Index of each joint's counterpart on the other side; ``keypoints[flip_indices()]`` swaps left and right."""
    indices = list(range(NUM_JOINTS))
    for right, left in FLIP_PAIRS:
        indices[right], indices[left] = left, right
    return indices


def add_thorax(keypoints: np.ndarray) -> np.ndarray:
    """Append joint 17, the midpoint of the shoulders.

    Args:
        keypoints: (..., 17, C), any unit and frame.

    Returns:
        (..., 18, C), same dtype.

    Raises:
        ValueError: If the joint axis is not 17 long.
    """
    keypoints = np.asarray(keypoints)
    if keypoints.ndim < 2 or keypoints.shape[-2] != NUM_FILE_JOINTS:
        raise ValueError(f'keypoints: shape (..., 17, C) expected, got {keypoints.shape}')
    left, right = JOINT_NAMES.index('left_shoulder'), JOINT_NAMES.index('right_shoulder')
    thorax = (keypoints[..., left, :] + keypoints[..., right, :]) / 2
    return np.concatenate([keypoints, thorax[..., None, :].astype(keypoints.dtype)], axis=-2)


def trunk_angle(keypoints: np.ndarray) -> float:
    """Direction of the trunk in the image: angle of the vector from the root to the thorax.

    Args:
        keypoints: (18, 3) image px, z in the same px.

    Returns:
        Degrees from "up" towards x, -180 to 180; 0 if the trunk points at the camera.
    """
    x, y, z = keypoints[JOINT_NAMES.index('thorax')] - keypoints[JOINT_NAMES.index('root')]
    return float(np.rad2deg(np.arctan2(x, -y))) if np.hypot(x, y) > _LEAST_SLOPE * abs(z) else 0.0


def side_color(*joints: int) -> tuple[int, int, int]:
    """RGB colour of a joint or bone by its body side: left blue, right vermilion, middle grey."""
    names = [JOINT_NAMES[joint] for joint in joints]
    if any(name.startswith('left') for name in names):
        return LEFT_COLOR
    return RIGHT_COLOR if any(name.startswith('right') for name in names) else MIDDLE_COLOR


def build_metainfo() -> dict[str, Any]:
    """Dataset info in mmpose's METAINFO format. A dict does not depend on the working folder, as a file would."""
    twins = flip_indices()
    keypoint_info = {
        k: dict(name=name, id=k, color=list(side_color(k)), swap=JOINT_NAMES[twins[k]] if twins[k] != k else '',
                type='lower' if 1 <= k <= 6 else 'upper')
        for k, name in enumerate(JOINT_NAMES)}
    skeleton_info = {
        i: dict(link=(JOINT_NAMES[parent], JOINT_NAMES[joint]), id=i, color=list(side_color(parent, joint)))
        for i, (parent, joint) in enumerate(BONES)}
    return dict(
        dataset_name='h80k',
        paper_info=dict(author='Catalin Ionescu and others', title='ECCV 2018 PoseTrack 3D challenge (CHALL_H80K)',
                        year='2018', homepage='http://vision.imar.ro/human3.6m/challenge_open.php'),
        keypoint_info=keypoint_info, skeleton_info=skeleton_info,
        joint_weights=[1.0] * NUM_JOINTS, sigmas=[0.05] * NUM_JOINTS)
