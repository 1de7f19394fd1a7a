"""Pure functions of arrays."""
from mmpose_integral.structures.bone_length import (
    PUBLISHED_SKELETON_LENGTHS,
    mean_skeleton_length,
    rescale_to_bone_length,
    skeleton_length,
    skeleton_length_from_height,
)

from .bootstrap import Difference, paired_bootstrap
from .calibration import Calibration, PoseCalibration, calibrate_poses, calibration
from .ensemble import average_predictions
from .h80k import PER_FRAME, H80KResult, evaluate_h80k
from .mpjpe import align_poses, mpjpe
from .pck import auc, pck

__all__ = [
    'PER_FRAME', 'PUBLISHED_SKELETON_LENGTHS', 'Calibration', 'Difference', 'H80KResult', 'PoseCalibration',
    'align_poses', 'auc', 'average_predictions', 'calibrate_poses', 'calibration', 'evaluate_h80k',
    'mean_skeleton_length', 'mpjpe', 'paired_bootstrap', 'pck', 'rescale_to_bone_length', 'skeleton_length',
    'skeleton_length_from_height'
]
