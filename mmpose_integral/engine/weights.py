"""Whether a checkpoint is one of a model; mmengine loads what fits and prints a warning about the rest."""
import re

from mmengine.model import is_model_wrapper
from mmengine.runner.checkpoint import CheckpointLoader


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
    own = dict(model.named_parameters())  # buffers may come and go between versions
    absent = [name for name in own if name not in given]
    if absent:
        raise ValueError(f'the checkpoint is not of this config: it has no {absent[0]}'
                         + (f', and {len(absent) - 1} more are not there' if absent[1:] else ''))
    for name, value in own.items():
        if given[name].shape != value.shape:
            raise ValueError(f'the checkpoint is not of this config: {name} has shape {tuple(given[name].shape)}, '
                             f'{tuple(value.shape)} is expected')


def check_weights_file(model, path):
    """:func:`check_weights` of a checkpoint that has been loaded from a file or address.

    Raises:
        ValueError: it is of another model; the message names it.
    """
    try:
        check_weights(model, CheckpointLoader.load_checkpoint(str(path), map_location='cpu'))
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def check_runner(runner, checkpoint):
    """:func:`check_weights_file` of the model that a tool is about to run.

    Raises:
        SystemExit: with the reason.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    try:
        check_weights_file(model, checkpoint)
    except ValueError as error:
        raise SystemExit(str(error)) from None
