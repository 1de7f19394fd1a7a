"""The option ``upright`` of the inferencer: turned crops, which are kept from frame to frame in a video."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmpose.structures import PoseDataSample

from mmpose_integral.models.upright_crops import Crop, Predict, UprightCrops

from .media import Media
from .pictures import Frame
from .tracking import PersonTracker


class UprightPeople:
    """Predicts people in turned crops (:class:`UprightCrops`), with less work in a video.

    In a video, a person is predicted once, in the crop that the prediction in the last frame gives, moved as the
    person's box has moved. New people, and those whose second crop had the lower score, are predicted as in a picture,
    and so are those whose score in that crop is low (:meth:`UprightCrops.predict`). All frames of a batch use the crops
    before the batch.

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
        self._crops: dict[int, tuple[Crop, np.ndarray]] = {}  # by track id: crop, and centre of the person's box

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
        if not frames:  # the detector refused all frames of the batch
            return []
        found = [self._tracker.update(each[:, :4], frame.time_s) for frame, each in zip(frames, boxes, strict=True)]
        ids, alive = np.concatenate(found).tolist(), set(self._tracker.tracks['id'].tolist())
        centers = [(box[:2] + box[2:4]) / 2 for box in np.concatenate(boxes)]
        self._crops = {number: kept for number, kept in self._crops.items() if number in alive}
        last_crops = {}
        for i, number in enumerate(ids):
            if number in self._crops:
                crop, center = self._crops[number]
                last_crops[i] = crop.moved(centers[i] - center)
        samples, next_crops = self.crops.predict(predict, count, last_crops)
        for i, number in enumerate(ids):
            self._crops.pop(number, None)
            if i in next_crops:
                self._crops[number] = next_crops[i], centers[i]
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
