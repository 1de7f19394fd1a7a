"""Whether a config is one of ours, and whether a checkpoint is one of a config."""
import re
from pathlib import Path

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


def check_weights(model, checkpoint):
    """Refuse weights of another model, of which mmengine only prints a warning.

    Args:
        model (torch.nn.Module): as the config builds it.
        checkpoint (dict): as it was loaded.

    Raises:
        ValueError: a weight is not there or of another shape; weights too many are left alone, as mmengine leaves
            them.
    """
    given = {re.sub(r'^module\.', '', name): value
             for name, value in checkpoint.get('state_dict', checkpoint).items()}
    own = {name: value for name, value in model.state_dict().items() if not name.endswith('num_batches_tracked')}
    absent = [name for name in own if name not in given]
    if absent:
        raise ValueError(f'the checkpoint is not of this config: it has no {absent[0]}'
                         + (f', and {len(absent) - 1} more are not there' if absent[1:] else ''))
    for name, value in own.items():
        if given[name].shape != value.shape:
            raise ValueError(f'the checkpoint is not of this config: {name} has shape {tuple(given[name].shape)}, '
                             f'{tuple(value.shape)} is expected')
