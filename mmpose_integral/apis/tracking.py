"""Who is who from frame to frame, by the overlap of person boxes."""
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

# Share of the newest step in a person's velocity: detectors' boxes shake by a few px.
_NEW_STEP = 0.5


class PersonTracker:
    """Gives the same person the same number in all frames of a video.

    All boxes of a frame are matched with all people at once (Hungarian method), so that the total IoU is greatest.
    mmpose's own ``_track_by_iou`` is private, takes people one by one, so that the answer depends on their order, and
    forgets whoever is missing in a single frame.

    A person is looked for where the last box was, and where it would be had it gone on as before: two people of one
    size who cross overlap best with each other's last box just then.

    Args:
        iou_thr (float): boxes that overlap less are never one person; above 0, at most 1.
        max_missing (float): how long somebody who is not seen is remembered, in frames, or in whatever unit
            :meth:`update` gets the time in.

    Raises:
        ValueError: an argument outside these limits.
    """

    def __init__(self, iou_thr=0.3, max_missing=15):
        if not 0 < iou_thr <= 1:
            raise ValueError(f'iou_thr: above 0 and at most 1 expected, got {iou_thr}')
        if not max_missing >= 0:
            raise ValueError(f'max_missing: 0 or more expected, got {max_missing}')
        self.iou_thr, self.max_missing = iou_thr, max_missing
        self.reset()

    def reset(self):
        """Forget everybody; numbers start afresh at 0."""
        self._next, self._time = 0, None
        self._ids, self._seen = np.zeros(0, np.int64), np.zeros(0)
        self._boxes, self._velocities = np.zeros((0, 4)), np.zeros((0, 2))

    @property
    def ids(self):
        """(M,) numbers of all people who are remembered, seen in the last frame or not."""
        return self._ids.copy()

    def update(self, bboxes, time=None):
        """Take in one frame.

        Args:
            bboxes (np.ndarray): (N, 4) x0, y0, x1, y1 px; N may be 0.
            time (float | None): of the frame; None counts frames.

        Returns:
            np.ndarray: (N,) int64, a number for each box, in their order. A number is never given to a second person.

        Raises:
            ValueError: boxes of another shape or not finite, or a time that is not later than the last.
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
        """Indices (P,) of boxes and (P,) of the people they belong to."""
        moved = self._boxes + np.tile(self._velocities * (time - self._seen)[:, None], 2)
        overlap = np.maximum(_iou(boxes, self._boxes), _iou(boxes, moved))
        # What is no match must not win a place by adding a little to the total.
        overlap[overlap < self.iou_thr] = 0.0
        rows, tracks = linear_sum_assignment(overlap, maximize=True)
        good = overlap[rows, tracks] > 0
        return rows[good], tracks[good]

    def _move(self, tracks, boxes, time):
        """People seen again: their new place, and velocity in px a unit of time."""
        step = _centers(boxes) - _centers(self._boxes[tracks])
        velocity = step / (time - self._seen[tracks])[:, None]
        self._velocities[tracks] += _NEW_STEP * (velocity - self._velocities[tracks])
        self._boxes[tracks], self._seen[tracks] = boxes, time


def check_later(time, last):
    """ValueError unless ``time`` is finite and later than ``last``, which is None at the start."""
    if not np.isfinite(time) or (last is not None and not time > last):
        raise ValueError(f'time: later than that of the frame before ({last}) expected, got {time}; '
                         'reset, or make a new object, for another video')


def _check_boxes(bboxes):
    boxes = np.array(bboxes, np.float64, order='C')    # torch refuses reversed arrays
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
    """(N, 4), (M, 4) -> (N, M); boxes without area overlap with nothing."""
    return np.nan_to_num(box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy(), nan=0.0)
