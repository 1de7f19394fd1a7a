from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmpose.apis.inferencers import MMPoseInferencer as StockInferencer

from .arguments import check_arguments
from .integral_pose3d_inferencer import IntegralPose3DInferencer
from .media import Input
from .model_zoo import is_image_based
from .people import Millimetres


class MMPoseInferencer(StockInferencer):
    """mmpose's inferencer, which builds an :class:`IntegralPose3DInferencer` for image-based 3D models.

    All other models (2D models, lifters, hand models) run in mmpose's own inferencers. Like mmpose's class, this one
    is in no registry.

    Args:
        pose3d: Config of this package, a name or alias of its ``model-index.yml`` (``'standin'``, ``'official'``), an
            alias registered on this machine, or any model of mmpose's class.
        bone_length, body_height, focal_length, principal_point, upright: Arguments for image-based 3D models, see
            :meth:`IntegralPose3DInferencer.__call__`. The other arguments are those of mmpose's class.
    """

    def __init__(self, pose2d: str | Path | Config | None = None, pose2d_weights: str | None = None,
                 pose3d: str | Path | Config | None = None, pose3d_weights: str | Path | None = None,
                 device: str | None = None, scope: str = 'mmpose', det_model: str | Path | Config | None = None,
                 det_weights: str | Path | None = None, det_cat_ids: int | Sequence[int] | None = None,
                 show_progress: bool = False, bone_length: Millimetres = None, body_height: Millimetres = None,
                 focal_length: float | Sequence[float] | None = None,
                 principal_point: Sequence[float] | None = None,
                 upright: bool | dict[str, Any] | None = None) -> None:
        ours: dict[str, Any] = dict(bone_length=bone_length, body_height=body_height, focal_length=focal_length,
                                    principal_point=principal_point, upright=upright)
        if pose3d is not None and is_image_based(pose3d):
            if pose2d is not None or pose2d_weights is not None:
                raise ValueError(f'pose2d: {pose3d} processes the image itself and takes no 2D model')
            self.visualizer, self.show_progress = None, show_progress
            self.inferencer = IntegralPose3DInferencer(
                pose3d, pose3d_weights, device, scope, det_model, det_weights, det_cat_ids, show_progress, **ours)
            return
        for name, value in ours.items():
            if value is not None:
                raise ValueError(f'{name}: only image-based 3D models take it, and {pose3d or pose2d} is not one')
        super().__init__(pose2d, pose2d_weights, pose3d, pose3d_weights, device, scope, det_model, det_weights,
                         det_cat_ids, show_progress)

    def __call__(self, inputs: Input, return_datasamples: bool = False, batch_size: int = 1,
                 out_dir: str | Path | None = None, **kwargs: Any) -> Generator[dict[str, Any], None, None]:
        """Predict; arguments and results are mmpose's, or those of :meth:`IntegralPose3DInferencer.__call__`.

        Raises:
            TypeError: If no inferencer of mmpose has such an argument; mmpose's own class drops it silently.
        """
        check_arguments(kwargs, type(self.inferencer))
        stock = self.inferencer if isinstance(self.inferencer, IntegralPose3DInferencer) else super()
        return stock.__call__(inputs, return_datasamples, batch_size, out_dir, **kwargs)
