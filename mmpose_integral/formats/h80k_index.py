"""Index of one split of CHALL_H80K: all its file names, image sizes and poses in one ``.npz``, checked once.

The folders are described in ``docs/data.md``. Frame ids are the 1-based numbers of the file names.
"""
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmpose_integral.formats.frame_checks import FaultyFile, read_image_size, read_pose
from mmpose_integral.formats.h80k_files import FileState, file_name, list_files, numbering_gaps
from mmpose_integral.structures.bone_length import BONE_LENGTH_LIMITS_MM, skeleton_length
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS, add_thorax
from mmpose_integral.utils.files import check_rows, read_arrays, write_arrays
from mmpose_integral.utils.progress import progress_bar

SPLITS = ('Train', 'Val', 'Test')
PUBLISHED_COUNTS = dict(Train=35832, Val=19312, Test=24416)
_READERS = dict(IMG=read_image_size, POSE=read_pose)


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
    root: str = ''
    """Absolute path of the folder of the splits when they were indexed."""
    img_states: np.ndarray | None = None
    """(N, 2) int64, bytes and modification time, ns, of the images. None in indexes of earlier versions."""
    pose_states: np.ndarray | None = None
    """(N, 2) int64, the same of the pose files. None for Test."""


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
    shapes = dict(frame_ids=(), img_paths=(), img_sizes=(2,), keypoints_mm=(NUM_FILE_JOINTS, 3), img_states=(2,),
                  pose_states=(2,))
    check_rows(arrays, shapes, f'H80K index {path}', remedy, ('img_paths', ))
    if str(arrays['split']) not in SPLITS or arrays['faulty'].ndim != 1:
        raise ValueError(f'H80K index {path}: a split of {SPLITS} and a list of faults expected; {remedy}')
    if not len(arrays['frame_ids']):
        raise ValueError(f'H80K index {path}: it has no frames; {remedy}')
    poses = arrays.get('keypoints_mm')
    return H80KIndex(
        str(arrays['split']), arrays['frame_ids'], arrays['img_paths'], arrays['img_sizes'],
        None if poses is None else add_thorax(poses), arrays['faulty'], str(arrays.get('root', '')),
        arrays.get('img_states'), arrays.get('pose_states'))


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
    files: dict[str, dict[int, FileState]] = {}
    faults, rows = [], []
    for kind in _READERS if split != 'Test' else ('IMG',):
        files[kind], found = list_files(folder, kind)
        faults += found
    frame_ids = sorted(set().union(*files.values()))
    faults += numbering_gaps(frame_ids)
    # A task of one frame would take as long to hand over to a thread as to process.
    chunks = [frame_ids[start:start + 64] for start in range(0, len(frame_ids), 64)]
    pool = ThreadPoolExecutor(max(num_workers, 1))
    try:
        with progress_bar(title=split, total=len(frame_ids), disable=not progress) as bar:
            for checked in pool.map(lambda chunk: _check_frames(folder, chunk, files), chunks):
                for row, found in checked:
                    rows += [] if found else [row]
                    faults += found
                bar.update(len(checked))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # ends at once on Ctrl-C
    return _assemble(Path(root), split, rows, faults, files)


def _check_frames(folder: Path, frame_ids: Sequence[int],
                  files: dict[str, dict[int, FileState]]) -> list[tuple[dict[str, Any], list[str]]]:
    """Read frames; return, for each one, ``id``, ``IMG`` (size) and ``POSE`` as far as they are sound, and its faults.

    The bone lengths of all poses are checked at once, which is much faster than one by one.
    """
    checked = [_check_frame(folder, frame_id, files) for frame_id in frame_ids]
    posed = [frame for frame in checked if 'POSE' in frame[0]]
    low, high = BONE_LENGTH_LIMITS_MM
    if posed:
        lengths = skeleton_length(add_thorax(np.stack([row['POSE'] for row, _ in posed])))
        for (row, faults), length in zip(posed, lengths.tolist(), strict=True):
            if not low <= length <= high:
                faults.append(f'{file_name("POSE", row["id"])} has a total bone length of {length:.4g} mm, {low:g} to '
                              f'{high:g} expected (an adult has about 4500); are its values in mm?')
    return checked


def _check_frame(folder: Path, frame_id: int,
                 files: dict[str, dict[int, FileState]]) -> tuple[dict[str, Any], list[str]]:
    """Read a frame; see :func:`_check_frames`."""
    row: dict[str, Any] = dict(id=frame_id)
    faults = []
    for kind, present in files.items():
        name = file_name(kind, frame_id)
        try:
            if frame_id not in present:
                raise FaultyFile(f'is missing, its {"pose" if kind == "IMG" else "image"} is there')
            row[kind] = _READERS[kind](folder / name)
        except FaultyFile as error:
            faults.append(f'{name} {error}')
    return row, faults


def _assemble(root: Path, split: str, rows: list[dict[str, Any]], faults: list[str],
              files: dict[str, dict[int, FileState]]) -> H80KIndex:
    """Make the index of the frames without a fault."""
    ids = [row['id'] for row in rows]
    states = {kind: np.array([present[i] for i in ids], dtype=np.int64).reshape(-1, 2)
              for kind, present in files.items()}
    poses = None
    if split != 'Test':
        poses = add_thorax(np.array([row['POSE'] for row in rows], dtype=np.float32).reshape(-1, NUM_FILE_JOINTS, 3))
    return H80KIndex(
        split, np.array(ids, dtype=np.int32), np.array([f'{split}/IMG/{i:05d}.jpg' for i in ids], dtype=str),
        np.array([row['IMG'] for row in rows], dtype=np.int32).reshape(-1, 2), poses,
        np.array([f'H80K {split}: {fault}' for fault in faults], dtype=str), str(root.resolve()), states['IMG'],
        states.get('POSE'))
