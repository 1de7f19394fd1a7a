"""Index of one split of CHALL_H80K: all its file names, image sizes and poses in one ``.npz``, checked once.

The folders are described in ``docs/data.md``. Frame ids are the 1-based numbers of the file names.
"""
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmpose_integral.formats.frame_checks import FaultyFile, read_image_size, read_pose
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS, add_thorax
from mmpose_integral.utils.files import check_rows, read_arrays, write_arrays
from mmpose_integral.utils.progress import progress_bar

SPLITS = ('Train', 'Val', 'Test')
PUBLISHED_COUNTS = dict(Train=35832, Val=19312, Test=24416)
_FILES = dict(IMG=('.jpg', read_image_size), POSE=('.csv', read_pose))


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
    arrays = {name: value for name, value in index._asdict().items() if value is not None}
    if index.keypoints_mm is not None:
        arrays['keypoints_mm'] = index.keypoints_mm[:, :NUM_FILE_JOINTS]
    write_arrays(path, **arrays)


def load_index(path: str | Path) -> H80KIndex:
    """Read a product of ``mmpose-integral prepare index``, and add the thorax to its poses.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no index.
    """
    remedy = 'make it with mmpose-integral prepare index'
    required = ('split', 'frame_ids', 'img_paths', 'img_sizes', 'faulty')
    arrays = read_arrays(path, 'H80K index', required, remedy)
    shapes = dict(frame_ids=(), img_paths=(), img_sizes=(2,), keypoints_mm=(NUM_FILE_JOINTS, 3))
    check_rows(arrays, shapes, f'H80K index {path}', remedy)
    poses = arrays.get('keypoints_mm')
    return H80KIndex(
        str(arrays['split']), arrays['frame_ids'], arrays['img_paths'], arrays['img_sizes'],
        None if poses is None else add_thorax(poses), arrays['faulty'])


def load_index_with_poses(path: str | Path) -> tuple[H80KIndex, np.ndarray]:
    """Read the index of Train or Val; return it and its poses, (N, 18, 3) mm.

    Raises:
        FileNotFoundError, ValueError: As :func:`load_index`, and ValueError for a split without poses.
    """
    index = load_index(path)
    if index.keypoints_mm is None:
        raise ValueError(f'H80K index {path}: {index.split} is a split without poses, which are needed here; give the '
                         'index of Train or Val')
    return index, index.keypoints_mm


def pose_csv(keypoints_mm: np.ndarray) -> str:
    """Format a pose, (17 or more, 3) mm, as the text of a POSE file: 17 rows of x,y,z with four decimals."""
    return ''.join(f'{x:.4f},{y:.4f},{z:.4f}\n' for x, y, z in keypoints_mm[:NUM_FILE_JOINTS])


def scan_split(root: str | Path, split: str, num_workers: int = 1, progress: bool = False) -> H80KIndex:
    """Read and check every file of a split.

    Args:
        root: Folder that holds ``Train``, ``Val`` and ``Test``.
        split: 'Train', 'Val' or 'Test'.
        num_workers: Number of reading threads; the decoder releases the interpreter's lock.
        progress: Whether to show a progress bar.

    Returns:
        Index of the frames without a fault. ``faulty`` holds all faults of the split, first those of the names, then
        frame by frame.

    Raises:
        FileNotFoundError: If the split has no ``IMG`` (or ``POSE``) folder.
        ValueError: If the split is unknown.
    """
    if split not in SPLITS:
        raise ValueError(f'split: one of {SPLITS} expected, got {split!r}')
    folder = Path(root) / split
    numbers: dict[str, set[int]] = {}
    faults, rows = [], []
    for kind in _FILES if split != 'Test' else ('IMG',):
        numbers[kind], found = _list_numbered(folder, kind)
        faults += found
    frame_ids = sorted(set().union(*numbers.values()))
    faults += _numbering_gaps(frame_ids)
    # A task of one frame would take as long to hand over to a thread as to process.
    chunks = [frame_ids[start:start + 64] for start in range(0, len(frame_ids), 64)]
    pool = ThreadPoolExecutor(max(num_workers, 1))
    try:
        with progress_bar(title=split, total=len(frame_ids), disable=not progress) as bar:
            for checked in pool.map(lambda chunk: [_check_frame(folder, frame_id, numbers) for frame_id in chunk],
                                    chunks):
                for row, found in checked:
                    rows += [] if found else [row]
                    faults += found
                bar.update(len(checked))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # ends at once on Ctrl-C
    return _assemble(split, rows, faults)


def _list_numbered(folder: Path, kind: str) -> tuple[set[int], list[str]]:
    """List the file numbers of ``IMG`` or ``POSE``, and a fault for each name that is not five digits and suffix."""
    suffix, _ = _FILES[kind]
    if not (folder / kind).is_dir():
        raise FileNotFoundError(
            f'H80K {folder.name}: folder {folder / kind} does not exist; expected {kind}/00001{suffix} and so on')
    numbers, faults = set(), []
    for name in sorted(os.listdir(folder / kind)):
        match = re.fullmatch(rf'(\d{{5}}){re.escape(suffix)}', name)
        if match and match[1] != '00000':
            numbers.add(int(match[1]))
        elif not name.startswith('.') and name != 'Thumbs.db':
            faults.append(f'{kind}/{name} is not expected; names run from 00001{suffix}')
    return numbers, faults


def _numbering_gaps(frame_ids: list[int]) -> list[str]:
    """List a fault for each run of numbers that no folder has, from 1 to the last one found."""
    if not frame_ids:
        return ['IMG holds no frame']
    absent = np.setdiff1d(np.arange(1, frame_ids[-1]), frame_ids)
    faults = []
    for run in np.split(absent, np.flatnonzero(np.diff(absent) > 1) + 1) if len(absent) else []:
        name = f'{run[0]:05d}' if len(run) == 1 else f'{run[0]:05d} to {run[-1]:05d}'
        faults.append(f'frame {name} is missing; numbers run to {frame_ids[-1]:05d} without a gap')
    return faults


def _check_frame(folder: Path, frame_id: int, numbers: dict[str, set[int]]) -> tuple[list, list[str]]:
    """Read id, size and, where the split has poses, pose of a frame, and list its faults."""
    row: list[Any] = [frame_id]
    faults = []
    for kind, present in numbers.items():
        suffix, read = _FILES[kind]
        name = f'{kind}/{frame_id:05d}{suffix}'
        try:
            if frame_id not in present:
                raise FaultyFile(f'is missing, its {"pose" if kind == "IMG" else "image"} is there')
            row.append(read(folder / name))
        except FaultyFile as error:
            faults.append(f'{name} {error}')
    return row, faults


def _assemble(split: str, rows: list[list], faults: list[str]) -> H80KIndex:
    """Make the index of the frames without a fault."""
    ids, sizes = [row[0] for row in rows], [row[1] for row in rows]
    poses = None
    if split != 'Test':
        poses = add_thorax(np.array([row[2] for row in rows], dtype=np.float32).reshape(-1, NUM_FILE_JOINTS, 3))
    return H80KIndex(
        split, np.array(ids, dtype=np.int32), np.array([f'{split}/IMG/{i:05d}.jpg' for i in ids], dtype=str),
        np.array(sizes, dtype=np.int32).reshape(-1, 2), poses,
        np.array([f'H80K {split}: {fault}' for fault in faults], dtype=str))
