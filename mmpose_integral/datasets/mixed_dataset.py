import random

import numpy as np
from mmpose.datasets import CombinedDataset
from mmpose.registry import DATASETS

from mmpose_integral.structures.skeleton import build_metainfo


class SharedList(list):
    """A list that all samples of a data set share.

    mmpose copies the joint set's lists, entry by entry, for each sample. Nobody changes them in place.
    """

    def __deepcopy__(self, memo):
        return self


@DATASETS.register_module()
class MixedPoseDataset(CombinedDataset):
    """Several sources with our 18 joints behind one index, H80K first; for :class:`EqualPartsSampler`.

    Every source has its own pipeline, for what differs between them (joints, camera, box); ``pipeline`` goes on with
    what they share, up to ``PackPose3DInputs``. Augmentation is drawn from (seed, epoch, index) as the sampler hands
    them over, so that it is new in each epoch and the same for any number of workers.

    Args:
        datasets (list[dict]): configs of the sources.
        pipeline (list[dict], optional): steps that follow those of a sample's source.
        metainfo (dict, optional): defaults to our 18 joints.
        **kwargs: of mmpose's :class:`CombinedDataset`.
    """

    def __init__(self, datasets, pipeline=(), metainfo=None, **kwargs):
        super().__init__(metainfo or build_metainfo(), datasets, list(pipeline), **kwargs)
        for dataset in self.datasets:
            for key, value in dataset._metainfo.items():
                if isinstance(value, list):
                    dataset._metainfo[key] = SharedList(value)

    def __getitem__(self, idx):
        if hasattr(idx, 'epoch'):
            entropy = np.random.SeedSequence((idx.seed, idx.epoch, int(idx))).generate_state(2)
            np.random.seed(entropy[0])
            random.seed(int(entropy[1]))
        return super().__getitem__(int(idx))

    def get_data_info(self, idx):
        """Sample of the source that ``idx`` falls into, after that source's pipeline."""
        source, index = self._get_subset_index(idx)
        return self.datasets[source][index]

    def prepare_data(self, idx):
        """Sample after both pipelines."""
        return self.pipeline(self.get_data_info(idx))
