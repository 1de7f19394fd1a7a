import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep weights, and with them all feature maps, in channels-last order, which convolutions run faster in."""

    def before_run(self, runner):
        """Convert the model once, before the first step."""
        runner.model.to(memory_format=torch.channels_last)
