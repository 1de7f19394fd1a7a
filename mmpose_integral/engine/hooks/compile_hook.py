import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner


def why_not_compiled(device: torch.device) -> str | None:
    """Try the compiler on a few numbers; return the reason why it does not work on a device, or None if it works."""
    try:
        x = torch.ones(2, 3, device=device)
        works = bool((torch.compile(lambda value: (value * 2 + 1).relu())(x) == 3).all())
    # Each backend has its own exceptions. Any failure is reported, and the training continues without the compiler.
    except Exception as error:
        first_line, *_ = str(error).strip().splitlines() or ['no message']
        return f'{type(error).__name__}: {first_line}'
    return None if works else 'it computes wrong numbers'


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the parts of the model that are plain layers. Names of weights, and thus checkpoints, do not change.

    mmengine's ``compile=`` compiles the whole training step, whose labels are Python objects that break the graph.
    Here, backbone and deconvolutions become one graph each. The first steps take minutes for a ResNet-152, and so do
    the first steps with a new batch size and the first validation.

    Args:
        parts: Dotted names of modules; names that the model does not have are left out.
        devices: Kinds of devices to compile for. On a CPU, the gain is too small for the time that compilation takes.
        **options: Options of :meth:`torch.nn.Module.compile`.
    """

    def __init__(self, parts: Sequence[str] = ('backbone', 'head.deconv_layers'), devices: Sequence[str] = ('cuda', ),
                 **options: Any) -> None:
        self.parts, self.devices, self.options = tuple(parts), tuple(devices), options

    def before_train(self, runner: Runner) -> None:
        """Compile the parts, or log why not."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        device = next(model.parameters()).device
        if device.type not in self.devices:
            print_log(f'CompileHook: the model is on {device.type} and stays eager; compilation is only for '
                      f'{", ".join(self.devices)}', 'current')
            return
        problem = why_not_compiled(device)
        if problem:
            print_log(f'CompileHook: torch.compile does not work here, the model stays eager ({problem})', 'current',
                      logging.WARNING)
            return
        modules = dict(model.named_modules(remove_duplicate=False))
        found = [name for name in self.parts if name in modules]
        for name in found:
            modules[name].compile(**self.options)
        print_log(f'CompileHook: compiled {", ".join(found) or "nothing"} (of {", ".join(self.parts)}); the first '
                  'steps are slow', 'current')
