"""Where a training sample's time goes: decoding, warp, colour, packing, and the rest."""
import cv2
import numpy as np
from measure import quartiles
from stages import seconds_by_stage

from mmpose_integral.datasets.transforms import PackPose3DInputs, RandomChannelGain

# Stage to the function that is it; what is in none is the rest: meta data, box, camera, labels.
STAGES = {'decode': [(cv2, 'imdecode')], 'warp': [(cv2, 'warpAffine')], 'colour': [(RandomChannelGain, 'transform')],
          'pack': [(PackPose3DInputs, 'transform')]}


def measure_stages(dataset, passes):
    """Computing time of each stage.

    Args:
        dataset (Dataset): Training samples.
        passes (int): Number of passes over the whole set, each with other augmentation.

    Returns:
        dict[str, list[float]]: Quartiles 25 %, 50 %, 75 % over the passes per stage, ms per sample.
    """
    def draw_all():
        for i in range(len(dataset)):
            dataset[i]

    seconds = []
    for number in range(passes):
        np.random.seed(number)
        seconds.append(seconds_by_stage(draw_all, STAGES, 'the rest'))
    millis = quartiles([list(one.values()) for one in seconds]) / len(dataset) * 1e3
    return dict(zip(seconds[0], millis.T.tolist(), strict=True))
