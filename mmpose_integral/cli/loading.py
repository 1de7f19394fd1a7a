"""An inferencer that is ready, or a sentence that says why there is none: for tools that people start by hand."""
import contextlib
import io
import pickle
import urllib.error

from mmpose.models.pose_estimators.base import BasePoseEstimator

from mmpose_integral.apis.integral_pose3d_inferencer import IntegralPose3DInferencer
from mmpose_integral.apis.model_check import first_line


def load_inferencer(pose3d, weights=None, device=None, flip_test=False, **kwargs):
    """Build an inferencer and its detector now, not when the first image has been read.

    Args:
        pose3d (str): see :class:`IntegralPose3DInferencer`.
        weights (str, optional): checkpoint.
        device (str, optional): by default a GPU if there is one.
        flip_test (bool): average with the mirrored input.
        **kwargs: of :class:`IntegralPose3DInferencer`.

    Returns:
        IntegralPose3DInferencer: nothing has been printed on the way.

    Raises:
        FileNotFoundError, ValueError, OSError: as :class:`IntegralPose3DInferencer`; also for a device that is not
            there, or a damaged checkpoint.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            inferencer = IntegralPose3DInferencer(pose3d, weights, device, **kwargs)
            inferencer.load_detector()
    except urllib.error.URLError as error:
        raise OSError(f'the weights of pose3d {pose3d} could not be fetched ({error.reason}); where there is no '
                      'network, give the file') from error
    except (RuntimeError, KeyError, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f'the model cannot be loaded: {first_line(error)}') from error
    if flip_test:
        for module in inferencer.model.modules():  # an ensemble's members too
            if isinstance(module, BasePoseEstimator):
                module.test_cfg = dict(module.test_cfg or {}, flip_test=True)
    return inferencer
