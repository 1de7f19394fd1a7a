from typing import Any

from mmengine.optim import LinearLR
from mmengine.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmUpLR(LinearLR):
    """mmengine's ``LinearLR`` for a warm-up of less than an epoch, which takes at least two steps.

    With fewer steps, mmengine's class fails or never reaches the full rate. The arguments are those of mmengine's
    class; ``begin`` and ``end`` are epochs, which may be fractions.
    """

    @classmethod
    def build_iter_from_epoch(cls, *args: Any, begin: float = 0, end: float, epoch_length: int,
                              **kwargs: Any) -> LinearLR:
        """Build the scheduler for an epoch of ``epoch_length`` steps."""
        end = max(end, begin + 2 / epoch_length)
        return super().build_iter_from_epoch(*args, begin=begin, end=end, epoch_length=epoch_length, **kwargs)
