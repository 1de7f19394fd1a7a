"""Checks that a checkpoint belongs to a model; mmengine loads matching weights and only warns about the rest."""
import math
import re
from pathlib import Path
from typing import Any

import torch
from mmengine.model import PretrainedInit, is_model_wrapper
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner.checkpoint import CheckpointLoader

from mmpose_integral.formats.checkpoints import CheckpointError, find_weights

# All that may differ between a model and its checkpoint. Inference uses none of it.
# - Checkpoints of torch 0.4.0 lack the number of batches that batch norm has seen.
# - Early mmdet 3 and mmpose 1 stored the mean and std of the pixels, which the config also has.
# - mmcv 1 stored a moving average of all weights beside them, and torch's AveragedModel the number of its steps.
MAY_BE_MISSING = re.compile(r'(.*\.)?num_batches_tracked')
MAY_BE_MORE = re.compile(r'data_preprocessor\.(mean|std)|ema_\w+|steps')


def load_weights(model: torch.nn.Module, checkpoint: dict[str, Any], path: str | Path | None = None) -> None:
    """Load the weights of a checkpoint of the same model, under old names where the layers can convert them.

    Args:
        model: Model, which may be wrapped for parallel training.
        checkpoint: Checkpoint of mmengine, or a state dict.
        path: File or URL of the checkpoint, for error messages.

    Raises:
        CheckpointError: If a weight or buffer is missing, the model lacks it, it has another shape, is not a
            floating-point number where the model's is one, or is not finite. ``MAY_BE_MISSING`` and ``MAY_BE_MORE``
            list what may differ.
    """
    try:
        _load(model.module if is_model_wrapper(model) else model, checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}' if path else str(error)) from None


def _load(model: torch.nn.Module, checkpoint: dict[str, Any]) -> None:
    weights = find_weights(checkpoint)
    try:
        missing, more = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # its lines are a title and one line per weight of another shape
        first, *rest = str(error).strip().split('\n')[1:] or [str(error)]
        first = re.sub(r'size mismatch for (\S+): .*?\[(.*?)\].*\[(.*?)\]\)\.', r'\1 has shape (\2), (\3) is expected',
                       first.strip())
        raise CheckpointError(_other_model(first, len(rest), 'weights do not fit')) from None
    missing = [name for name in missing if not MAY_BE_MISSING.fullmatch(name)]
    more = [name for name in more if not MAY_BE_MORE.fullmatch(name)]
    if missing:
        raise CheckpointError(_other_model(f'it has no {missing[0]}', len(missing) - 1, 'weights are missing'))
    if more:
        raise CheckpointError(_other_model(f'the model has no {more[0]}', len(more) - 1, 'weights have no layer'))
    _check_numbers(weights, model.state_dict())


def _other_model(first: str, others: int, what: str) -> str:
    return f'the checkpoint is not of this config: {first}' + (f', and {others} more {what}' if others else '')


def _check_numbers(weights: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> None:
    """Raise CheckpointError unless all weights that the model uses are finite, and floating where the model's are."""
    used = {name: value for name, value in weights.items()
            if not MAY_BE_MORE.fullmatch(name) and not MAY_BE_MISSING.fullmatch(name)}
    for name, value in used.items():
        if not value.is_floating_point() and (name not in own or own[name].is_floating_point()):
            raise CheckpointError(f'{name} of the checkpoint is of type {value.dtype}, floating-point numbers are '
                                  'expected; save the weights again as float32')
    not_finite = find_not_finite(used)
    if not_finite:
        raise CheckpointError(f'{not_finite} of the checkpoint has values that are not finite; its training has '
                              'failed, use an earlier checkpoint')


def find_not_finite(weights: dict[str, torch.Tensor]) -> str | None:
    """Name of the first weight or buffer with values that are NaN or infinite; None if all are finite."""
    return next((name for name, value in weights.items() if value.is_floating_point() and value.numel()
                 and not all(map(math.isfinite, value.float().aminmax()))), None)  # NaN is both extremes


def load_weights_file(model: torch.nn.Module, path: str | Path) -> dict[str, Any]:
    """Run :func:`load_weights` for a file or URL; return the checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged or of another model; the message names the file.
    """
    checkpoint = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    load_weights(model, checkpoint, path)
    return checkpoint


def check_overlap(module: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Refuse weights to start a training from if none of them fits a module, which may be wrapped.

    Raises:
        CheckpointError: If no weight has the name and shape of one of the module's, counts of batches left out.
    """
    module = module.module if is_model_wrapper(module) else module
    own = {name: value.shape for name, value in module.state_dict().items() if not MAY_BE_MISSING.fullmatch(name)}
    if not any(own.get(name) == value.shape for name, value in weights.items()):
        raise CheckpointError(f'none of its {len(weights)} weights fits this model; the first is '
                              f'{next(iter(weights), "missing")}, {next(iter(own), "nothing")} is expected')


@WEIGHT_INITIALIZERS.register_module(name='Pretrained', force=True)
class CheckedPretrainedInit(PretrainedInit):
    """mmengine's ``init_cfg=dict(type='Pretrained')``, which otherwise only warns if nothing in the file fits.

    Raises:
        CheckpointError: If no weight below ``prefix`` fits the module; the message names the file.
    """

    def __call__(self, module: torch.nn.Module) -> None:
        """Check the file and load it into the module."""
        prefix = self.prefix and self.prefix.removesuffix('.') + '.'
        try:
            weights = find_weights(CheckpointLoader.load_checkpoint(self.checkpoint, map_location='cpu'))
            check_overlap(module, {name.removeprefix(prefix or ''): value for name, value in weights.items()
                                   if name.startswith(prefix or '')})
        except CheckpointError as error:
            below = f' below {prefix}' if prefix else ''
            raise CheckpointError(f'init_cfg: {self.checkpoint}{below}: {error}') from None
        super().__call__(module)
