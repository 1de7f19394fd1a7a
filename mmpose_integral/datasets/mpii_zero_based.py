from mmpose.datasets.datasets.body import MpiiDataset
from mmpose.registry import DATASETS


@DATASETS.register_module()
class ZeroBasedMpiiDataset(MpiiDataset):
    """mmpose's MPII with joints in 0-based pixels, like its box centres and like every other dataset here.

    MPII's annotation is 1-based. :class:`MpiiDataset` corrects the centre only, while its PCK metric adds 1 to the
    predictions and so expects models trained on 0-based joints.
    """

    def _load_annotations(self):
        instances, images = super()._load_annotations()
        for instance in instances:
            instance['keypoints'] = instance['keypoints'] - 1
        return instances, images
