"""One-Euro smoothing of tracked poses: strong smoothing for slow motion, little lag for fast motion.

The filter is that of G. Casiez, N. Roussel, D. Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy
Input in Interactive Systems", CHI 2012.
"""
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.structures.skeleton import NUM_JOINTS

from .media import Media
from .tracking import PersonTracker


def smoothing_factor(interval: float, cutoff: np.ndarray | float) -> np.ndarray | float:
    """Weight of the newest value in a low-pass filter of a cutoff f, Hz, when the last value is T = ``interval`` s old.

    alpha = 1 / (1 + tau / T) with tau = 1 / (2 pi f), the paper's definition of alpha by sampling period and cutoff.
    """
    return 1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff * interval))


class OneEuroFilter:
    """A low-pass filter whose cutoff rises with the speed: f = min_cutoff + beta * |speed| (the paper's Algorithm 1).

    Every element of an array has its own speed and cutoff. Let x be the value, y the output and T the time since the
    last value. The speed is (x - y_last) / T, itself low-pass filtered at ``d_cutoff``. The output is
    y = y_last + alpha(T, f) (x - y_last). The first value and values that are not finite are returned unchanged; after
    the latter, the filter of the element restarts.

    Args:
        min_cutoff: Cutoff without motion, Hz, positive; lower values smooth more.
        beta: Increase of the cutoff per unit of speed, Hz; higher values give less lag, 0 a plain low-pass filter.
        d_cutoff: Cutoff of the speed, Hz, positive.
    """

    def __init__(self, min_cutoff: float = 1.0, beta: float = 0.0, d_cutoff: float = 1.0) -> None:
        if not (min_cutoff > 0 and d_cutoff > 0):
            raise ValueError(f'min_cutoff, d_cutoff: positive numbers of Hz expected, got {min_cutoff}, {d_cutoff}')
        if not beta >= 0:
            raise ValueError(f'beta: 0 or more expected, got {beta}')
        self.min_cutoff, self.beta, self.d_cutoff = min_cutoff, beta, d_cutoff
        self.reset()

    def reset(self) -> None:
        """Clear time, output and speed of the last value."""
        self._last: tuple[float, np.ndarray, np.ndarray] | None = None

    def __call__(self, value: np.ndarray | float, time_s: float, unit: float = 1.0) -> np.ndarray:
        """Filter one value; the result is float64 of the same shape.

        Args:
            value: Value of any shape, the same in every call.
            time_s: Time of the value, s; later than that of the last call.
            unit: Speed that counts as 1, in the value's unit per s.
        """
        value = np.array(value, np.float64)  # a copy: the caller may change its own array later
        if self._last is None:
            self._last = time_s, value, np.zeros_like(value)
            return value
        last_time, last, speed = self._last
        interval = time_s - last_time
        known = np.isfinite(value) & np.isfinite(last)
        step = np.subtract(value, last, out=np.zeros_like(value), where=known)
        speed = np.where(known, speed, 0.0)
        speed = speed + smoothing_factor(interval, self.d_cutoff) * (step / (interval * unit) - speed)
        alpha = smoothing_factor(interval, self.min_cutoff + self.beta * np.abs(speed))
        filtered = np.where(known, last + alpha * step, value)
        self._last = time_s, filtered, speed
        return filtered


class PoseSmoother:
    """Tracks people by their boxes and smooths the pose of each person.

    Three parts with different noise and speed are filtered separately: the position of the root in the image, the
    logarithm of the skeleton's total length in px, and the joints relative to the root divided by that length. Results
    in mm depend on the last part alone.

    Speeds of root and pose are in skeleton lengths per second. One ``beta`` therefore fits near and far people, and
    large and small pictures. A total length is about 4.5 m, so a hand at 2 m/s moves at 0.44. The defaults were chosen
    with ``mmpose-integral smoothing-report``: they are among the smoothest settings that cost no accuracy.

    Args:
        iou_thr: Lowest overlap of one person's boxes, see :class:`PersonTracker`.
        max_missing_s: Longest gap in the detections of a person, s; after it the person is a new one.
        min_cutoff, beta, d_cutoff: Arguments of :class:`OneEuroFilter`; ``beta`` in Hz per skeleton length per second.
    """

    def __init__(self, iou_thr: float = 0.3, max_missing_s: float = 0.5, min_cutoff: float = 0.7, beta: float = 10.0,
                 d_cutoff: float = 1.0) -> None:
        self.tracker = PersonTracker(iou_thr, max_missing_s)
        self.settings = dict(min_cutoff=min_cutoff, beta=beta, d_cutoff=d_cutoff)
        OneEuroFilter(**self.settings)  # raises errors now rather than at the first person
        self._people: dict[int, _PersonFilter] = {}

    def __call__(self, bboxes: ArrayLike, keypoints: ArrayLike, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Process one frame.

        Args:
            bboxes: (N, 4) x0, y0, x1, y1 image px; N may be 0.
            keypoints: (N, 18, 3) image px, z in the same px, relative to the root or nearly so.
            time_s: Time of the frame, s; later than that of the last frame.

        Returns:
            (N,) int64 track ids, and (N, 18, 3) float64 smoothed keypoints in image px. A skeleton whose length is
            zero or not finite is returned unchanged.
        """
        keypoints, people = np.asarray(keypoints, np.float64), len(np.asarray(bboxes))
        keypoints = keypoints.reshape(0, NUM_JOINTS, 3) if keypoints.size == 0 else keypoints
        if keypoints.shape != (people, NUM_JOINTS, 3):
            raise ValueError(f'keypoints: shape ({people}, {NUM_JOINTS}, 3) expected for {people} boxes, got '
                             f'{keypoints.shape}')
        ids = self.tracker.update(bboxes, time_s)
        self._people = {number: self._people.get(number) or _PersonFilter(self.settings)
                        for number in self.tracker.tracks['id'].tolist()}
        smoothed = [self._people[number](pose, time_s) for number, pose in zip(ids.tolist(), keypoints, strict=True)]
        return ids, np.reshape(smoothed, keypoints.shape)


class _PersonFilter:
    """The three filters of one person; ``settings`` are arguments of :class:`OneEuroFilter`."""

    def __init__(self, settings: Mapping[str, float]) -> None:
        self.root, self.pose, self.log_length = (OneEuroFilter(**settings) for _ in range(3))

    def __call__(self, keypoints: np.ndarray, time_s: float) -> np.ndarray:
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


def make_smoother(media: Media, smooth: bool | Mapping[str, Any] | None = False,
                  tracking_thr: float | None = None) -> PoseSmoother | None:
    """Make the smoother of one call of the inferencer, with ``tracking_thr`` for ``iou_thr``; None without ``smooth``.

    Raises:
        ValueError: If the input is neither a video nor a camera, or an argument is invalid.
    """
    if smooth is None or smooth is False:
        return None
    if not media.is_video:
        raise ValueError('smooth: frames that follow each other in time are expected, from a video or a camera')
    options = dict(smooth) if isinstance(smooth, Mapping) else {}
    if tracking_thr is not None:
        options['iou_thr'] = tracking_thr
    return PoseSmoother(**options)
