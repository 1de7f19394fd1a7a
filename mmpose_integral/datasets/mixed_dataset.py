import random

import numpy as np
from mmpose.datasets import CombinedDataset
from mmpose.registry import DATASETS

from mmpose_integral.structures.skeleton import build_metainfo


@DATASETS.register_module()
class MixedPoseDataset(CombinedDataset):
    """Several sources with our 18 joints behind one index, H80K first; for :class:`EqualPartsSampler`.

    Every source has its own pipeline, for what differs between them (joints, camera, box); ``pipeline`` goes on with
    what they share, up to ``PackPose3DInputs``. The index may be a number, or the sampler's (seed, epoch, index): then
    the augmentation is drawn from these three, so that it is new in each epoch and the same for any number of workers.

    Args:
        datasets (list[dict]): configs of the sources.
        pipeline (list[dict], optional): steps that follow those of a sample's source.
        metainfo (dict, optional): defaults to our 18 joints.
        **kwargs: of mmpose's :class:`CombinedDataset`.
    """

    def __init__(self, datasets, pipeline=(), metainfo=None, **kwargs):
        super().__init__(metainfo or build_metainfo(), datasets, list(pipeline), **kwargs)

    def __getitem__(self, idx):
        if isinstance(idx, tuple):
            entropy = np.random.SeedSequence(idx).generate_state(2)
            np.random.seed(entropy[0])
            random.seed(int(entropy[1]))
            idx = idx[-1]
        return super().__getitem__(idx)

    def get_data_info(self, idx):
        """Sample of the source that ``idx`` falls into, after that source's pipeline."""
        source, index = self._get_subset_index(idx)
        return self.datasets[source][index]

    def prepare_data(self, idx):
        """Sample after both pipelines."""
        return self.pipeline(self.get_data_info(idx))
