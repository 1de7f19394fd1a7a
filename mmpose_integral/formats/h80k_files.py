"""The files of one split of CHALL_H80K by number, with their sizes and times; none of them is opened."""
import os
import re
from pathlib import Path

import numpy as np

SUFFIXES = dict(IMG='.jpg', POSE='.csv')
FileState = tuple[int, int]
"""Size of a file, bytes, and its modification time, ns."""


def file_name(kind: str, number: int) -> str:
    """Name of a file of ``IMG`` or ``POSE`` in the folder of its split, such as 'IMG/00001.jpg'."""
    return f'{kind}/{number:05d}{SUFFIXES[kind]}'


def list_files(folder: Path, kind: str) -> tuple[dict[int, FileState], list[str]]:
    """List the files of ``IMG`` or ``POSE`` by number, and a fault for each name that is not five digits and suffix.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    suffix = SUFFIXES[kind]
    if not (folder / kind).is_dir():
        raise FileNotFoundError(
            f'H80K {folder.name}: folder {folder / kind} does not exist; expected {kind}/00001{suffix} and so on')
    files, faults = {}, []
    with os.scandir(folder / kind) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            match = re.fullmatch(rf'([0-9]{{5}}){re.escape(suffix)}', entry.name)
            if match and match[1] != '00000':
                files[int(match[1])] = _state(entry)
            elif not entry.name.startswith('.') and entry.name != 'Thumbs.db':
                faults.append(f'{kind}/{entry.name} is not expected; names run from 00001{suffix}')
    return files, faults


def _state(entry: os.DirEntry) -> FileState:
    try:
        state = entry.stat()
    except OSError:  # a broken link, for example; the reader of the file reports it
        return -1, -1
    return state.st_size, state.st_mtime_ns


def numbering_gaps(frame_ids: list[int]) -> list[str]:
    """List a fault for each run of numbers that no folder has, from 1 to the last one found; ``frame_ids`` ascend."""
    if not frame_ids:
        return ['IMG holds no frame']
    absent = np.setdiff1d(np.arange(1, frame_ids[-1]), frame_ids)
    faults = []
    for run in np.split(absent, np.flatnonzero(np.diff(absent) > 1) + 1) if len(absent) else []:
        name = f'{run[0]:05d}' if len(run) == 1 else f'{run[0]:05d} to {run[-1]:05d}'
        faults.append(f'frame {name} is missing; numbers run to {frame_ids[-1]:05d} without a gap')
    return faults
