"""Share of joints with a small error.

Thresholds and the strict comparison are those of mmpose's ``keypoint_3d_pck`` and ``keypoint_3d_auc`` (0.x series),
which follow MPI-INF-3DHP.
"""
import numpy as np

PCK_THRESHOLD_MM = 150.0
AUC_THRESHOLDS_MM = np.arange(0.0, 151.0, 5.0)


def pck(errors: np.ndarray, threshold_mm: float = PCK_THRESHOLD_MM) -> float:
    """Percentage of errors strictly below a threshold.

    Args:
        errors: Errors of any shape, mm.
        threshold_mm: Threshold, mm.

    Returns:
        Percentage, 0 to 100.

    Raises:
        ValueError: If there are no errors.
    """
    errors = np.asarray(errors)
    if not errors.size:
        raise ValueError('errors: at least one value expected, got none')
    return np.count_nonzero(errors < threshold_mm) * 100.0 / errors.size


def auc(errors: np.ndarray) -> float:
    """Mean of :func:`pck` over thresholds 0, 5, ..., 150 mm.

    No error is strictly below the threshold 0, so a perfect prediction gets 30/31 of 100.

    Args:
        errors: Errors of any shape, mm.

    Returns:
        Percentage, 0 to 96.77.

    Raises:
        ValueError: If there are no errors.
    """
    return float(np.mean([pck(errors, threshold) for threshold in AUC_THRESHOLDS_MM]))
