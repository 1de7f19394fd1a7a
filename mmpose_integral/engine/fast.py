"""Fast training of any config: the same steps with less memory traffic and fewer kernel launches."""
import copy
from typing import Any

from mmengine.config import Config

# The same settings as in configs/integral_r152_h80k_fast.py.
FAST: dict[str, Any] = dict(
    model=dict(data_preprocessor=dict(type='BatchPosePreprocessor', channels_last=True)),
    optim_wrapper=dict(type='BFloat16OptimWrapper', optimizer=dict(fused=True)),
    train_dataloader=dict(pin_memory=True, collate_fn=dict(type='stacked_collate')),
    default_hooks=dict(
        runtime_info=dict(type='DeferredRuntimeInfoHook'), channels_last=dict(type='ChannelsLastHook'),
        compile=dict(type='CompileHook')),
    env_cfg=dict(cudnn_benchmark=True))

FUSED_OPTIMIZERS = ('Adam', 'AdamW', 'SGD', 'Adagrad')


def make_fast(cfg: Config, compiled: bool = True) -> Config:
    """Make a config train fast: bfloat16, channels last, fused optimizer, compiled backbone, batches in one copy.

    A part has no effect on machines that do not support it: bfloat16 where it is not native, compilation without a
    compiler or on a CPU.

    Args:
        cfg: Config of a model to train; changed in place.
        compiled: Whether to compile, too.

    Returns:
        The same ``cfg``.

    Raises:
        ValueError: If the config trains no model, or its preprocessor is of another kind.
    """
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or {}
    if 'optim_wrapper' not in cfg or not cfg.get('train_dataloader'):
        raise ValueError('optim_wrapper and train_dataloader: both expected, as in a config of a model to train')
    if preprocessor.get('type') not in ('PoseDataPreprocessor', 'BatchPosePreprocessor'):
        raise ValueError("model.data_preprocessor.type: 'PoseDataPreprocessor' expected, got "
                         f'{preprocessor.get("type")!r}')
    changes = copy.deepcopy(FAST)
    if cfg.optim_wrapper.optimizer.type not in FUSED_OPTIMIZERS:
        del changes['optim_wrapper']['optimizer']
    if not compiled:
        del changes['default_hooks']['compile']
    for name in ('loss_scale', 'dtype', 'use_fsdp'):  # arguments of mmengine's AmpOptimWrapper
        cfg.optim_wrapper.pop(name, None)
    cfg.merge_from_dict(changes)
    return cfg
