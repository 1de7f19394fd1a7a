"""Run MediaPipe's pose model on crops of images; for a Python interpreter that has mediapipe and nothing of ours.

    python mediapipe_worker.py JOB RESULT

JOB is a JSON file: ``complexity``, 0 lite, 1 full or 2 heavy, and ``people``, a list of ``file`` and ``crop``, x1, y1,
x2, y2 px. RESULT becomes a JSON file with ``people``: for each, null if no pose was found, or ``landmarks``, 33 x 2
image px, ``world``, 33 x 3 metres, x right, y down, z away, and ``scores``, 33, visibility from 0 to 1. If the model
cannot be loaded, RESULT has ``error`` instead.
"""
import json
import sys
from typing import Any


def find_pose(pose: Any, image: Any, crop: 'list[float]') -> 'dict[str, list] | None':
    """Predict the person in a crop of a (H, W, 3) BGR image; None if there is none."""
    import cv2
    height, width = image.shape[:2]
    x1, y1 = (max(0, round(value)) for value in crop[:2])
    x2, y2 = min(width, round(crop[2])), min(height, round(crop[3]))
    found = pose.process(cv2.cvtColor(image[y1:y2, x1:x2], cv2.COLOR_BGR2RGB))
    if found.pose_landmarks is None:
        return None
    # shares of the width from the left edge of the first pixel, whose centre is 0
    return dict(landmarks=[[x1 + one.x * (x2 - x1) - 0.5, y1 + one.y * (y2 - y1) - 0.5]
                           for one in found.pose_landmarks.landmark],
                world=[[one.x, one.y, one.z] for one in found.pose_world_landmarks.landmark],
                scores=[one.visibility for one in found.pose_landmarks.landmark])


def run(job: 'dict[str, Any]') -> 'dict[str, Any]':
    """Result of a job; see the module."""
    try:
        import cv2
        import mediapipe
        # The lowest threshold: a person is known to be in each crop.
        pose = mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=job['complexity'],
                                             min_detection_confidence=0.01)
    except Exception as error:  # of many kinds, by version: no module, no download, no such model
        return dict(error=f'{type(error).__name__}: {error}')
    with pose:
        return dict(people=[find_pose(pose, cv2.imread(one['file']), one['crop']) for one in job['people']])


if __name__ == '__main__':
    with open(sys.argv[1], encoding='utf-8') as job_file:
        result = run(json.load(job_file))
    with open(sys.argv[2], 'w', encoding='utf-8') as result_file:
        json.dump(result, result_file)
