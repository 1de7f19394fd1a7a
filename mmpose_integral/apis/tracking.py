"""Tracking of people from frame to frame by the overlap of their boxes."""
import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

# Weight of the newest step in a person's velocity; it averages out the jitter of detected boxes, a few px.
_NEW_STEP = 0.5
# One person: box x0, y0, x1, y1 px, time at which it was seen, s, and velocity of its centre, px per s.
TRACK = np.dtype([('id', np.int64), ('seen', float), ('box', float, 4), ('velocity', float, 2)])


class PersonTracker:
    """Assigns one track id to each person in all frames of a video.

    All boxes of a frame are matched with all tracks at once, which maximises the total IoU. (mmpose's
    ``_track_by_iou`` matches people one by one, and drops a person who is missing in a single frame.) Boxes are
    compared with the last box of each track, and with that box moved on at the track's velocity. The second comparison
    keeps the ids when two people of one size cross and each overlaps most with the other's last box.

    Args:
        iou_thr: Lowest IoU of two boxes of one person; above 0, at most 1.
        max_missing_s: Longest time for which a track without detections is kept, s.

    Attributes:
        tracks: (M,) all current tracks, whether or not they were detected in the last frame, see :data:`TRACK`.
    """

    def __init__(self, iou_thr: float, max_missing_s: float) -> None:
        if not 0 < iou_thr <= 1:
            raise ValueError(f'iou_thr: above 0 and at most 1 expected, got {iou_thr}')
        if not max_missing_s >= 0:
            raise ValueError(f'max_missing_s: 0 or more expected, got {max_missing_s}')
        self.iou_thr, self.max_missing_s = iou_thr, max_missing_s
        self._next, self._time_s = 0, -np.inf
        self.tracks = np.zeros(0, TRACK)

    def update(self, bboxes: ArrayLike, time_s: float) -> np.ndarray:
        """Process one frame.

        Args:
            bboxes: (N, 4) x0, y0, x1, y1 px; N may be 0.
            time_s: Time of the frame, s; later than that of the last frame.

        Returns:
            (N,) int64 track ids in the order of the boxes. The id of a removed track is not used again.
        """
        boxes = np.array(bboxes, np.float64, order='C')  # torch does not accept reversed arrays
        boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise ValueError(f'bboxes: (N, 4) finite numbers expected, got shape {boxes.shape}: {boxes.tolist()}')
        if not self._time_s < time_s < np.inf:
            raise ValueError(f'time_s: later than that of the frame before ({self._time_s}) expected, got {time_s}; '
                             'make a new object for another video')
        self._time_s = time_s
        tracks = self.tracks[time_s - self.tracks['seen'] <= self.max_missing_s]
        age = (time_s - tracks['seen'])[:, None]
        rows, found = self._match(boxes, tracks['box'], tracks['box'] + np.tile(tracks['velocity'] * age, 2))
        step = (boxes[rows] - tracks['box'][found]).reshape(-1, 2, 2).mean(axis=1)
        tracks['velocity'][found] += _NEW_STEP * (step / age[found] - tracks['velocity'][found])
        tracks['box'][found], tracks['seen'][found] = boxes[rows], time_s
        ids = np.full(len(boxes), -1, np.int64)
        ids[rows] = tracks['id'][found]
        new = np.flatnonzero(ids < 0)
        ids[new] = self._next + np.arange(len(new))
        self._next += len(new)
        started = np.zeros(len(new), TRACK)
        started['id'], started['seen'], started['box'] = ids[new], time_s, boxes[new]
        self.tracks = np.concatenate([tracks, started])
        return ids

    def _match(self, boxes: np.ndarray, last: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices (P,) of the matched boxes (N, 4) and (P,) of their tracks, from last and expected boxes (M, 4)."""
        overlap = np.maximum(_iou(boxes, last), _iou(boxes, moved))
        # An overlap below the threshold must not influence the assignment.
        overlap[overlap < self.iou_thr] = 0.0
        rows, tracks = linear_sum_assignment(overlap, maximize=True)
        good = overlap[rows, tracks] > 0
        return rows[good], tracks[good]


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of boxes (N, 4) and (M, 4) -> (N, M); 0 for boxes without area."""
    return np.nan_to_num(box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy(), nan=0.0)
