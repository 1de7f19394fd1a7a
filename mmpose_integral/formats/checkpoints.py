"""Checkpoints of torch: reading them without running code that may be in them, and finding their weights.

Since torch 1.6, a checkpoint is a zip archive with a checksum per member. torch does not compare the checksums, so that
a damaged file gives other weights. :func:`read_checkpoint` compares them. Older files have no checksum.
"""
import math
import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.errors import ExpectedError, in_line
from mmpose_integral.utils.files import check_file
from mmpose_integral.utils.reading import UnreadableFile, check_archive

_SOURCE_AGAIN = 'get it again from its source'
_ZIP = b'PK\x03\x04'
_PARALLEL_PREFIX = 'module.'  # of training on several GPUs


class CheckpointError(ExpectedError, ValueError):
    """A checkpoint is damaged, holds more than data, or is of another model. Commands print it without a traceback."""


def read_checkpoint(path: str | Path, map_location: Any = 'cpu', remedy: str = _SOURCE_AGAIN) -> Any:
    """Read a checkpoint with torch's safe unpickler.

    Args:
        path: File of ``torch.save``.
        map_location: Device of the tensors, see ``torch.load``.
        remedy: Remedy for the error messages.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is no checkpoint, is damaged, or holds more than data. Nothing of it is run.
    """
    check_file(path, 'checkpoint')
    _check_archive(path, remedy)
    refused = ('but tensors, numbers, arrays of these and plain containers are expected; nothing of it was run. Do not '
               f'trust this file; {remedy}')
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except OSError:
        raise
    except CheckpointError as error:
        raise CheckpointError(f'{path} {error}, {refused}') from None
    except pickle.UnpicklingError as error:
        # torch's own message recommends loading without the safe mode.
        wanted = re.search(r'(?:GLOBAL|class) ([\w.]+)', str(error))
        if wanted:
            raise CheckpointError(f'{path} asks for {wanted[1]}, {refused}') from None
        raise CheckpointError(f'{path} is no torch checkpoint that can be loaded safely; {remedy}') from None
    except Exception as error:  # a damaged file can raise nearly any exception
        raise CheckpointError(f'{path} is no torch checkpoint, or is cut short ({type(error).__name__}: '
                              f'{in_line(error)}); {remedy}') from error


def _check_archive(path: str | Path, remedy: str) -> None:
    """Raise CheckpointError if a file is a web page, or a zip archive whose content does not fit its checksums."""
    with open(path, 'rb') as file:
        start = file.read(256)
        if start.lstrip().startswith(b'<'):
            raise CheckpointError(f'{path} is a web page, not a torch checkpoint; open its link in a browser, save the '
                                  'file and give its path')
        if not start.startswith(_ZIP):
            return
        try:
            with zipfile.ZipFile(file) as archive:
                check_archive(archive, path)
                damaged = archive.testzip()
        except UnreadableFile as error:
            raise CheckpointError(f'{error}; {remedy}') from None
        except Exception as error:  # as above
            raise CheckpointError(f'{path} is no torch checkpoint, or is cut short ({type(error).__name__}: '
                                  f'{in_line(error)}); {remedy}') from error
    if damaged:
        raise CheckpointError(f'{path} is damaged: the content of {in_line(damaged)} does not fit its checksum; '
                              f'{remedy}')


def check_meta(checkpoint: Any) -> None:
    """Check the types of what a checkpoint stores beside its weights, as far as this project reads it.

    Raises:
        CheckpointError: If an entry of ``meta`` is of another type; entries may be missing.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    _expect(meta, 'meta', dict)
    dataset_meta = (meta or {}).get('dataset_meta')
    _expect(dataset_meta, 'meta.dataset_meta', dict)
    for name in ('skeleton_length', 'camera'):
        _expect((dataset_meta or {}).get(name), f'meta.dataset_meta.{name}', dict)
    camera, lengths = ((dataset_meta or {}).get(name) or {} for name in ('camera', 'skeleton_length'))
    for name, length in lengths.items():
        if isinstance(length, bool) or not isinstance(length, (int, float)) or not math.isfinite(length):
            raise CheckpointError(f'its meta.dataset_meta.skeleton_length is {length!r} for {name}; mm are expected')
    if camera and camera.get('model') not in ('weak', 'perspective'):
        raise CheckpointError(f"its meta.dataset_meta.camera is of model {camera.get('model')!r}; 'weak' or "
                              "'perspective' is expected")
    factors = (dataset_meta or {}).get('std_factors')
    if factors is not None and not _are_factors(factors):
        raise CheckpointError(f'its meta.dataset_meta.std_factors are {str(factors)[:80]!r}; numbers of shape '
                              f'({NUM_JOINTS}, 3) are expected')
    focal = camera.get('focal_length')
    if camera.get('model') == 'perspective' and focal is not None and not (
            type(focal) in (int, float) and 0 < focal < math.inf):
        raise CheckpointError(f'its meta.dataset_meta.camera has the focal length {focal!r}; px are expected')


def _are_factors(factors: Any) -> bool:
    try:
        array = np.asarray(factors, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return array.shape == (NUM_JOINTS, 3) and bool(np.isfinite(array).all())


def _expect(value: Any, name: str, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise CheckpointError(f'its {name} is of type {type(value).__name__}, {kind.__name__} is expected')


def stored_dataset_meta(checkpoint: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """Return the ``dataset_meta`` of a checkpoint of a 3D model.

    Raises:
        CheckpointError: If it has none.
    """
    dataset_meta = (checkpoint.get('meta') or {}).get('dataset_meta')
    if not dataset_meta:
        raise CheckpointError(f'{path} has no meta.dataset_meta, in which a training stores joints and bone lengths; '
                              'use a checkpoint of mmpose-integral train or publish')
    return dataset_meta


def find_weights(checkpoint: Any) -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint of mmengine by name, without the prefix ``module.`` of parallel training.

    Raises:
        CheckpointError: If ``state_dict``, or the checkpoint itself where it has none, is not a dict of tensors.
    """
    weights = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else checkpoint
    expected = "the checkpoint has no weights: a dict of tensors is expected as its 'state_dict'"
    if not isinstance(weights, dict) or not weights:
        raise CheckpointError(f'{expected}, found {"an empty one" if weights == {} else type(weights).__name__}')
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise CheckpointError(f'{expected}, but its {str(name)[:80]!r} is of type {type(value).__name__}')
    found = OrderedDict((name.removeprefix(_PARALLEL_PREFIX), value) for name, value in weights.items())
    found.__dict__.update(getattr(weights, '__dict__', {}))  # the versions of the layers, which convert old weights
    return found
