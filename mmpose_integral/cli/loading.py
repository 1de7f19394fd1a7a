"""Loading of an inferencer for the command line: it returns a complete inferencer, or raises a readable error."""
import contextlib
import io
import pickle
import urllib.error

from mmpose.models.pose_estimators.base import BasePoseEstimator

from mmpose_integral.apis.integral_pose3d_inferencer import IntegralPose3DInferencer
from mmpose_integral.apis.model_check import first_line


def load_inferencer(pose3d: str, weights: str | None = None, device: str | None = None, flip_test: bool = False,
                    **kwargs) -> IntegralPose3DInferencer:
    """Build an inferencer and its detector at once, without printing to stdout.

    Args:
        pose3d: Model of :class:`IntegralPose3DInferencer`.
        weights: Checkpoint of the model.
        device: Device of the model; by default a GPU if there is one.
        flip_test: Whether to average with the prediction for the mirrored input.
        **kwargs: Further arguments of :class:`IntegralPose3DInferencer`.

    Returns:
        Inferencer with its detector loaded.

    Raises:
        FileNotFoundError, ValueError, OSError: If :class:`IntegralPose3DInferencer` raises it, a device does not
            exist, the weights cannot be fetched, or a checkpoint is damaged.
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
        for module in inferencer.model.modules():  # includes the members of an ensemble
            if isinstance(module, BasePoseEstimator):
                module.test_cfg = dict(module.test_cfg or {}, flip_test=True)
    return inferencer
