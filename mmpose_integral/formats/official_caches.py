"""Import of the released code's cache files as products of the preparation chain.

The cache files are pickles with one entry per frame, in the order of the frame numbers. ``kpts`` (18, 3) holds image px
in x and y. The meaning of its third column is not documented, and the released code never reads it. ``vis`` (18, 3) is
above 0 in its first column where a joint was predicted. A box is one row ``x1 y1 x2 y2 score`` in image px.
"""
import re
from pathlib import Path
from typing import Any

import numpy as np

from mmpose_integral.formats.boxes import MAX_SIDES, usable_boxes
from mmpose_integral.formats.h80k_index import H80KIndex
from mmpose_integral.formats.safe_pickle import load_plain_pickle
from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import rounded
from mmpose_integral.utils.progress import progress_bar

_KEYPOINTS_NAME = r'HM36_eccv_challenge_([A-Za-z]+)_(\d+)samples_img_res\.pkl'


def import_keypoints_2d(path: str | Path, index: H80KIndex) -> tuple[np.ndarray, np.ndarray]:
    """Read ``HM36_eccv_challenge_<Set>_<N>samples_img_res.pkl``.

    Args:
        path: Pickle file.
        index: Index of the same split.

    Returns:
        (N, 18, 2) image px and (N, 18) scores of the index's frames. The score is ``vis`` clipped to [0, 1], and joints
        without one are at 0, 0.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is of another split, has another number of frames, an entry of another kind, or more
            than plain data.
    """
    path = Path(path)
    named = re.fullmatch(_KEYPOINTS_NAME, path.name)
    if named and named[1] != index.split:
        raise ValueError(f'{path} is of {named[1]} by its name, and the index is of {index.split}; give the index of '
                         'the same split')
    entries = load_plain_pickle(path)
    if not isinstance(entries, list):
        raise ValueError(f'{path}: a list with one dict per frame expected, found {type(entries).__name__}')
    last = int(index.frame_ids.max(initial=0))  # entry i is frame i + 1; the index may lack faulty frames
    if not last or (len(entries) < last if len(index.faulty) else len(entries) != last):
        raise ValueError(f'{path} has {len(entries)} entries, the index of {index.split} runs to frame {last:05d}; '
                         'entries belong to frames by their number, so give the files of the same data')
    rows = [_read_entry(entries[frame_id - 1], f'{path}: entry of frame {frame_id:05d}')
            for frame_id in index.frame_ids.tolist()]
    keypoints, visible = (np.stack(part) for part in zip(*rows, strict=True))
    scores = np.clip(visible[..., 0], 0, 1)
    return np.where(scores[..., None] > 0, keypoints[..., :2], 0), scores


def _numbers(value: Any, where: str) -> np.ndarray:
    """Convert a value to an array of float64, or raise ValueError."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{where} is no array of numbers ({error})') from error


def _read_entry(entry: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Read ``kpts`` and ``vis`` of a frame, (18, 3) each, or raise ValueError."""
    if not isinstance(entry, dict) or not {'kpts', 'vis'} <= set(entry):
        found = f'keys {", ".join(map(str, entry))}' if isinstance(entry, dict) else type(entry).__name__
        raise ValueError(f"{where}: a dict with 'kpts' and 'vis' expected, found {found}")
    with np.errstate(over='ignore'):  # a value that float32 cannot hold becomes inf, and is refused as such
        keypoints, visible = (_numbers(entry[name], f'{where}: {name}').astype(np.float32) for name in ('kpts', 'vis'))
    for name, part in (('kpts', keypoints), ('vis', visible)):
        if part.shape != (NUM_JOINTS, 3):
            raise ValueError(f'{where}: {name} of shape ({NUM_JOINTS}, 3) expected, found {part.shape}')
    if not np.isfinite(visible).all() or not np.isfinite(keypoints[visible[:, 0] > 0, :2]).all():
        raise ValueError(f'{where}: finite joints and vis expected, found nan or inf')
    return keypoints, visible


def import_boxes(folder: str | Path, index: H80KIndex) -> dict[int, dict]:
    """Read ``<Set>/detection/<detector>/00001.pkl`` and so on, with a progress bar.

    Args:
        folder: Folder of one detector.
        index: Index of the same split.

    Returns:
        Records by frame id for :func:`mmpose_integral.formats.boxes.save_boxes`: ``bbox`` ([x, y, w, h], image px,
        clipped at the image border, or None) and ``score``.

    Raises:
        FileNotFoundError: If frames have no file; a frame without a box has a file without boxes.
        ValueError: If a file holds something else.
    """
    files = {frame_id: Path(folder) / f'{frame_id:05d}.pkl' for frame_id in index.frame_ids.tolist()}
    absent = [path for path in files.values() if not path.is_file()]
    if absent:
        raise FileNotFoundError(f'{len(absent)} of {len(files)} frames of {index.split} have no box file, first '
                                f'{absent[0]}; give the folder that holds 00001.pkl and so on')
    return {frame_id: _read_box(path, image_size) for (frame_id, path), image_size
            in zip(progress_bar(files.items(), f'Boxes {index.split}'), index.img_sizes, strict=True)}


def _read_box(path: Path, image_size: np.ndarray) -> dict:
    """Read the record of one frame, or raise ValueError."""
    values = _numbers(load_plain_pickle(path), f'{path}: the box x1 y1 x2 y2 score')
    if values.size == 0:
        return dict(bbox=None, score=0.0)
    if values.shape not in ((5,), (1, 5)) or not np.isfinite(values).all():
        raise ValueError(f'{path}: one box x1 y1 x2 y2 score of finite numbers expected, found shape {values.shape}')
    *box, score = values.ravel()
    if not usable_boxes([box], image_size)[0]:
        raise ValueError(f'{path}: box {rounded(box, 1)} covers no pixel of the image of '
                         f'{image_size[0]}x{image_size[1]} px, or is more than {MAX_SIDES:g} times as large; '
                         'x1 y1 x2 y2 expected, of the same split')
    x1, y1, x2, y2 = np.clip(box, 0, np.tile(image_size, 2))
    return dict(bbox=rounded([x1, y1, x2 - x1, y2 - y1], 2), score=rounded(score, 4))
