"""Share of joints that are close enough. Thresholds and strictness are those of mmpose's ``keypoint_3d_pck`` and
``keypoint_3d_auc`` (its 0.x series), which follow MPI-INF-3DHP."""
import numpy as np

PCK_THRESHOLD_MM = 150.0
AUC_THRESHOLDS_MM = np.arange(0.0, 151.0, 5.0)


def pck(errors, threshold_mm=PCK_THRESHOLD_MM):
    """Percentage of errors strictly below a threshold.

    Args:
        errors (np.ndarray): any shape, mm.
        threshold_mm (float): mm. Default: 150.

    Returns:
        float: 0 to 100.

    Raises:
        ValueError: there are no errors.
    """
    errors = np.asarray(errors)
    if not errors.size:
        raise ValueError('errors: at least one value expected, got none')
    return np.count_nonzero(errors < threshold_mm) * 100.0 / errors.size


def auc(errors):
    """Mean of :func:`pck` over thresholds 0, 5, ..., 150 mm.

    At threshold 0 nothing is strictly below, so a perfect prediction gets 30/31 of 100.

    Args:
        errors (np.ndarray): any shape, mm.

    Returns:
        float: 0 to 96.77.

    Raises:
        ValueError: there are no errors.
    """
    return float(np.mean([pck(errors, threshold) for threshold in AUC_THRESHOLDS_MM]))
