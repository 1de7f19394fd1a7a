"""Checks whether a config is of a model of this package, and whether a device can be used."""
from pathlib import Path

import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from mmpose_integral.apis.model_alias import load_aliases
from mmpose_integral.apis.model_index import config_of, indexed_models
from mmpose_integral.models import EnsembleEstimator, Integral3DEstimator


def is_image_based(pose3d: str | Path | Config) -> bool:
    """Whether a 3D model is one of this package.

    Args:
        pose3d: Config, config file or name, as :class:`MMPoseInferencer` takes it.

    Returns:
        False for lifters, hand models, 2D models and mmpose's own names.

    Raises:
        FileNotFoundError: If a config path does not exist.
    """
    if isinstance(pose3d, (str, Path)):
        name = str(pose3d)
        if name in load_aliases():
            return True  # only such models are registered
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
    flat = (model.get('head') or {}).get('depth_bins') == 1  # the 2D variant with Integral2DLabel
    return isinstance(cls, type) and issubclass(cls, (Integral3DEstimator, EnsembleEstimator)) and not flat


def check_device(device: str | torch.device | None) -> None:
    """Check that a device can be used, by creating a small tensor on it.

    Args:
        device: Device, or None for torch's default device.

    Raises:
        ValueError: If the tensor cannot be created.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f'device {device} cannot be used here: {first_line(error)}') from error


def first_line(error: BaseException) -> str:
    """First line of an exception's message, or the name of its class if the message is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
