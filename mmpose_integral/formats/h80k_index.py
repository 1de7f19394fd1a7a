"""Index of one split of CHALL_H80K: all its file names, image sizes and poses in one ``.npz``, checked once.

The folders are described in ``docs/data.md``. Frame ids are the 1-based numbers of the file names.
"""
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmpose_integral.formats.frame_checks import Fault, FaultyFile, read_image_size, read_pose
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS, add_thorax
from mmpose_integral.utils.files import read_arrays, replace_when_done

SPLITS = ('Train', 'Val', 'Test')
SPLITS_WITH_POSES = ('Train', 'Val')
PUBLISHED_COUNTS = dict(Train=35832, Val=19312, Test=24416)


class H80KIndex(NamedTuple):
    """One split. N frames, in the order of their ids."""
    split: str
    """'Train', 'Val' or 'Test'."""
    frame_ids: np.ndarray
    """(N,) int32, 1-based."""
    img_paths: np.ndarray
    """(N,) str, relative to the root: 'Train/IMG/00001.jpg'."""
    img_sizes: np.ndarray
    """(N, 2) int32, width and height, px."""
    keypoints_mm: np.ndarray | None
    """(N, 18, 3) float32, mm, camera axes, root at the origin, thorax derived. None for Test."""
    faulty: np.ndarray
    """(F,) str, faults that were found; their frames are not in the index."""


def index_path(root: str | Path, split: str) -> Path:
    """Path of the index of a split: ``ROOT/annotations/h80k_train.npz``."""
    return Path(root) / 'annotations' / f'h80k_{split.lower()}.npz'


def save_index(index: H80KIndex, path: str | Path) -> None:
    """Write an index as arrays only, without the derived thorax."""
    arrays = index._asdict()
    if index.keypoints_mm is None:
        del arrays['keypoints_mm']
    else:
        arrays['keypoints_mm'] = index.keypoints_mm[:, :NUM_FILE_JOINTS]
    arrays['faulty'] = np.asarray(index.faulty, dtype=str)
    with replace_when_done(path) as temporary:
        np.savez(temporary, **arrays)


def load_index(path: str | Path) -> H80KIndex:
    """Read an index.

    Args:
        path: Product of ``tools/dataset_converters/index_h80k.py``.

    Returns:
        Index with the thorax added to the poses.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no index.
    """
    remedy = 'make it with tools/dataset_converters/index_h80k.py'
    required = ('split', 'frame_ids', 'img_paths', 'img_sizes', 'faulty')
    arrays = read_arrays(path, 'H80K index', required, remedy)
    poses = arrays.get('keypoints_mm')
    if poses is not None and poses.shape[1:] != (NUM_FILE_JOINTS, 3):
        raise ValueError(f'H80K index {path}: keypoints_mm of (N, {NUM_FILE_JOINTS}, 3) expected, got {poses.shape}; '
                         f'{remedy}')
    index = H80KIndex(
        str(arrays['split']), arrays['frame_ids'], arrays['img_paths'], arrays['img_sizes'],
        None if poses is None else add_thorax(poses), arrays['faulty'])
    lengths = {name: len(array) for name, array in index._asdict().items()
               if name in ('frame_ids', 'img_paths', 'img_sizes', 'keypoints_mm') and array is not None}
    if len(set(lengths.values())) != 1:
        raise ValueError(f'H80K index {path} has arrays of different lengths {lengths}; {remedy}')
    return index


def scan_split(root: str | Path, split: str, num_workers: int = 0,
               progress: Callable | None = None) -> tuple[H80KIndex, list[Fault]]:
    """Read and check every file of a split.

    Args:
        root: Folder that holds ``Train``, ``Val`` and ``Test``.
        split: 'Train', 'Val' or 'Test'.
        num_workers: Number of reading threads (the decoder releases the interpreter's lock); 0 reads in this thread.
        progress: Function that is called with the number of frames just checked.

    Returns:
        Index of the frames without a fault, and all faults of the split, first those of the names, then frame by frame.
        ``index.faulty`` holds the same faults as text.

    Raises:
        FileNotFoundError: If the split has no ``IMG`` (or ``POSE``) folder.
        ValueError: If the split is unknown.
    """
    if split not in SPLITS:
        raise ValueError(f'split: one of {SPLITS} expected, got {split!r}')
    folder = Path(root) / split
    has_poses = split in SPLITS_WITH_POSES
    images, faults = _list_numbered(folder, split, 'IMG', '.jpg')
    poses = set()
    if has_poses:
        poses, more = _list_numbered(folder, split, 'POSE', '.csv')
        faults += more
    faults += _numbering_gaps(images | poses, split)

    def check(frame_id):
        return _check_frame(folder, split, frame_id, images, poses if has_poses else None)

    rows = []
    for row, found in _map(check, sorted(images | poses), num_workers):
        rows += [row] if row else []
        faults += found
        if progress:
            progress(1)
    return _assemble(split, rows, has_poses, faults), faults


def _list_numbered(folder, split, kind, suffix):
    """List the file numbers of ``IMG`` or ``POSE``, and a fault for each name that is not five digits and suffix."""
    if not (folder / kind).is_dir():
        raise FileNotFoundError(
            f'H80K {split}: folder {folder / kind} does not exist; expected {kind}/00001{suffix} and so on')
    numbers, faults = set(), []
    for name in sorted(os.listdir(folder / kind)):
        match = re.fullmatch(rf'(\d{{5}}){re.escape(suffix)}', name)
        if match and match[1] != '00000':
            numbers.add(int(match[1]))
        elif not name.startswith('.') and name != 'Thumbs.db':
            faults.append(Fault(split, f'{kind}/{name}', f'is not expected; names run from 00001{suffix}'))
    return numbers, faults


def _numbering_gaps(numbers, split):
    """List a fault for each run of numbers that neither folder has, from 1 to the last one found."""
    if not numbers:
        return [Fault(split, 'IMG', 'holds no frame')]
    absent = sorted(set(range(1, max(numbers))) - numbers)
    faults = []
    for _, run in groupby(enumerate(absent), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in run]
        name = f'{run[0]:05d}' if len(run) == 1 else f'{run[0]:05d} to {run[-1]:05d}'
        faults.append(Fault(split, f'frame {name}', f'is missing; numbers run to {max(numbers):05d} without a gap'))
    return faults


def _check_frame(folder, split, frame_id, images, poses):
    """Row (id, size, pose) of a frame, or None if it has faults, and the faults. Without poses, ``poses`` is None."""
    values, faults = [None, None], []
    files = [(f'IMG/{frame_id:05d}.jpg', images, read_image_size, 'is missing, its pose is there')]
    if poses is not None:
        files.append((f'POSE/{frame_id:05d}.csv', poses, read_pose, 'is missing, its image is there'))
    for i, (path, present, read, absence) in enumerate(files):
        try:
            if frame_id not in present:
                raise FaultyFile(absence)
            values[i] = read(folder / path)
        except FaultyFile as error:
            faults.append(Fault(split, path, str(error)))
    return (None if faults else (frame_id, *values)), faults


def _map(function, items, num_workers, chunk=256):
    """Ordered map over threads that stops at once on Ctrl-C, with a bounded number of queued tasks."""
    if num_workers <= 0:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(num_workers)
    try:
        for start in range(0, len(items), chunk * num_workers):
            yield from pool.map(function, items[start:start + chunk * num_workers])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _assemble(split, rows, has_poses, faults):
    poses = None
    if has_poses:
        poses = np.stack([pose for _, _, pose in rows]) if rows else np.zeros((0, NUM_FILE_JOINTS, 3), np.float32)
        poses = add_thorax(poses)
    return H80KIndex(
        split, np.array([frame_id for frame_id, _, _ in rows], dtype=np.int32),
        np.array([f'{split}/IMG/{frame_id:05d}.jpg' for frame_id, _, _ in rows], dtype=str),
        np.array([size for _, size, _ in rows], dtype=np.int32).reshape(-1, 2), poses,
        np.array([str(fault) for fault in faults], dtype=str))
