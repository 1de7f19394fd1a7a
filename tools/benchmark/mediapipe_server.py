"""Answer requests to MediaPipe's pose model, line by line; for an interpreter that has mediapipe and nothing of ours.

    python mediapipe_server.py COMPLEXITY VIDEO

COMPLEXITY is 0 lite, 1 full or 2 heavy. VIDEO is 1 for a model that follows a person from picture to picture, else 0.
The first line of the output is {}, or has ``error`` if the model cannot be loaded. Then each line of the input is a
JSON object with ``file`` and ``crop``, x1, y1, x2, y2 px, and gets one line: the result of ``find_pose``.
"""
import contextlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'mmpose_integral' / 'cli' / 'photo_report'))


def main(complexity: int, video: bool) -> None:
    """Load the model, and answer requests until the input ends."""
    try:
        import cv2
        import mediapipe
        from mediapipe_worker import find_pose
        cv2.setNumThreads(1)
        with contextlib.redirect_stdout(sys.stderr):  # it prints a line when it downloads a model
            # The lowest threshold: a person is known to be in each crop.
            pose = mediapipe.solutions.pose.Pose(static_image_mode=not video, model_complexity=complexity,
                                                 min_detection_confidence=0.01)
    except Exception as error:  # of many kinds, by version: no module, no download, no such model
        print(json.dumps(dict(error=f'{type(error).__name__}: {error}')), flush=True)
        return
    print('{}', flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(find_pose(pose, cv2.imread(request['file']), request['crop'])), flush=True)


if __name__ == '__main__':
    main(int(sys.argv[1]), sys.argv[2] == '1')
