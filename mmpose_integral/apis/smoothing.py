"""One-Euro smoothing of tracked poses: strong smoothing for slow motion, little lag for fast motion.

The filter is that of G. Casiez, N. Roussel, D. Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy
Input in Interactive Systems", CHI 2012.
"""
import numpy as np

from ..evaluation.functional import skeleton_length
from ..structures.skeleton import NUM_JOINTS
from .tracking import PersonTracker, check_later


def smoothing_factor(interval: float, cutoff: np.ndarray | float) -> np.ndarray | float:
    """Weight of the newest value in a first-order low-pass filter.

    alpha = 1 / (1 + tau / T) with tau = 1 / (2 pi f), the paper's definition of alpha by sampling period and cutoff.

    Args:
        interval: Time T since the last value, s.
        cutoff: Cutoff frequency f, Hz.

    Returns:
        Weight in (0, 1).
    """
    return 1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff * interval))


class OneEuroFilter:
    """A low-pass filter whose cutoff rises with the speed: f = min_cutoff + beta * |speed| (the paper's Algorithm 1).

    Every element of an array has its own speed and cutoff. Let x be the value, y the output and T the time since the
    last value. The speed is (x - y_last) / T, itself low-pass filtered at ``d_cutoff``. The output is
    y = y_last + alpha(T, f) (x - y_last). The first value is returned unchanged.

    Values that are not finite are returned unchanged too. The filter of such an element restarts after them.

    Args:
        min_cutoff: Cutoff without motion, Hz; lower values smooth more.
        beta: Increase of the cutoff per unit of speed, Hz; higher values give less lag in fast motion. 0 gives a
            plain low-pass filter.
        d_cutoff: Cutoff of the speed, Hz.

    Raises:
        ValueError: If a cutoff is not positive, or beta is negative.
    """

    def __init__(self, min_cutoff: float = 1.0, beta: float = 0.0, d_cutoff: float = 1.0) -> None:
        if not (min_cutoff > 0 and d_cutoff > 0):
            raise ValueError(f'min_cutoff, d_cutoff: positive numbers of Hz expected, got {min_cutoff}, {d_cutoff}')
        if not beta >= 0:
            raise ValueError(f'beta: 0 or more expected, got {beta}')
        self.min_cutoff, self.beta, self.d_cutoff = min_cutoff, beta, d_cutoff
        self.reset()

    def reset(self) -> None:
        """Clear the state."""
        self._time = self._value = self._speed = None

    def __call__(self, value: np.ndarray | float, time_s: float, unit: float = 1.0) -> np.ndarray:
        """Filter one value.

        Args:
            value: Value of any shape, the same in every call.
            time_s: Time of the value, s; later than that of the last call.
            unit: Speed that counts as 1, in the value's unit per s. It is needed if ``beta`` refers to another unit
                than that of the values.

        Returns:
            Filtered value, float64, shape of ``value``.

        Raises:
            ValueError: If the time is not later than the last, or the shape has changed.
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
    """Tracks people by their boxes and smooths the pose of each person.

    A pose has three parts with different noise and speed, which are filtered separately. They are the position of the
    root in the image, the size of the person, and the pose itself. The size is the logarithm of the skeleton's total
    length in px. The pose is the joints relative to the root, divided by that length; results in mm depend on it alone.

    Speeds of root and pose are in skeleton lengths per second. One ``beta`` therefore fits near and far people, and
    large and small pictures. A total length is about 4.5 m, so a hand at 2 m/s moves at 0.44. The defaults were chosen
    with ``tools/smoothing_report.py``: they are among the smoothest settings that cost no accuracy.

    Args:
        iou_thr: Lowest overlap of one person's boxes, see :class:`PersonTracker`.
        max_missing_s: Longest gap in the detections of a person, s. After a longer gap, the person gets a new track id
            and new filters.
        min_cutoff: Cutoff without motion, Hz, see :class:`OneEuroFilter`.
        beta: Increase of the cutoff, Hz, per skeleton length per second.
        d_cutoff: Cutoff of the speed, Hz.

    Raises:
        ValueError: If the tracker or the filter rejects an argument.
    """

    def __init__(self, iou_thr: float = 0.3, max_missing_s: float = 0.5, min_cutoff: float = 0.7, beta: float = 10.0,
                 d_cutoff: float = 1.0) -> None:
        self.tracker = PersonTracker(iou_thr, max_missing_s)
        self.settings = dict(min_cutoff=min_cutoff, beta=beta, d_cutoff=d_cutoff)
        _PersonFilter(self.settings)    # raises errors now rather than at the first person
        self._people = {}

    def reset(self) -> None:
        """Remove all people, for another video."""
        self.tracker.reset()
        self._people = {}

    def __call__(self, bboxes: np.ndarray, keypoints: np.ndarray, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Process one frame.

        Args:
            bboxes: (N, 4) x0, y0, x1, y1 image px; N may be 0.
            keypoints: (N, 18, 3) image px, z in the same px, relative to the root or nearly so.
            time_s: Time of the frame, s; later than that of the last frame.

        Returns:
            (N,) int64 track ids, and (N, 18, 3) float64 smoothed keypoints in image px. A skeleton whose length is
            zero or not finite is returned unchanged.

        Raises:
            ValueError: If shapes do not match, boxes are not finite, or the time is not later than the last.
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


def make_smoother(media, forward):
    """Return the PoseSmoother of one call, or None; its arguments are removed from ``forward``."""
    smooth, threshold = forward.pop('smooth', False), forward.pop('tracking_thr', None)
    if smooth is None or smooth is False:
        return None
    if not media.is_video:
        raise ValueError('smooth: frames that follow each other in time are needed, a video or a camera')
    options = dict(smooth) if isinstance(smooth, dict) else {}
    if threshold is not None:
        options['iou_thr'] = threshold
    return PoseSmoother(**options)


class _PersonFilter:
    """The three filters of one person; ``settings`` are arguments of :class:`OneEuroFilter`."""

    def __init__(self, settings):
        self.root, self.pose, self.log_length = (OneEuroFilter(**settings) for _ in range(3))

    def __call__(self, keypoints, time_s):
        """Smooth a pose, (18, 3) px -> (18, 3) px."""
        length = float(skeleton_length(keypoints))
        if not (np.isfinite(length) and length > 0):
            for part in (self.root, self.pose, self.log_length):
                part.reset()
            return keypoints
        size = float(np.exp(self.log_length(np.log(length), time_s)))
        root = self.root(keypoints[0], time_s, unit=size)
        # Dividing by the length of this frame leaves an error in size to the filter of the size.
        return root + size * self.pose((keypoints - keypoints[0]) / length, time_s)
