"""Comparison of the files that two runs have written: by content, without what differs from run to run."""
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.fileio import load
from mmengine.logging import HistoryBuffer
from PIL import Image

LEFT_OUT_FILES = re.compile(r'(.*/)?(\.lock|[^/]*\.(log|py)|\d{8}_\d{6}(/.*)?|RESULTS\.md|[^/]*\.parts/settings\.json)')
"""Locks, which hold the number of a process; logs and folders of logs, which hold times; the config of the command that
ran last in a work folder; the quickstart's table, which holds seconds (``results.json`` has its other figures); and
settings of preparations, which hold hashes of files with times."""

LEFT_OUT_VALUES = {'time', 'data_time', 'memory', 'cfg', 'experiment_name', 'eta', 'seconds', 'mmengine_version',
                   'img_states', 'pose_states', 'hash_of_images', 'hash_of_poses'}
"""Keys of values in JSON files, arrays and checkpoints: times, memory, the config with the option that resumes, the
name of the run, which holds its time, and the times of rendered files."""

GROWING = re.compile(r'(.*/)?(stages\.json|last_checkpoint|[^/]*\.parts/.*|[^/]*\.pth)')
"""Files that hold other complete content in the middle of a run than at its end."""

TEMPORARY = re.compile(r'(.*/)?\.[^/]*\.(part|old)(\.[^/]*)?(/.*)?')
"""Files that are not complete yet, by their names. A run that ends leaves none."""

Content = dict[str, str]
"""Hash of each value in a file, by its path in the file."""


def read_products(folder: Path) -> dict[str, Content]:
    """Content of all files below a folder, by their path in it, without ``LEFT_OUT_FILES``."""
    names = (str(path.relative_to(folder)) for path in sorted(folder.rglob('*')) if path.is_file())
    return {name: _content(folder / name) for name in names if not LEFT_OUT_FILES.fullmatch(name)}


def differences(expected: Mapping[str, Content], found: Mapping[str, Content]) -> list[str]:
    """What distinguishes the products of two runs: missing and further files, and values that differ."""
    lines = [f'{name} is missing' for name in expected if name not in found]
    lines += [f'{name} was not there in the undisturbed run' for name in found if name not in expected]
    for name in set(expected) & set(found):
        places = [place for place in expected[name].keys() | found[name].keys()
                  if expected[name].get(place) != found[name].get(place)]
        if places:
            lines.append(f'{name} differs in {len(places)} of {len(expected[name])} values, for example {min(places)}')
    return sorted(lines)


def half_written(found: Mapping[str, Content], before: Mapping[str, Content],
                 expected: Mapping[str, Content]) -> list[str]:
    """Files of a killed run that have their final names, but neither their old content nor that of the finished run.

    ``GROWING`` files need only be readable.
    """
    lines = []
    for name, content in found.items():
        if TEMPORARY.fullmatch(name) or content == before.get(name):
            continue
        if 'unreadable' in content:
            lines.append(f'{name}: {content["unreadable"]}')
        elif name in expected and content != expected[name] and not GROWING.fullmatch(name):
            lines.append(f'{name} is neither the old nor the new one')
    return lines


def _content(path: Path) -> Content:
    if TEMPORARY.fullmatch(path.name):
        return {}
    try:
        return {place: _digest(value) for place, value in _leaves(_read(path))}
    except Exception as error:  # a file that is cut short can raise nearly any exception
        return dict(unreadable=f'{type(error).__name__}: {error}'[:200])


def _read(path: Path) -> Any:
    """Content of a file: values of the formats that hold times or the order of their entries, else its bytes."""
    if path.suffix == '.npz':
        with np.load(path) as arrays:
            return dict(arrays)
    if path.suffix == '.pth':
        return torch.load(path, map_location='cpu', weights_only=False)  # nosec B614 # a file of the tool's own run
    if path.suffix in ('.json', '.pkl'):
        value = load(path)
        return dict.fromkeys(value) if path.name == 'stages.json' else value
    if path.suffix == '.jsonl':
        lines = path.read_text().split('\n')
        return dict(records=[json.loads(line) for line in lines[:-1]])  # the next run removes an incomplete last line
    if path.suffix == '.zip':
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    content = path.read_bytes()
    if path.suffix in ('.jpg', '.png'):
        Image.open(io.BytesIO(content)).load()  # raises an error if the file is cut short
    return content


def _leaves(value: Any, place: str = '') -> Iterator[tuple[str, Any]]:
    """All values in nested containers, with their places."""
    if isinstance(value, HistoryBuffer):
        value = value.data
    if isinstance(value, Mapping):
        for key, one in value.items():
            if str(key).rpartition('/')[2] not in LEFT_OUT_VALUES:
                yield from _leaves(one, f'{place}/{key}')
    elif isinstance(value, (list, tuple)):
        for number, one in enumerate(value):
            yield from _leaves(one, f'{place}/{number}')
    else:
        yield place, value


def _digest(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    if isinstance(value, np.ndarray):
        value = f'{value.dtype} {value.shape} '.encode() + value.tobytes()
    return hashlib.sha256(value if isinstance(value, bytes) else repr(value).encode()).hexdigest()[:16]
