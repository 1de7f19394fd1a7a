import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import Dataset

from mmpose_integral.datasets.mixed_dataset import MixedPoseDataset, seed_augmentation


@HOOKS.register_module()
class SeedEpochsHook(Hook):
    """Make the random draws of a training a function of its seed and the epoch, so that a resumed one draws the same.

    The augmentation of a sample is seeded by seed, epoch and index, also in worker processes; torch, as for dropout, by
    seed, epoch and rank. mmengine seeds all of them once, when the process starts. :class:`MixedPoseDataset` seeds its
    own samples. Trainings by iterations are left as they are.
    """

    def __init__(self) -> None:
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # worker processes read it

    def before_train(self, runner: Runner) -> None:
        dataset = runner.train_dataloader.dataset
        if isinstance(runner.train_loop, EpochBasedTrainLoop) and not isinstance(dataset, MixedPoseDataset):
            # torch's loader calls a method of this name, with the indices of a batch.
            dataset.__getitems__ = functools.partial(_read_samples, dataset, runner.seed, self._epoch)

    def before_train_epoch(self, runner: Runner) -> None:
        self._epoch.fill_(runner.epoch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        # Not before the epoch: the start of worker processes also draws, and happens once in a run.
        if batch_idx == 0 and isinstance(runner.train_loop, EpochBasedTrainLoop):
            entropy = np.random.SeedSequence((runner.seed, runner.epoch, runner.rank))
            torch.manual_seed(int(entropy.generate_state(1)[0]))


def _read_samples(dataset: Dataset, seed: int, epoch: torch.Tensor, indices: Sequence[Any]) -> list[Any]:
    samples = []
    for index in indices:
        seed_augmentation(seed, int(epoch), *np.ravel(index).tolist())
        samples.append(dataset[index])
    return samples
