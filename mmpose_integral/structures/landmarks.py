"""MediaPipe's 33 body landmarks, and our 18 joints as linear combinations of them.

The sides are those of the person. Root, torso, neck, head and thorax have no landmark of their own. They are points on
the lines between the middles of hips, shoulders and ears. These points are approximations: in CHALL_H80K, for example,
the head is the top of the head, whose distance from the ears differs between people.
"""
import numpy as np

from .skeleton import JOINT_NAMES

LANDMARK_NAMES = (
    'nose', 'left_eye_inner', 'left_eye', 'left_eye_outer', 'right_eye_inner', 'right_eye', 'right_eye_outer',
    'left_ear', 'right_ear', 'mouth_left', 'mouth_right', 'left_shoulder', 'right_shoulder', 'left_elbow',
    'right_elbow', 'left_wrist', 'right_wrist', 'left_pinky', 'right_pinky', 'left_index', 'right_index', 'left_thumb',
    'right_thumb', 'left_hip', 'right_hip', 'left_knee', 'right_knee', 'left_ankle', 'right_ankle', 'left_heel',
    'right_heel', 'left_foot_index', 'right_foot_index')

# Joint: (pair of landmarks a, pair of landmarks b, t); the joint is at a + t (b - a), a and b being the pairs' middles.
_BETWEEN_PAIRS = dict(
    root=('hip', 'shoulder', 0.0), torso=('hip', 'shoulder', 0.5), thorax=('hip', 'shoulder', 1.0),
    neck=('shoulder', 'ear', 0.4), head=('shoulder', 'ear', 1.5))


def landmark_weights() -> np.ndarray:
    """Weights (18, 33) of the landmarks in each joint; each row sums to 1.

    ``landmark_weights() @ landmarks`` converts landmarks (..., 33, C) of any unit and frame to joints (..., 18, C).
    """
    weights = np.zeros((len(JOINT_NAMES), len(LANDMARK_NAMES)))
    for row, name in zip(weights, JOINT_NAMES, strict=True):
        if name not in _BETWEEN_PAIRS:
            row[LANDMARK_NAMES.index(name)] = 1
            continue
        first, second, share = _BETWEEN_PAIRS[name]
        for pair, weight in ((first, 1 - share), (second, share)):
            for side in ('left', 'right'):
                row[LANDMARK_NAMES.index(f'{side}_{pair}')] = weight / 2
    return weights
