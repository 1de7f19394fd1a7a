"""Predictions of the models that are compared: those of this project, and MediaPipe in its own interpreter.

Frames: image px; mm or metres in camera axes, x right, y down, z away.
"""
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmpose_integral.apis import IntegralPose3DInferencer
from mmpose_integral.formats.photo_people import PhotoPerson
from mmpose_integral.structures.landmarks import landmark_weights
from mmpose_integral.utils.progress import progress_bar

MEDIAPIPE_MODELS = ('lite', 'full', 'heavy')
_WORKER = Path(__file__).with_name('mediapipe_worker.py')
# Side of MediaPipe's crop divided by that of the box. Its person detector needs some surroundings.
MEDIAPIPE_PADDING = 1.5


class Prediction(NamedTuple):
    """Pose of one person."""
    keypoints_2d: np.ndarray
    """(18, 2) image px."""
    keypoints: np.ndarray
    """(18, 3), root at the origin, mm of an assumed size."""
    scores: np.ndarray
    """(18,), 0 to 1."""


class ModelMissing(Exception):
    """A model cannot run here; the message says why."""


def predict_ours(name: str, people: Sequence[PhotoPerson], device: str | None = None,
                 upright: bool | None = None) -> list[Prediction | None]:
    """Predict people in their boxes with a model of this project.

    Args:
        name: Name or alias of a model, or CONFIG=CHECKPOINT.
        people: People.
        device, upright: Arguments of :class:`IntegralPose3DInferencer`.
    """
    model, _, weights = name.partition('=')
    inferencer = IntegralPose3DInferencer(model, weights or None, device, det_model='whole_image', upright=upright)
    predictions: list[Prediction | None] = []
    for person in progress_bar(people, Path(model).stem, 'person'):
        result = next(inferencer(str(person.file), bboxes=person.box[None], focal_length=person.focal_length))
        (found, ) = result['predictions'][0]
        predictions.append(Prediction(*(np.array(found[key]) for key in (
            'keypoints_2d', 'keypoints', 'keypoint_scores'))))
    return predictions


def predict_mediapipe(python: str, model: str, people: Sequence[PhotoPerson]) -> list[Prediction | None]:
    """Predict people in their enlarged boxes with MediaPipe; None where it finds no pose.

    Args:
        python: Python interpreter that has the package mediapipe.
        model: One of ``MEDIAPIPE_MODELS``.
        people: People.

    Raises:
        ModelMissing: If the interpreter, the package or the file of the model is missing.
    """
    jobs = []
    for person in people:
        middle, half = (person.box[:2] + person.box[2:]) / 2, MEDIAPIPE_PADDING * (person.box[2:] - person.box[:2]) / 2
        jobs.append(dict(file=str(person.file.absolute()), crop=[*map(float, [*(middle - half), *(middle + half)])]))
    with tempfile.TemporaryDirectory() as folder:
        job, result = Path(folder, 'job.json'), Path(folder, 'result.json')
        job.write_text(json.dumps(dict(complexity=MEDIAPIPE_MODELS.index(model), people=jobs)), encoding='utf-8')
        try:
            # The user names the interpreter; everything else is a file of ours.
            done = subprocess.run([python, str(_WORKER), str(job), str(result)],  # nosec B603
                                  capture_output=True, text=True, errors='replace')
        except OSError as error:
            raise ModelMissing(f'{python} cannot be started ({error.strerror})') from error
        if not result.is_file():
            raise ModelMissing(f'{python} failed: {(done.stderr.strip() or "no message").splitlines()[-1]}')
        answer = json.loads(result.read_text(encoding='utf-8'))
    if 'error' in answer:
        raise ModelMissing(answer['error'])
    return [None if found is None else from_landmarks(**found) for found in answer['people']]


def from_landmarks(landmarks: Sequence, world: Sequence, scores: Sequence) -> Prediction:
    """Convert MediaPipe's landmarks (33, 2) px and (33, 3) m, with scores (33,), to our joints."""
    weights = landmark_weights()
    pose = weights @ np.array(world) * 1000
    # The worst landmark of a joint decides; head and torso combine several.
    worst = np.where(weights != 0, np.array(scores)[None], 1).min(axis=1)
    return Prediction(weights @ np.array(landmarks), pose - pose[:1], worst)
