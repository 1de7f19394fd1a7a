"""Where a training sample's time goes: decoding, warp, colour, packing, and the rest."""
import contextlib
import time
from unittest import mock

import cv2
import numpy as np
from stages import StageClock

from mmpose_integral.datasets.transforms import PackPose3DInputs, RandomChannelGain

# Stage to the function that is it; what is in none is the rest: meta data, box, camera, labels.
STAGES = {'decode': (cv2, 'imdecode'), 'warp': (cv2, 'warpAffine'), 'colour': (RandomChannelGain, 'transform'),
          'pack': (PackPose3DInputs, 'transform')}
REST = 'the rest'


def measure_stages(dataset, passes):
    """Computing time of each stage.

    Args:
        dataset (Dataset): of training samples.
        passes (int): over the whole set, each with other augmentation.

    Returns:
        dict[str, list[float]]: stage to quartiles 25 %, 50 %, 75 % over the passes, ms a sample.
    """
    seconds = []
    for number in range(passes):
        np.random.seed(number)
        clock = StageClock(time.process_time, lambda: None, REST)
        with contextlib.ExitStack() as stack:
            for stage, (owner, name) in STAGES.items():
                stack.enter_context(mock.patch.object(owner, name, clock.wrap(stage, getattr(owner, name))))
            for i in range(len(dataset)):
                dataset[i]
            clock.switch()
        seconds.append([clock.seconds[stage] for stage in (*STAGES, REST)])
    quartiles = np.percentile(np.array(seconds) / len(dataset) * 1e3, (25, 50, 75), axis=0).T.tolist()
    return dict(zip((*STAGES, REST), quartiles, strict=True))
