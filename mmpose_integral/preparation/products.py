"""The files that the preparation tools exchange: boxes and coarse 2D joints. ``docs/data.md`` describes them."""
import json
import os
from pathlib import Path

import numpy as np

from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import read_arrays, replace_when_done, write_json_lines_list


def missing_path(boxes_path):
    """The list of frames without a box lies beside the boxes: ``<stem>_missing.json``."""
    path = Path(boxes_path)
    return path.with_name(f'{path.stem}_missing.json')


def save_boxes(path, records):
    """Write boxes in the format of COCO detection results, and beside them the frames that have none.

    Args:
        path (str | Path): the boxes' file.
        records (dict[int, dict]): by frame id: ``bbox`` ([x, y, w, h] in image px, or None) and ``score``.

    Returns:
        list[int]: the frames without a box.
    """
    missing = [frame_id for frame_id, record in records.items() if record['bbox'] is None]
    write_json_lines_list(path, [
        dict(image_id=frame_id, category_id=1, bbox=record['bbox'], score=record['score'])
        for frame_id, record in records.items() if record['bbox'] is not None])
    write_json_lines_list(missing_path(path), missing)
    return missing


def load_boxes(path):
    """Read boxes.

    Args:
        path (str | Path): COCO detection results; of several boxes of a frame the best one counts.

    Returns:
        dict[int, list[float]]: frame id to [x, y, w, h], image px.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is something else.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'boxes {path} do not exist; make them with tools/dataset_converters/detect_boxes.py')
    best = {}
    try:
        with open(path) as file:
            for box in json.load(file):
                if box['score'] > best.get(box['image_id'], (-1,))[0]:
                    best[box['image_id']] = (box['score'], [float(value) for value in box['bbox']])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path} is no list of COCO detection results ({error!r})') from error
    return {frame_id: bbox for frame_id, (_, bbox) in best.items()}


def save_keypoints_2d(path, frame_ids, keypoints_2d, scores):
    """Write coarse 2D joints: (N,) ids, (N, 18, 2) image px, (N, 18) scores, 0 = not predicted."""
    with replace_when_done(path) as temporary:
        np.savez(temporary, frame_ids=np.asarray(frame_ids, dtype=np.int32),
                 keypoints_2d=np.asarray(keypoints_2d, dtype=np.float32),
                 keypoints_2d_score=np.asarray(scores, dtype=np.float32))


def load_keypoints_2d(path, frame_ids):
    """Read coarse 2D joints of given frames.

    Args:
        path (str | Path): a product of ``tools/dataset_converters/predict_keypoints_2d.py``.
        frame_ids (np.ndarray): (N,), the frames wanted, in this order.

    Returns:
        tuple[np.ndarray, np.ndarray]: (N, 18, 2) image px, (N, 18) scores.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a wanted frame is not in it, or its arrays have the wrong shape.
    """
    arrays = read_arrays(path, 'file of coarse 2D joints', ('frame_ids', 'keypoints_2d', 'keypoints_2d_score'),
                         'make it with tools/dataset_converters/predict_keypoints_2d.py')
    ids, keypoints, scores = arrays['frame_ids'], arrays['keypoints_2d'], arrays['keypoints_2d_score']
    if keypoints.shape != (len(ids), NUM_JOINTS, 2) or scores.shape != (len(ids), NUM_JOINTS):
        raise ValueError(f'{path}: (N, 18, 2) joints and (N, 18) scores of {len(ids)} frames expected, got '
                         f'{keypoints.shape} and {scores.shape}')
    rows = match_rows(ids, frame_ids, path)
    return keypoints[rows], scores[rows]


def match_rows(ids, wanted, path):
    """Where each wanted frame id stands in a file's ``ids``.

    Returns:
        np.ndarray: (N,) rows, so that ``ids[rows] == wanted``.

    Raises:
        ValueError: one is not there; the message names ``path``.
    """
    wanted = np.asarray(wanted)
    order = np.argsort(ids)
    lacking = wanted[~np.isin(wanted, ids)]
    if len(lacking):
        raise ValueError(f'{path} has no entry for {len(lacking)} of {len(wanted)} frames, first {lacking[0]}; '
                         'make it again from the same index')
    return order[np.searchsorted(ids, wanted, sorter=order)]
