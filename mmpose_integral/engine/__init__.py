from .hooks import ChannelsLastHook, SkeletonLengthHook
from .optim_wrappers import BFloat16OptimWrapper
from .safe_load import allow_mmengine_checkpoints

__all__ = ['ChannelsLastHook', 'SkeletonLengthHook', 'BFloat16OptimWrapper', 'allow_mmengine_checkpoints']
