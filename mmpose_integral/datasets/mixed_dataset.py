import random
from collections.abc import Sequence

import numpy as np
from mmpose.datasets import CombinedDataset
from mmpose.registry import DATASETS

from mmpose_integral.structures.skeleton import build_metainfo


@DATASETS.register_module()
class MixedPoseDataset(CombinedDataset):
    """Several sources with our 18 joints as one dataset, H80K first, for :class:`EqualPartsSampler`.

    Every source has its own pipeline for the steps that differ between sources (joints, camera, box). ``pipeline`` then
    holds the steps that they share, up to ``PackPose3DInputs``. The index may be a number, or the sampler's (seed,
    epoch, index). These three then seed the augmentation, so that it is new in each epoch and the same for any number
    of workers.

    Args:
        datasets: Configs of the sources.
        pipeline: Steps that follow those of a sample's source.
        metainfo: Dataset info. Default: our 18 joints.
        **kwargs: Further arguments of mmpose's :class:`CombinedDataset`.
    """

    def __init__(self, datasets: list[dict], pipeline: Sequence[dict] = (), metainfo: dict | None = None,
                 **kwargs: object) -> None:
        super().__init__(metainfo or build_metainfo(), datasets, list(pipeline), **kwargs)
        camera = self.datasets[0].metainfo.get('camera')
        if camera is not None:  # of the labels, for the checkpoint
            self._metainfo['camera'] = camera

    def __getitem__(self, idx: int | tuple[int, int, int]) -> dict:
        if isinstance(idx, tuple):
            seed_augmentation(*idx)
            idx = idx[-1]
        return super().__getitem__(idx)

    def prepare_data(self, idx: int) -> dict:
        """Sample ``idx`` after the pipeline of its source and the shared one."""
        source, index = self._get_subset_index(idx)
        return self.pipeline(self.datasets[source][index])


def seed_augmentation(*numbers: int) -> None:
    """Seed the generators of numpy and Python, from which transforms draw, by whole numbers such as an index."""
    entropy = np.random.SeedSequence(numbers).generate_state(2)
    np.random.seed(entropy[0])
    random.seed(int(entropy[1]))
