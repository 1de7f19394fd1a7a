"""Checks that a checkpoint belongs to a model; mmengine loads matching weights and only warns about the rest."""
import re
from pathlib import Path

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner.checkpoint import CheckpointLoader


def check_weights(model: torch.nn.Module, checkpoint: dict) -> None:
    """Refuse a loaded checkpoint of another model than the one that the config builds.

    Raises:
        ValueError: If a weight is missing or has another shape. Additional weights are ignored, as in mmengine.
    """
    given = {re.sub(r'^module\.', '', name): value
             for name, value in checkpoint.get('state_dict', checkpoint).items()}
    own = dict(model.named_parameters())  # buffers may differ between versions
    absent = [name for name in own if name not in given]
    if absent:
        raise ValueError(f'the checkpoint is not of this config: it has no {absent[0]}'
                         + (f', and {len(absent) - 1} more weights are missing' if absent[1:] else ''))
    for name, value in own.items():
        if given[name].shape != value.shape:
            raise ValueError(f'the checkpoint is not of this config: {name} has shape {tuple(given[name].shape)}, '
                             f'{tuple(value.shape)} is expected')


def check_weights_file(model: torch.nn.Module, path: str | Path) -> None:
    """Run :func:`check_weights` on a checkpoint from a file or URL, and a model that may be wrapped.

    Raises:
        ValueError: If it is of another model; the message names the checkpoint.
    """
    try:
        check_weights(model.module if is_model_wrapper(model) else model,
                      CheckpointLoader.load_checkpoint(str(path), map_location='cpu'))
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
