"""One table of all people of many images and videos, as CSV for spreadsheets and as NPZ for programs.

*People* are the inferencer's dicts, see ``people.to_dicts``. F is the number of frames (an image is a frame), P that
of people in all frames.
"""
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mmpose_integral.structures.skeleton import JOINT_NAMES, NUM_JOINTS
from mmpose_integral.utils.files import read_arrays, replace_when_done, write_rows

# Array of the table: (key of a person's dict, shape for one person). Missing fields become NaN.
_FIELDS = dict(
    keypoints_mm=('keypoints', (NUM_JOINTS, 3)), keypoint_std_mm=('keypoint_std', (NUM_JOINTS, 3)),
    keypoints_2d_px=('keypoints_2d', (NUM_JOINTS, 2)), keypoint_scores=('keypoint_scores', (NUM_JOINTS, )),
    bbox_px=('bbox', (4, )), bbox_score=('bbox_score', ()), bone_length_mm=('bone_length', ()),
    root_position_mm=('camera', (3, )))
_FRAME_ARRAYS = ('frame_path', 'frame_id', 'frame_time_s', 'frame_people')
_PERSON_ARRAYS = ('frame', 'person', 'track_id', *_FIELDS)
NO_TRACK = -1

CSV_COLUMNS = (
    'path', 'frame_id', 'time_s', 'person', 'track_id', 'joint', 'x_mm', 'y_mm', 'z_mm', 'std_x_mm', 'std_y_mm',
    'std_z_mm', 'u_px', 'v_px', 'score', 'bbox_x1_px', 'bbox_y1_px', 'bbox_x2_px', 'bbox_y2_px', 'bbox_score',
    'bone_length_mm', 'root_x_mm', 'root_y_mm', 'root_z_mm')


class FrameResult(NamedTuple):
    """The people in one frame."""
    path: str  # of the image or the video
    frame_id: int  # number of the frame in a video, from 0; 0 for an image
    time_s: float  # time from the start of a video; NaN for an image
    people: dict[str, np.ndarray]  # arrays from :func:`people_arrays`


def people_arrays(people: list[dict]) -> dict[str, np.ndarray]:
    """Convert the dicts of one frame to arrays, which take a fifth of the memory.

    Args:
        people: N people; N may be 0.

    Returns:
        Arrays of length N, float32; ``track_id`` is int64, -1 for people without a track.

    Raises:
        ValueError: If a field has another shape; the message names it.
    """
    arrays = {}
    for name, (key, shape) in _FIELDS.items():
        values = np.full((len(people), *shape), np.nan, dtype=np.float32)
        for row, person in enumerate(people):
            if key in person:
                value = person[key]['root_position'] if key == 'camera' else person[key]
                value = np.asarray(value, dtype=np.float64)
                if value.size != math.prod(shape):
                    raise ValueError(f'person {row}: {key} of shape {shape} expected, got {value.shape}')
                values[row] = value.reshape(shape)
        arrays[name] = values
    arrays['track_id'] = np.array([person.get('track_id', NO_TRACK) for person in people], dtype=np.int64)
    return arrays


def make_table(frames: Sequence[FrameResult]) -> dict[str, np.ndarray]:
    """Join all frames into one set of arrays.

    Args:
        frames: F frames, including those without a person.

    Returns:
        One dict of arrays. For each frame: ``frame_path`` (F,) str, ``frame_id`` (F,) int64, ``frame_time_s`` (F,)
        float64 and ``frame_people`` (F,) int64, the number of people. For each person: ``frame`` (P,) int64, index
        into these; ``person`` (P,) int64, index in the frame's list; ``track_id`` (P,) int64 or -1; and, in float32,
        ``keypoints_mm`` and ``keypoint_std_mm`` (P, 18, 3), ``keypoints_2d_px`` (P, 18, 2), ``keypoint_scores``
        (P, 18), ``bbox_px`` (P, 4) x1, y1, x2, y2, ``bbox_score`` (P,), ``bone_length_mm`` (P,) and
        ``root_position_mm`` (P, 3), with NaN for unknown values. ``joint_names`` (18,) completes it.
    """
    counts = np.array([len(frame.people['track_id']) for frame in frames], dtype=np.int64)
    table = dict(
        frame_path=np.array([frame.path for frame in frames], dtype=str),
        frame_id=np.array([frame.frame_id for frame in frames], dtype=np.int64),
        frame_time_s=np.array([frame.time_s for frame in frames], dtype=np.float64), frame_people=counts,
        frame=np.repeat(np.arange(len(frames)), counts),
        person=np.concatenate([np.arange(count) for count in (0, *counts)]))
    nobody = people_arrays([])
    for name in ('track_id', *_FIELDS):
        table[name] = np.concatenate([nobody[name], *(frame.people[name] for frame in frames)])
    return dict(table, joint_names=np.array(JOINT_NAMES))


def write_npz(path: str | Path, table: dict[str, Any]) -> None:
    """Write a table of :func:`make_table` as compressed arrays, without pickles, to a file that ends in .npz."""
    with replace_when_done(path) as temporary:
        np.savez_compressed(temporary, **table)


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Read a table from a file that :func:`write_npz` wrote; it is as from :func:`make_table`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file does not hold such a table.
    """
    table = read_arrays(path, 'table of people', (*_FRAME_ARRAYS, *_PERSON_ARRAYS, 'joint_names'),
                        'make it with mmpose-integral infer --npz')
    for names, like in ((_FRAME_ARRAYS, 'frame_path'), (_PERSON_ARRAYS, 'frame')):
        for name in names:
            if table[name].shape[:1] != table[like].shape[:1] or not table[name].ndim:
                raise ValueError(f'{path}: {name} of length {table[like].size} expected, got the shape '
                                 f'{table[name].shape}')
    return table


def write_csv(path: str | Path, table: dict[str, np.ndarray]) -> None:
    """Write a table of :func:`make_table` with a header and one line per joint of each person.

    The text is UTF-8, decimals have a '.', and cells of unknown values are empty.
    """
    write_rows(path, CSV_COLUMNS, (line for row in range(len(table['frame'])) for line in _lines(table, row)))


def _lines(table: dict[str, np.ndarray], row: int) -> Iterator[list]:
    """Yield the 18 lines of one person."""
    frame, track = table['frame'][row], table['track_id'][row]
    who = [table['frame_path'][frame], table['frame_id'][frame], *_text(table['frame_time_s'][frame]),
           table['person'][row], '' if track == NO_TRACK else track]
    whole = [*_text(table['bbox_px'][row]), *_text(table['bbox_score'][row], 4), *_text(table['bone_length_mm'][row]),
             *_text(table['root_position_mm'][row])]
    for joint, name in enumerate(table['joint_names']):
        yield [*who, name, *_text(table['keypoints_mm'][row, joint]), *_text(table['keypoint_std_mm'][row, joint]),
               *_text(table['keypoints_2d_px'][row, joint]), *_text(table['keypoint_scores'][row, joint], 4), *whole]


def _text(values: ArrayLike, digits: int = 3) -> list[str]:
    """Numbers with a fixed number of decimals, and an empty text for NaN. Adding 0 turns -0.0 into 0.0."""
    return ['' if math.isnan(value) else f'{round(value, digits) + 0.0:.{digits}f}'
            for value in np.atleast_1d(values).tolist()]
