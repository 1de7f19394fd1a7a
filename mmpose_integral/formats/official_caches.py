"""Import of the released code's cache files as products of the preparation chain.

The cache files are pickles with one entry per frame, in the order of the frame numbers. ``kpts`` (18, 3) holds image px
in x and y. The meaning of its third column is not documented, and the released code never reads it. ``vis`` (18, 3) is
above 0 in its first column where a joint was predicted. A box is one row ``x1 y1 x2 y2 score`` in image px.
"""
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmpose_integral.formats.boxes import clip_boxes
from mmpose_integral.formats.h80k_index import H80KIndex
from mmpose_integral.formats.safe_pickle import load_plain_pickle
from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import rounded

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
        raise ValueError(f'{path} is of {named[1]} by its name, the index of {index.split}')
    entries = load_plain_pickle(path)
    if not isinstance(entries, list):
        raise ValueError(f'{path}: a list with one dict a frame expected, found {type(entries).__name__}')
    _check_count(len(entries), index, path)
    rows = [_read_entry(entries[frame_id - 1], f'{path}: entry of frame {frame_id:05d}')
            for frame_id in index.frame_ids.tolist()]
    keypoints, visible = (np.stack(part).astype(np.float32) for part in zip(*rows, strict=True))
    scores = np.clip(visible[..., 0], 0, 1)
    return np.where(scores[..., None] > 0, keypoints[..., :2], 0), scores


def _check_count(count, index, path):
    """Check that file and index have the same frames: entry i is frame i + 1. The index may lack faulty frames."""
    last = int(index.frame_ids.max(initial=0))
    if not last or (count < last if len(index.faulty) else count != last):
        raise ValueError(f'{path} has {count} entries, the index of {index.split} runs to frame {last:05d}; they are '
                         'of different data, and entries could not be told apart')


def _read_entry(entry, where):
    """Read ``kpts`` and ``vis`` of a frame, (18, 3) each, or raise ValueError."""
    if not isinstance(entry, dict) or not {'kpts', 'vis'} <= set(entry):
        found = f'keys {", ".join(map(str, entry))}' if isinstance(entry, dict) else type(entry).__name__
        raise ValueError(f"{where}: a dict with 'kpts' and 'vis' expected, found {found}")
    parts = {}
    for name in ('kpts', 'vis'):
        try:
            parts[name] = np.asarray(entry[name], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f'{where}: {name} is no array of numbers ({error})') from error
        if parts[name].shape != (NUM_JOINTS, 3):
            raise ValueError(f'{where}: {name} of shape ({NUM_JOINTS}, 3) expected, found {parts[name].shape}')
    if not np.isfinite(parts['vis']).all() or not np.isfinite(parts['kpts'][parts['vis'][:, 0] > 0, :2]).all():
        raise ValueError(f'{where}: finite joints and vis expected, found nan or inf')
    return parts['kpts'], parts['vis']


def import_boxes(folder: str | Path, index: H80KIndex, progress: Callable | None = None) -> dict[int, dict]:
    """Read ``<Set>/detection/<detector>/00001.pkl`` and so on.

    Args:
        folder: Folder of one detector.
        index: Index of the same split.
        progress: Function that is called with 1 after every frame.

    Returns:
        Records by frame id for :func:`mmpose_integral.formats.boxes.save_boxes`: ``bbox`` ([x, y, w, h], image px,
        clipped at the image border, or None) and ``score``.

    Raises:
        FileNotFoundError: If frames have no file; a frame without a box has a file without boxes.
        ValueError: If a file holds something else.
    """
    folder = Path(folder)
    files = {frame_id: folder / f'{frame_id:05d}.pkl' for frame_id in index.frame_ids.tolist()}
    absent = [path for path in files.values() if not path.is_file()]
    if absent:
        raise FileNotFoundError(f'{len(absent)} of {len(files)} frames of {index.split} have no box file, first '
                                f'{absent[0]}; give the folder that holds 00001.pkl and so on')
    records = {}
    for row, (frame_id, path) in enumerate(files.items()):
        records[frame_id] = _read_box(path, index.img_sizes[row])
        if progress:
            progress(1)
    return records


def _read_box(path, image_size):
    """Read the record of one frame, or raise ValueError."""
    content = load_plain_pickle(path)
    try:
        boxes = np.asarray(content, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{path}: a box x1 y1 x2 y2 score expected ({error})') from error
    boxes = boxes[None] if boxes.shape == (5, ) else boxes
    if boxes.size == 0:
        return dict(bbox=None, score=0.0)
    if boxes.shape != (1, 5) or not np.isfinite(boxes).all():
        raise ValueError(f'{path}: one box x1 y1 x2 y2 score of finite numbers expected, found shape {boxes.shape}')
    x1, y1, x2, y2 = clip_boxes(boxes[:, :4], image_size)[0]
    if x2 - x1 < 1 or y2 - y1 < 1:
        raise ValueError(f'{path}: box {rounded(boxes[0, :4], 1)} covers no pixel of the image of '
                         f'{image_size[0]}x{image_size[1]} px; x1 y1 x2 y2 expected, of the same split')
    return dict(bbox=rounded([x1, y1, x2 - x1, y2 - y1], 2), score=rounded(boxes[0, 4], 4))
