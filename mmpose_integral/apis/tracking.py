"""Tracking of people from frame to frame by the overlap of their boxes."""
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

# Weight of the newest step in a person's velocity; it averages out the jitter of detected boxes, a few px.
_NEW_STEP = 0.5


class PersonTracker:
    """Assigns one track id to each person in all frames of a video.

    All boxes of a frame are matched with all tracks at once (Hungarian method), which maximises the total IoU.
    mmpose's own ``_track_by_iou`` is private and matches people one by one, so its result depends on their order. It
    also drops a person who is missing in a single frame.

    Boxes are compared with the last box of each track, and with that box moved on at the track's velocity. The second
    comparison keeps the ids when two people of one size cross and each overlaps most with the other's last box.

    Args:
        iou_thr: Lowest IoU of two boxes of one person; above 0, at most 1.
        max_missing: Longest time for which a track without detections is kept, in frames or in the unit of the time
            that :meth:`update` is given.

    Raises:
        ValueError: If an argument is outside these limits.
    """

    def __init__(self, iou_thr: float = 0.3, max_missing: float = 15) -> None:
        if not 0 < iou_thr <= 1:
            raise ValueError(f'iou_thr: above 0 and at most 1 expected, got {iou_thr}')
        if not max_missing >= 0:
            raise ValueError(f'max_missing: 0 or more expected, got {max_missing}')
        self.iou_thr, self.max_missing = iou_thr, max_missing
        self.reset()

    def reset(self) -> None:
        """Remove all tracks; ids restart at 0."""
        self._next, self._time = 0, None
        self._ids, self._seen = np.zeros(0, np.int64), np.zeros(0)
        self._boxes, self._velocities = np.zeros((0, 4)), np.zeros((0, 2))

    @property
    def ids(self) -> np.ndarray:
        """(M,) ids of all current tracks, whether or not they were detected in the last frame."""
        return self._ids.copy()

    def update(self, bboxes: np.ndarray, time: float | None = None) -> np.ndarray:
        """Process one frame.

        Args:
            bboxes: (N, 4) x0, y0, x1, y1 px; N may be 0.
            time: Time of the frame; None counts frames.

        Returns:
            (N,) int64 track ids in the order of the boxes. The id of a removed track is not used again.

        Raises:
            ValueError: If the boxes have another shape or are not finite, or the time is not later than the last.
        """
        boxes = _check_boxes(bboxes)
        time = (0.0 if self._time is None else self._time + 1.0) if time is None else float(time)
        check_later(time, self._time)
        self._time = time
        self._keep(time - self._seen <= self.max_missing)
        rows, tracks = self._match(boxes, time)
        ids = np.full(len(boxes), -1, np.int64)
        ids[rows] = self._ids[tracks]
        self._move(tracks, boxes[rows], time)
        new = np.flatnonzero(ids < 0)
        ids[new] = self._next + np.arange(len(new))
        self._next += len(new)
        self._ids, self._seen = np.append(self._ids, ids[new]), np.append(self._seen, np.full(len(new), time))
        self._boxes = np.concatenate([self._boxes, boxes[new]])
        self._velocities = np.concatenate([self._velocities, np.zeros((len(new), 2))])
        return ids

    def _keep(self, which):
        self._ids, self._seen = self._ids[which], self._seen[which]
        self._boxes, self._velocities = self._boxes[which], self._velocities[which]

    def _match(self, boxes, time):
        """Indices (P,) of the matched boxes and (P,) of their tracks."""
        moved = self._boxes + np.tile(self._velocities * (time - self._seen)[:, None], 2)
        overlap = np.maximum(_iou(boxes, self._boxes), _iou(boxes, moved))
        # An overlap below the threshold must not influence the assignment.
        overlap[overlap < self.iou_thr] = 0.0
        rows, tracks = linear_sum_assignment(overlap, maximize=True)
        good = overlap[rows, tracks] > 0
        return rows[good], tracks[good]

    def _move(self, tracks, boxes, time):
        """Update box and velocity (px per unit of time) of the matched tracks."""
        step = _centers(boxes) - _centers(self._boxes[tracks])
        velocity = step / (time - self._seen[tracks])[:, None]
        self._velocities[tracks] += _NEW_STEP * (velocity - self._velocities[tracks])
        self._boxes[tracks], self._seen[tracks] = boxes, time


def check_later(time: float, last: float | None) -> None:
    """Raise a ValueError unless ``time`` is finite and later than ``last``, which is None at the start."""
    if not np.isfinite(time) or (last is not None and not time > last):
        raise ValueError(f'time: later than that of the frame before ({last}) expected, got {time}; '
                         'reset, or make a new object, for another video')


def _check_boxes(bboxes):
    boxes = np.array(bboxes, np.float64, order='C')    # torch does not accept reversed arrays
    boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f'bboxes: shape (N, 4) expected, got {boxes.shape}')
    if not np.isfinite(boxes).all():
        bad = int(np.argmin(np.isfinite(boxes).all(axis=1)))
        raise ValueError(f'bboxes: finite numbers expected, got {boxes[bad].tolist()} at index {bad}')
    return boxes


def _centers(boxes):
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _iou(first, second):
    """IoU of boxes (N, 4) and (M, 4) -> (N, M); 0 for boxes without area."""
    return np.nan_to_num(box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy(), nan=0.0)
