"""Whether a config is one of ours, and whether a device is there."""
from pathlib import Path

import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from mmpose_integral.apis.model_alias import load_aliases
from mmpose_integral.apis.model_index import config_of, indexed_models
from mmpose_integral.models import EnsembleEstimator, Integral3DEstimator


def is_image_based(pose3d):
    """Whether a 3D model is one of this package's.

    Args:
        pose3d (str | Path | mmengine.Config): as :class:`MMPoseInferencer` takes it.

    Returns:
        bool: False for lifters, hand models, 2D models and names that are mmpose's.

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
    flat = (model.get('head') or {}).get('depth_bins') == 1  # the 2D sibling, Integral2DLabel's
    return isinstance(cls, type) and issubclass(cls, (Integral3DEstimator, EnsembleEstimator)) and not flat


def check_device(device):
    """Put a number on a device.

    Args:
        device (str | torch.device | None): None stands for whatever there is.

    Raises:
        ValueError: that fails.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f'device {device} cannot be used here: {first_line(error)}') from error


def first_line(error):
    """What an exception says, without the pages that follow."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
