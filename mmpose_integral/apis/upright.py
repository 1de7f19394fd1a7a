"""Crops that are turned until the trunk stands upright, for people who lie, bend or are upside down in the image.

Frames: image px. Angles are degrees from "up" in the image towards x, from -180 to 180.
"""
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmpose.structures import PoseDataSample

from mmpose_integral.structures.skeleton import trunk_angle

from .media import Media, chunks
from .pictures import Frame
from .tracking import PersonTracker

# Largest number of crops per forward pass, however many people are in the images of a batch.
PEOPLE_PER_PASS = 32
# Predicts people, given by their indices, in crops that are turned by the angles.
Predict = Callable[[Sequence[int], Sequence[float]], list[PoseDataSample]]


def predict_crops(model: torch.nn.Module, pipeline: Callable, collate: Callable,
                  people: Sequence[tuple[Frame, np.ndarray]], angles: Sequence[float]) -> list[PoseDataSample]:
    """Predict people in crops of given angles.

    Args:
        model: Pose model.
        pipeline: Test pipeline, which cuts the crop.
        collate: Function that joins results of the pipeline to a batch.
        people: Frames and boxes (5,), px and score.
        angles: Angle of each person's crop.

    Returns:
        Predictions in image px, with the given boxes.

    Raises:
        ValueError: If the pipeline does not rotate crops, and an angle is not 0.
    """
    crops = (pipeline(dict(model.dataset_meta, img=frame.image, img_path=frame.name,
                           bbox=turned_box(box[:4], angle)[None], bbox_score=box[4:],
                           bbox_rotation=np.array([angle], np.float32)))
             for (frame, box), angle in zip(people, angles, strict=True))
    samples = [sample for chunk in chunks(crops, PEOPLE_PER_PASS) for sample in model.test_step(collate(chunk))]
    for sample, (_, box), angle in zip(samples, people, angles, strict=True):
        if angle and 'input_rotation' not in sample.metainfo:
            raise ValueError("upright: the config's test pipeline does not rotate crops; TopdownAffine3D and "
                             'PackPose3DInputs expected, or upright=False')
        sample.pred_instances.bboxes = box[None, :4]
    return samples


def turned_box(box: np.ndarray, angle: float) -> np.ndarray:
    """Box with the same centre for a crop that is turned by an angle.

    At 90 degrees, width and height are exchanged. In between, each side is the mean of width and height with the
    weights cos^2 and sin^2, so that a crop is never much larger than the person.

    Args:
        box: (4,) x1, y1, x2, y2 px, with sides along the axes of the image.
        angle: Angle of the crop.

    Returns:
        (4,) x1, y1, x2, y2 px, same dtype, whose sides are to be turned about the centre.
    """
    if not angle:
        return box
    share, center, half = np.sin(np.deg2rad(angle))**2, (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    half = (1 - share) * half + share * half[::-1]
    return np.concatenate([center - half, center + half]).astype(box.dtype)


class UprightCrops:
    """Predicts people in turned crops.

    A person whose trunk leans by more than ``min_angle`` is predicted a second time, in a crop that is turned by this
    angle. Of the two predictions, the one with the higher mean score is kept, or, without ``compare``, the second. In a
    video, a person's crop is turned by the angle of the last frame instead. The two predictions are then made only
    where no angle is known, or where the turned crop had the lower score. All frames of a batch use the angles before
    the batch.

    Args:
        min_angle: Largest lean of a crop that is left as it is, 0 to 180 degrees.
        rotations: Angles of the first crops, degrees. With (0, 90, 180, 270), people at any angle are found, in four
            times the time; with the default, the model has to recognise the trunk in the unturned crop.
        compare: Whether the scores of the two predictions are compared.
        media: Input. The frames of a video are tracked.
        tracking_thr: Smallest overlap of the boxes of one person in consecutive frames.

    Raises:
        ValueError: If an argument is outside its limits.
    """

    def __init__(self, media: Media, tracking_thr: float | None = None, min_angle: float = 15.0,
                 rotations: Sequence[float] = (0, ), compare: bool = True) -> None:
        if not 0 <= min_angle <= 180:
            raise ValueError(f'upright: min_angle of 0 to 180 degrees expected, got {min_angle}')
        if not len(rotations) or not np.isfinite(rotations).all():
            raise ValueError(f'upright: rotations, at least one angle in degrees, expected, got {rotations}')
        self.min_angle, self.rotations, self.compare = min_angle, rotations, compare
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
        ids = self._track(frames, boxes)
        known = {i: self._angles[number] for i, number in enumerate(ids) if number in self._angles}
        unknown = [i for i in range(len(ids)) if i not in known]
        turns = [angle if abs(angle) > self.min_angle else 0.0 for angle in known.values()]
        best = dict(zip(known, predict(list(known), turns), strict=True))
        for rotation in self.rotations:
            _keep_better(best, unknown, predict(unknown, [float(rotation)] * len(unknown)))
        leaning = {i: trunk_angle(_pose(best[i])) for i in unknown if self._leans(best[i])}
        turned = predict(list(leaning), list(leaning.values()))
        if not self.compare:
            best = {i: sample for i, sample in best.items() if i not in leaning}
        kept = _keep_better(best, list(leaning), turned)
        for i, number in enumerate(ids):
            self._angles.pop(number, None)
            if i not in leaning or i in kept:
                self._angles[number] = trunk_angle(_pose(best[i]))
        return [best[i] for i in range(len(ids))]

    def _leans(self, sample: PoseDataSample) -> bool:
        """Whether the trunk leans too much in the crop of a prediction."""
        lean = trunk_angle(_pose(sample)) - sample.metainfo.get('input_rotation', 0.0)
        return abs((lean + 180) % 360 - 180) > self.min_angle

    def _track(self, frames: Sequence[Frame], boxes: Sequence[np.ndarray]) -> list[int]:
        """Track ids of all people in order; without a video, numbers that are not used again."""
        if self._tracker is None:
            self._angles = {}
            return list(range(sum(map(len, boxes))))
        ids = [self._tracker.update(found[:, :4], frame.time_s) for frame, found in zip(frames, boxes, strict=True)]
        alive = set(self._tracker.tracks['id'].tolist())
        self._angles = {number: angle for number, angle in self._angles.items() if number in alive}
        return np.concatenate(ids).tolist()


def _pose(sample: PoseDataSample) -> np.ndarray:
    return sample.pred_instances.keypoints[0]


def _score(sample: PoseDataSample) -> float:
    return float(np.mean(sample.pred_instances.keypoint_scores))


def _keep_better(best: dict[int, PoseDataSample], people: Sequence[int], samples: Sequence[PoseDataSample]) -> set[int]:
    """Put predictions into ``best`` where there is none with a higher score; return the people of those."""
    better = {i: sample for i, sample in zip(people, samples, strict=True)
              if i not in best or _score(sample) > _score(best[i])}
    best.update(better)
    return set(better)


def make_upright(media: Media, upright: bool | Mapping[str, Any] | None = False,
                 tracking_thr: float | None = None) -> UprightCrops | None:
    """Make the object of one call of the inferencer; None without ``upright``.

    Raises:
        TypeError, ValueError: If an argument is unknown or invalid.
    """
    if upright is None or upright is False:
        return None
    return UprightCrops(media, tracking_thr, **(upright if isinstance(upright, Mapping) else {}))


def choose_upright(given: bool | Mapping[str, Any] | None,
                   default: bool | Mapping[str, Any]) -> bool | Mapping[str, Any]:
    """Choose between an argument and its default; True keeps the details of a default."""
    return default if given is None or (given is True and default) else given
