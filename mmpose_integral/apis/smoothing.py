"""One-Euro smoothing of tracked poses: calm where people stand still, quick where they move.

The filter is that of G. Casiez, N. Roussel, D. Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy
Input in Interactive Systems", CHI 2012.
"""
import numpy as np

from ..evaluation.functional import skeleton_length
from ..structures.skeleton import NUM_JOINTS
from .tracking import PersonTracker, check_later


def smoothing_factor(interval, cutoff):
    """Weight of the newest value in a first-order low pass.

    alpha = 1 / (1 + tau / T) with tau = 1 / (2 pi f), the paper's definition of alpha by sampling period and cutoff.

    Args:
        interval (float): T, time since the last value, s.
        cutoff (np.ndarray | float): f, Hz.

    Returns:
        np.ndarray | float: in (0, 1).
    """
    return 1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff * interval))


class OneEuroFilter:
    """A low pass whose cutoff rises with the speed: f = min_cutoff + beta * |speed| (the paper's Algorithm 1).

    Every element of an array has a speed and a cutoff of its own. With x the value, y the output and T the time since
    the last value: the speed is (x - y_last) / T, itself low passed at ``d_cutoff``;
    y = y_last + alpha(T, f) (x - y_last). The first value passes as it is.

    Values that are not finite pass too, and the filter of such an element starts afresh after them.

    Args:
        min_cutoff (float): Hz, where nothing moves; lower is calmer.
        beta (float): Hz by unit of speed; higher follows fast motion with less lag. 0 is a plain low pass.
        d_cutoff (float): Hz, of the speed.

    Raises:
        ValueError: a cutoff that is not positive, or a negative beta.
    """

    def __init__(self, min_cutoff=1.0, beta=0.0, d_cutoff=1.0):
        if not (min_cutoff > 0 and d_cutoff > 0):
            raise ValueError(f'min_cutoff, d_cutoff: positive numbers of Hz expected, got {min_cutoff}, {d_cutoff}')
        if not beta >= 0:
            raise ValueError(f'beta: 0 or more expected, got {beta}')
        self.min_cutoff, self.beta, self.d_cutoff = min_cutoff, beta, d_cutoff
        self.reset()

    def reset(self):
        """Forget the past."""
        self._time = self._value = self._speed = None

    def __call__(self, value, time_s, unit=1.0):
        """Filter one value.

        Args:
            value (np.ndarray | float): any shape, the same in every call.
            time_s (float): its time, s; later than the last.
            unit (float): what a speed of 1 means, in the value's unit by s. Of use where ``beta`` belongs to one unit
                and the values come in another.

        Returns:
            np.ndarray: float64, shape of ``value``.

        Raises:
            ValueError: a time that is not later than the last, or another shape.
        """
        value = np.array(value, np.float64)
        check_later(time_s, self._time)
        if self._time is None:
            self._time, self._value, self._speed = time_s, value, np.zeros_like(value)
            return value.copy()
        if value.shape != self._value.shape:
            raise ValueError(f'value: shape {self._value.shape} expected as before, got {value.shape}')
        interval, self._time = time_s - self._time, time_s
        known = np.isfinite(value) & np.isfinite(self._value)
        step = np.where(known, value - np.where(known, self._value, 0.0), 0.0)
        slope = step / (interval * unit)
        self._speed = np.where(known, self._speed, 0.0)
        self._speed += smoothing_factor(interval, self.d_cutoff) * (slope - self._speed)
        alpha = smoothing_factor(interval, self.min_cutoff + self.beta * np.abs(self._speed))
        self._value = np.where(known, np.where(known, self._value, 0.0) + alpha * step, value)
        return self._value.copy()


class PoseSmoother:
    """Tracks people by their boxes and smooths each one's pose.

    A pose is split in three that are filtered apart, since each has a noise and a speed of its own: where the root is
    in the image, how large the person is (the skeleton's total length in px, by its logarithm), and the pose itself,
    joints relative to the root as shares of that length. Only the last decides about mm. All speeds are in skeleton
    lengths a second, so that the same ``beta`` serves near and far people, and large and small pictures: a total
    length is about 4.5 m, so that a hand at 2 m/s moves at 0.44. The defaults were chosen with
    ``tools/smoothing_report.py``: of those that cost no accuracy, about the calmest.

    Args:
        iou_thr (float): see :class:`PersonTracker`.
        max_missing_s (float): who is away for longer is somebody else when coming back; the filters start afresh.
        min_cutoff (float): Hz, see :class:`OneEuroFilter`.
        beta (float): Hz by skeleton length a second.
        d_cutoff (float): Hz.

    Raises:
        ValueError: an argument that the tracker or the filter refuses.
    """

    def __init__(self, iou_thr=0.3, max_missing_s=0.5, min_cutoff=0.7, beta=10.0, d_cutoff=1.0):
        self.tracker = PersonTracker(iou_thr, max_missing_s)
        self.settings = dict(min_cutoff=min_cutoff, beta=beta, d_cutoff=d_cutoff)
        _PersonFilter(self.settings)    # faults show now, not at the first person
        self._people = {}

    def reset(self):
        """Forget everybody, for another video."""
        self.tracker.reset()
        self._people = {}

    def __call__(self, bboxes, keypoints, time_s):
        """Take in one frame.

        Args:
            bboxes (np.ndarray): (N, 4) x0, y0, x1, y1 image px; N may be 0.
            keypoints (np.ndarray): (N, 18, 3) image px, z in the same px, relative to the root or nearly so.
            time_s (float): time of the frame, s; later than the last.

        Returns:
            tuple[np.ndarray, np.ndarray]: (N,) int64 numbers of the people, and (N, 18, 3) float64 smoothed keypoints
            in image px. A skeleton without a usable length passes as it is.

        Raises:
            ValueError: shapes that do not fit, boxes that are not finite, or a time that is not later than the last.
        """
        keypoints = np.asarray(keypoints, np.float64)
        keypoints = keypoints.reshape(0, NUM_JOINTS, 3) if keypoints.size == 0 else keypoints
        if keypoints.shape != (len(bboxes), NUM_JOINTS, 3):
            raise ValueError(f'keypoints: shape ({len(bboxes)}, {NUM_JOINTS}, 3) expected for {len(bboxes)} boxes, got '
                             f'{keypoints.shape}')
        ids = self.tracker.update(bboxes, time_s)
        remembered = set(self.tracker.ids.tolist())
        self._people = {number: person for number, person in self._people.items() if number in remembered}
        smoothed = np.empty_like(keypoints)
        for row, number in enumerate(ids.tolist()):
            person = self._people.setdefault(number, _PersonFilter(self.settings))
            smoothed[row] = person(keypoints[row], time_s)
        return ids, smoothed


class _PersonFilter:
    """The three filters of one person; settings as of :class:`OneEuroFilter`."""

    def __init__(self, settings):
        self.root, self.pose, self.log_length = (OneEuroFilter(**settings) for _ in range(3))

    def __call__(self, keypoints, time_s):
        """(18, 3) px -> (18, 3) px."""
        length = float(skeleton_length(keypoints))
        if not (np.isfinite(length) and length > 0):
            for part in (self.root, self.pose, self.log_length):
                part.reset()
            return keypoints
        size = float(np.exp(self.log_length(np.log(length), time_s)))
        root = self.root(keypoints[0], time_s, unit=size)
        # Each frame's own length, so that an error in size is left to the filter of the size.
        return root + size * self.pose((keypoints - keypoints[0]) / length, time_s)
