import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Store weights, and thereby all feature maps, in channels-last order, in which convolutions are faster."""

    def before_run(self, runner: Runner) -> None:
        """Convert the model once, before the first step."""
        runner.model.to(memory_format=torch.channels_last)
