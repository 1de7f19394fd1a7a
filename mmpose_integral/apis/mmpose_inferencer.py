from mmpose.apis.inferencers import MMPoseInferencer as StockInferencer

from mmpose_integral.apis.arguments import check_arguments
from mmpose_integral.apis.integral_pose3d_inferencer import IntegralPose3DInferencer
from mmpose_integral.apis.model_check import is_image_based


class MMPoseInferencer(StockInferencer):
    """mmpose's inferencer, which builds an :class:`IntegralPose3DInferencer` for image-based 3D models.

    All other models (2D models, lifters, hand models) run in mmpose's own inferencers. Like mmpose's class, this one
    is in no registry.

    Args:
        pose2d, pose2d_weights, pose3d, pose3d_weights, device, scope, det_model, det_weights, det_cat_ids,
            show_progress: Arguments of mmpose's class. ``pose3d`` may also be a config of this package, a name or
            alias of its ``model-index.yml`` (``'standin'``, ``'official'``), or an alias registered on this machine.
        bone_length, body_height, focal_length, principal_point: Arguments for image-based 3D models, see
            :meth:`IntegralPose3DInferencer.__call__`.

    Raises:
        ValueError: If neither ``pose2d`` nor ``pose3d`` is given, or an argument does not apply to the model.
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
        """Predict; arguments and results are mmpose's, or those of :meth:`IntegralPose3DInferencer.__call__`.

        Yields:
            dict: ``predictions`` and ``visualization``, for each image.

        Raises:
            TypeError: If no inferencer of mmpose has such an argument; mmpose's own class drops it silently.
        """
        check_arguments(kwargs, type(self.inferencer))
        stock = self.inferencer if isinstance(self.inferencer, IntegralPose3DInferencer) else super()
        return stock.__call__(inputs, return_datasamples, batch_size, out_dir, **kwargs)
