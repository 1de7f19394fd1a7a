import logging
from operator import attrgetter

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


def why_not_compiled(device):
    """Try the compiler on a few numbers.

    Args:
        device (torch.device): where the model is.

    Returns:
        str | None: what is missing, or None if it works.
    """
    try:
        x = torch.ones(2, 3, device=device)
        works = bool((torch.compile(lambda value: (value * 2 + 1).relu())(x) == 3).all())
    # Each backend has exceptions of its own; whatever fails here is told, and the training goes on without.
    except Exception as error:
        return f'{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else "no message"}'
    return None if works else 'it computes wrong numbers'


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the parts of the model that are plain layers; names of weights, and so checkpoints, stay as they are.

    mmengine's ``compile=`` takes the whole training step, whose labels are Python objects: the graph breaks at each.
    Here backbone and deconvolutions become one graph each. The first steps take minutes for a ResNet-152, as do those
    with a new batch size and the first validation.

    Args:
        parts (Sequence[str]): dotted names of modules; one that the model does not have is left out.
        devices (Sequence[str]): kinds of devices to compile for. A CPU gains too little for the wait.
        **options: of :meth:`torch.nn.Module.compile`.
    """

    def __init__(self, parts=('backbone', 'head.deconv_layers'), devices=('cuda', ), **options):
        self.parts, self.devices, self.options = tuple(parts), tuple(devices), options

    def before_train(self, runner):
        """Compile, or say why not."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        device = next(model.parameters()).device
        if device.type not in self.devices:
            print_log(f'CompileHook: nothing to do on {device.type}, it is for {", ".join(self.devices)}', 'current')
            return
        problem = why_not_compiled(device)
        if problem:
            print_log(f'CompileHook: torch.compile does not work here, the model stays eager ({problem})', 'current',
                      logging.WARNING)
            return
        done = [name for name in self.parts if self._compile(model, name)]
        print_log(f'CompileHook: compiled {", ".join(done) or "nothing"} (of {", ".join(self.parts)}); the first steps '
                  'are slow', 'current')

    def _compile(self, model, name):
        """Whether there is such a part; compiled in place."""
        try:
            part = attrgetter(name)(model)
        except AttributeError:
            return False
        part.compile(**self.options)
        return True
