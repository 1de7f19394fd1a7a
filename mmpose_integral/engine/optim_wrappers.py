from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner.amp import autocast


def has_fast_bfloat16():
    """Whether the device in use multiplies bfloat16 natively; elsewhere it is emulated, slower than float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, 'get_capabilities', dict)()  # before torch 2.11 nothing is known of a CPU
    return any(capabilities.get(name, False) for name in ('avx512_bf16', 'amx_bf16', 'arm_bf16', 'bf16'))


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16, on the CPU too.

    mmengine's ``AmpOptimWrapper`` refuses to run without an accelerator, though CPUs with native bfloat16 train about
    twice as fast in it. bfloat16 has float32's range, so there is no loss scaling.

    Args:
        enabled (bool | str): 'auto' uses bfloat16 only where it is native.
        **kwargs: of :class:`mmengine.optim.OptimWrapper`.
    """

    def __init__(self, enabled='auto', **kwargs):
        super().__init__(**kwargs)
        self.enabled = has_fast_bfloat16() if enabled == 'auto' else bool(enabled)

    @contextmanager
    def optim_context(self, model):
        """The forward pass runs under autocast; gradient accumulation is :class:`OptimWrapper`'s."""
        with super().optim_context(model), autocast(enabled=self.enabled, dtype=torch.bfloat16):
            yield
