from pathlib import Path

from mmengine.config import Config
from mmpose.apis.inferencers import MMPoseInferencer as StockInferencer
from mmpose.registry import MODELS

from mmpose_integral.apis.arguments import check_arguments
from mmpose_integral.apis.integral_pose3d_inferencer import IntegralPose3DInferencer
from mmpose_integral.apis.model_alias import load_aliases
from mmpose_integral.apis.model_index import config_of, indexed_models
from mmpose_integral.models import EnsembleEstimator, Integral3DEstimator


class MMPoseInferencer(StockInferencer):
    """mmpose's inferencer, which for image-based 3D models builds :class:`IntegralPose3DInferencer`.

    Everything else, 2D models, lifters, hands, is mmpose's own. Like that one it is in no registry.

    Args:
        pose2d, pose2d_weights, pose3d, pose3d_weights, device, scope, det_model, det_weights, det_cat_ids,
            show_progress: as mmpose's. ``pose3d`` may also be a config of this package, a name or alias of its
            ``model-index.yml`` (``'standin'``, ``'official'``), or one registered on this machine.
        bone_length, body_height, focal_length, principal_point: of image-based 3D models, see
            :meth:`IntegralPose3DInferencer.__call__`.

    Raises:
        ValueError: neither ``pose2d`` nor ``pose3d``, or an argument that the model has no use for.
    """

    def __init__(self, pose2d=None, pose2d_weights=None, pose3d=None, pose3d_weights=None, device=None,
                 scope='mmpose', det_model=None, det_weights=None, det_cat_ids=None, show_progress=False,
                 bone_length=None, body_height=None, focal_length=None, principal_point=None):
        ours = dict(bone_length=bone_length, body_height=body_height, focal_length=focal_length,
                    principal_point=principal_point)
        if pose3d is not None and is_image_based(pose3d):
            if pose2d is not None or pose2d_weights is not None:
                raise ValueError(f'pose2d: {pose3d} sees the image itself and takes no 2D model')
            self.visualizer, self.show_progress = None, show_progress
            self.inferencer = IntegralPose3DInferencer(
                pose3d, pose3d_weights, device, scope, det_model, det_weights, det_cat_ids, show_progress, **ours)
            return
        for name, value in ours.items():
            if value is not None:
                raise ValueError(f'{name}: only image-based 3D models take it, and {pose3d or pose2d} is none')
        super().__init__(pose2d, pose2d_weights, pose3d, pose3d_weights, device, scope, det_model, det_weights,
                         det_cat_ids, show_progress)

    def __call__(self, inputs, return_datasamples=False, batch_size=1, out_dir=None, **kwargs):
        """Predict; the arguments and results are those of mmpose, and :meth:`IntegralPose3DInferencer.__call__`.

        Yields:
            dict: ``predictions`` and ``visualization``, for each image.

        Raises:
            TypeError: a keyword argument that no inferencer of mmpose knows; mmpose's own drops it silently.
        """
        check_arguments(kwargs, type(self.inferencer))
        stock = self.inferencer if isinstance(self.inferencer, IntegralPose3DInferencer) else super()
        return stock.__call__(inputs, return_datasamples, batch_size, out_dir, **kwargs)


def is_image_based(pose3d):
    """Whether a 3D model is one of this package's.

    Args:
        pose3d (str | Path | mmengine.Config): as :class:`MMPoseInferencer` takes it.

    Returns:
        bool: False for lifters, hand models and names that are mmpose's.

    Raises:
        FileNotFoundError: a path of a config that does not exist.
    """
    if isinstance(pose3d, (str, Path)):
        name = str(pose3d)
        if name in load_aliases():
            return True  # nothing else is registered
        if name in indexed_models():
            pose3d = config_of(indexed_models()[name])
        elif not Path(name).is_file():
            if name.endswith('.py'):
                raise FileNotFoundError(f'pose3d: {name}: no such config file')
            return False
        pose3d = Config.fromfile(pose3d)
    model = pose3d.get('model') or {}
    cls = model.get('type')
    cls = MODELS.get(cls) if isinstance(cls, str) else cls
    return isinstance(cls, type) and issubclass(cls, (Integral3DEstimator, EnsembleEstimator))
