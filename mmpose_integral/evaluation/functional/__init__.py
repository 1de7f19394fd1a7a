"""Pure functions of arrays."""
from mmpose_integral.structures.bone_length import (
    PUBLISHED_SKELETON_LENGTHS,
    mean_skeleton_length,
    rescale_to_bone_length,
    skeleton_length,
    skeleton_length_from_height,
)

from .average import average_predictions
from .bootstrap import Difference, paired_bootstrap
from .calibration import Calibration, PoseCalibration, calibrate_poses, calibration
from .h80k import PER_FRAME, H80KResult, auc, evaluate_h80k, pck
from .millimetres import PosesInMm, label_intrinsics, px_to_mm
from .mpjpe import mpjpe

__all__ = [
    'PER_FRAME', 'PUBLISHED_SKELETON_LENGTHS', 'Calibration', 'Difference', 'H80KResult', 'PoseCalibration',
    'PosesInMm', 'auc', 'average_predictions', 'calibrate_poses', 'calibration', 'evaluate_h80k',
    'label_intrinsics', 'mean_skeleton_length', 'mpjpe', 'paired_bootstrap', 'pck', 'px_to_mm',
    'rescale_to_bone_length', 'skeleton_length', 'skeleton_length_from_height'
]
