"""Second crops, in which the trunk stands and the person has the expected size, for people in any pose.

Frames: image px. Angles are degrees from "up" in the image towards x, from -180 to 180.
"""
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmpose.structures import PoseDataSample

from mmpose_integral.structures.skeleton import trunk_angle
from mmpose_integral.utils.errors import to_numbers
from mmpose_integral.utils.iteration import chunks

# Largest number of crops per forward pass, however many people are in the images of a batch.
PEOPLE_PER_PASS = 32
_SMALLEST_RADIUS = 1.0  # px


class Crop(NamedTuple):
    """Where a person is cut out of the image."""
    angle: float = 0.0
    box: np.ndarray | None = None  # (4,) x1, y1, x2, y2 px, the person's own box by default

    def moved(self, shift: np.ndarray) -> 'Crop':
        """The crop after a motion of the person by ``shift`` (2,) px."""
        return self if self.box is None else self._replace(box=self.box + np.tile(shift, 2))


# Predicts people, given by their indices, in crops.
Predict = Callable[[Sequence[int], Sequence[Crop]], list[PoseDataSample]]


class Person(NamedTuple):
    """A person to predict."""
    image: np.ndarray  # (h, w, 3) uint8 BGR
    box: np.ndarray  # (5,) x1, y1, x2, y2 px and score
    info: dict[str, Any]  # further entries for the pipeline


def crop_person(pipeline: Callable, dataset_meta: dict[str, Any], person: Person, crop: Crop) -> dict:
    """Cut the crop of a person with a test pipeline."""
    box = person.box[:4] if crop.box is None else crop.box
    return pipeline(dict(dataset_meta, **person.info, img=person.image,
                         bbox=turned_box(box, crop.angle)[None], bbox_score=person.box[4:],
                         bbox_rotation=np.array([crop.angle], np.float32)))


def predict_crops(model: torch.nn.Module, pipeline: Callable, collate: Callable, people: Sequence[Person],
                  crops: Sequence[Crop]) -> list[PoseDataSample]:
    """Predict people in given crops.

    Args:
        model: Pose model.
        pipeline: Test pipeline, which cuts the crop.
        collate: Function that joins results of the pipeline to a batch.
        people: People.
        crops: Crop of each person.

    Returns:
        Predictions in image px, with the given boxes.

    Raises:
        ValueError: If the pipeline does not rotate crops, and an angle is not 0.
    """
    inputs = (crop_person(pipeline, model.dataset_meta, person, crop)
              for person, crop in zip(people, crops, strict=True))
    samples = [sample for chunk in chunks(inputs, PEOPLE_PER_PASS) for sample in model.test_step(collate(chunk))]
    for sample, person, crop in zip(samples, people, crops, strict=True):
        if crop.angle and 'input_rotation' not in sample.metainfo:
            raise ValueError("upright: the config's test pipeline does not rotate crops; TopdownAffine3D and "
                             'PackPose3DInputs expected, or upright=False')
        sample.pred_instances.bboxes = person.box[None, :4]
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
    angle. If the model also predicts the circle around a person (``person_circles``), all people are predicted a second
    time, in a crop around this circle that is turned by the angle of the trunk. Of the two predictions, the one with
    the higher score is kept, or, without ``compare``, the second. The score of a prediction is its ``crop_scores``, or,
    of models without them, the mean of its ``keypoint_scores``.

    Args:
        min_angle: Largest lean of a crop that is left as it is, 0 to 180 degrees.
        rotations: Angles of the first crops, degrees. With (0, 90, 180, 270), people at any angle are found, in four
            times the time; with the default, the model has to recognise the trunk in the unturned crop.
        sure: Score of the first of these crops from which the others are not tried.
        margin: Difference by which the score of another one has to be higher than that of the first.
        compare: Whether the scores of the two predictions are compared.

    Raises:
        ValueError: If an argument is outside its limits.
    """

    def __init__(self, min_angle: float = 15.0, rotations: Sequence[float] = (0, ), sure: float = math.inf,
                 margin: float = 0.0, compare: bool = True) -> None:
        if not 0 <= to_numbers(min_angle, 'upright: min_angle') <= 180:
            raise ValueError(f'upright: min_angle of 0 to 180 degrees expected, got {min_angle}')
        if not len(rotations) or not np.isfinite(to_numbers(rotations, 'upright: rotations')).all():
            raise ValueError(f'upright: rotations, at least one angle in degrees, expected, got {rotations}')
        for name, value in (('sure', sure), ('margin', margin)):
            if np.isnan(to_numbers(value, f'upright: {name}')):
                raise ValueError(f'upright: {name}, a number, expected, got {value}')
        self.min_angle, self.rotations, self.compare = min_angle, list(rotations), compare
        self.sure, self.margin = sure, margin

    def predict(self, predict: Predict, count: int,
                last_crops: Mapping[int, Crop] | None = None) -> tuple[list[PoseDataSample], dict[int, Crop]]:
        """Predict people.

        Args:
            predict: Function that predicts people.
            count: Number of people.
            last_crops: Crops that the last frame of a video gives. These people are predicted once; with several
                rotations and a finite ``sure``, those whose score is below ``sure`` are also predicted as the others.

        Returns:
            Predictions of all people in order, in image px; and the crop for the next frame, without the people whose
            second crop had the lower score.
        """
        last_crops = last_crops or {}
        tracked = dict(zip(last_crops, predict(list(last_crops), list(last_crops.values())), strict=True))
        # Where the score is low, the person may have turned, or the crop may have lost the person.
        lost = {i for i, sample in tracked.items()
                if len(self.rotations) > 1 and _score(sample) < self.sure < math.inf}
        unknown = [i for i in range(count) if i not in tracked or i in lost]
        best = tracked | self._first_crops(predict, unknown)
        # The lean in the first crop decides, so that the second one is turned by any angle.
        second = {i: crop for i in unknown if (crop := _crop_around(best[i])).box is not None or self._leans(best[i])}
        again = dict(zip(second, predict(list(second), list(second.values())), strict=True))
        kept = {i: sample for i, sample in again.items() if not self.compare or _score(sample) > _score(best[i])}
        best |= kept
        still = {i: tracked[i] for i in lost if _score(tracked[i]) >= _score(best[i])}
        best |= still
        next_crops = {i: _crop_around(best[i], self.min_angle) for i in range(count)
                      if i not in second or i in kept or i in still}
        return [best[i] for i in range(count)], next_crops

    def _first_crops(self, predict: Predict, people: Sequence[int]) -> dict[int, PoseDataSample]:
        """Predict people whose angle is unknown in the crop of the best rotation."""
        first, *others = ([Crop(float(angle))] * len(people) for angle in self.rotations)
        best = dict(zip(people, predict(people, first), strict=True))
        asked = {i: _score(sample) + self.margin for i, sample in best.items() if _score(sample) < self.sure}
        for crops in others:
            for i, sample in zip(asked, predict(list(asked), crops[:len(asked)]), strict=True):
                if _score(sample) > asked[i]:
                    best[i], asked[i] = sample, _score(sample)
        return best

    def _leans(self, sample: PoseDataSample) -> bool:
        """Whether the trunk leans too much in the crop of a prediction."""
        lean = trunk_angle(_pose(sample)) - sample.metainfo.get('input_rotation', 0.0)
        return abs((lean + 180) % 360 - 180) > self.min_angle


def _crop_around(sample: PoseDataSample, min_angle: float = 0.0) -> Crop:
    """The crop in which the trunk of a predicted person stands, around the circle if there is one.

    Crops without a circle are not turned by less than ``min_angle``.
    """
    angle, circle = trunk_angle(_pose(sample)), sample.pred_instances.get('person_circles')
    if circle is not None and circle[0, 2] > _SMALLEST_RADIUS:
        (x, y, radius), = circle
        return Crop(angle, np.array([x - radius, y - radius, x + radius, y + radius], np.float32))
    return Crop(angle if abs(angle) > min_angle else 0.0)


def _pose(sample: PoseDataSample) -> np.ndarray:
    return sample.pred_instances.keypoints[0]


def _score(sample: PoseDataSample) -> float:
    pred = sample.pred_instances
    return float(np.mean(pred.crop_scores if 'crop_scores' in pred else pred.keypoint_scores))
