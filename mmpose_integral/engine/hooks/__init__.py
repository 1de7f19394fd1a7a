from .channels_last_hook import ChannelsLastHook
from .skeleton_length_hook import SkeletonLengthHook

__all__ = ['ChannelsLastHook', 'SkeletonLengthHook']
