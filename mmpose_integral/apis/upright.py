"""The option ``upright`` of the inferencer: turned crops, whose angles are kept from frame to frame in a video."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmpose.structures import PoseDataSample

from mmpose_integral.models.upright_crops import Predict, UprightCrops

from .media import Media
from .pictures import Frame
from .tracking import PersonTracker


class UprightPeople:
    """Predicts people in turned crops (:class:`UprightCrops`), with less work in a video.

    In a video, a person's first crop is turned by the angle of the last frame. A lean is a reason for a second
    prediction only where no angle is known, or where the turned crop had the lower score. All frames of a batch use the
    angles before the batch.

    Args:
        media: Input. The frames of a video are tracked.
        tracking_thr: Smallest overlap of the boxes of one person in consecutive frames.
        options: Arguments of :class:`UprightCrops`.

    Raises:
        TypeError, ValueError: If an option is unknown or invalid.
    """

    def __init__(self, media: Media, tracking_thr: float | None = None, **options: Any) -> None:
        self.crops = UprightCrops(**options)
        self._tracker = PersonTracker(tracking_thr or 0.3, 0.5) if media.is_video else None
        self._angles: dict[int, float] = {}  # by track id

    def predict(self, predict: Predict, frames: Sequence[Frame], boxes: Sequence[np.ndarray]) -> list[PoseDataSample]:
        """Predict the people of a batch.

        Args:
            predict: Function that predicts people.
            frames: Frames of the batch.
            boxes: (N, 5) boxes of each frame, px.

        Returns:
            Predictions of all people of all frames in order, in image px.
        """
        count = sum(map(len, boxes))
        if self._tracker is None:
            return self.crops.predict(predict, count)[0]
        found = [self._tracker.update(each[:, :4], frame.time_s) for frame, each in zip(frames, boxes, strict=True)]
        ids, alive = np.concatenate(found).tolist(), set(self._tracker.tracks['id'].tolist())
        self._angles = {number: angle for number, angle in self._angles.items() if number in alive}
        known = {i: self._angles[number] for i, number in enumerate(ids) if number in self._angles}
        samples, angles = self.crops.predict(predict, count, known)
        for i, number in enumerate(ids):
            self._angles.pop(number, None)
            if i in angles:
                self._angles[number] = angles[i]
        return samples


def make_upright(media: Media, upright: bool | Mapping[str, Any] | None = False,
                 tracking_thr: float | None = None) -> UprightPeople | None:
    """Make the object of one call of the inferencer; None without ``upright``.

    Raises:
        TypeError, ValueError: If an argument is unknown or invalid.
    """
    if upright is None or upright is False:
        return None
    return UprightPeople(media, tracking_thr, **(upright if isinstance(upright, Mapping) else {}))


def choose_upright(given: bool | Mapping[str, Any] | None,
                   default: bool | Mapping[str, Any]) -> bool | Mapping[str, Any]:
    """Choose between an argument and its default; True keeps the details of a default."""
    return default if given is None or (given is True and default) else given
