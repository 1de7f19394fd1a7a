from mmpose.datasets.datasets.body import MpiiDataset
from mmpose.registry import DATASETS


@DATASETS.register_module()
class ZeroBasedMpiiDataset(MpiiDataset):
    """mmpose's MPII dataset with joints in 0-based pixels, as its box centres and all other datasets here are.

    MPII's annotation is 1-based. :class:`MpiiDataset` corrects the centre only. mmpose's PCK metric for MPII adds 1 to
    the predictions, so it expects models that were trained on 0-based joints.
    """

    def _load_annotations(self):
        instances, images = super()._load_annotations()
        for instance in instances:
            instance['keypoints'] = instance['keypoints'] - 1
        return instances, images
