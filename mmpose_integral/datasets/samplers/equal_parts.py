import math
from collections.abc import Iterator

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmpose.datasets import CombinedDataset
from mmpose.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, Sampler


@DATA_SAMPLERS.register_module()
class EqualPartsSampler(Sampler):
    """Sampler of batches with equal parts of every source; an epoch is one pass over the first source.

    It yields (seed, epoch, index), from which :class:`MixedPoseDataset` seeds the augmentation of each sample. Worker
    processes have neither seed nor epoch, because mmengine seeds them once, by rank and worker number.

    Each source is an endless sequence of its own shuffles. The slots of all batches on all ranks are dealt to the
    sources in turn, so that parts differ by one at most and the remaining slots rotate. An epoch ends when every sample
    of the first source was drawn exactly once. The other sources continue in the next epoch where they stopped. The
    draws are a function of (seed, epoch). They do not depend on workers, and a resumed run draws the same samples as an
    uninterrupted one.

    Use it with ``batch_sampler=dict(type='EqualPartsBatchSampler')``, which passes the loader's batch size to it.

    Args:
        dataset: :class:`MixedPoseDataset`, whose ``lens`` are the sizes of its sources.
        seed: Seed, the same on all ranks. Default: a random one that all ranks share.
        shuffle: Whether to shuffle each source.

    Raises:
        ValueError: If a source is empty.
    """

    def __init__(self, dataset: CombinedDataset, seed: int | None = None, shuffle: bool = True) -> None:
        self.lens = list(dataset.lens)
        if min(self.lens) == 0:
            raise ValueError(f'source {self.lens.index(0)} of the training data is empty: check its ann_file')
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.rank, self.world_size = get_dist_info()
        self._starts = np.concatenate([[0], np.cumsum(self.lens)[:-1]])
        self._layout: np.ndarray | None = None

    def deal(self, batch_size: int) -> None:
        """Deal the slots of an epoch to the sources: slot i of batch g, counted over all ranks, to (i + g) mod S.

        Raises:
            ValueError: If a batch, of one rank, is smaller than the number of sources.
        """
        sources, first = len(self.lens), self.lens[0]
        if batch_size < sources:
            raise ValueError(f'batch_size: at least {sources} expected, one per source, got {batch_size}')
        # S consecutive batches have batch_size slots of the first source, so that these steps are enough.
        steps = math.ceil((first * sources / batch_size + sources) / self.world_size)
        batches = np.arange(steps * self.world_size).reshape(steps, self.world_size, 1)
        layout = (np.arange(batch_size) + batches) % sources
        drawn = np.cumsum((layout == 0).sum(axis=(1, 2)))
        last = int(np.searchsorted(drawn, first))
        # The surplus slots of the last step become empty, each time on the rank that has most of them.
        step = layout[last]
        for _ in range(drawn[last] - first):
            rank = int((step == 0).sum(1).argmax())
            if (step[rank] >= 0).sum() == 1:  # a rank without a sample would block the others, so it gets one again
                break
            step[rank, np.flatnonzero(step[rank] == 0)[-1]] = -1
        self._layout = layout[:last + 1]

    @property
    def layout(self) -> np.ndarray:
        """Source of every slot of an epoch, (steps, ranks, batch); -1 for slots left empty at the end."""
        if self._layout is None:
            raise RuntimeError("EqualPartsSampler has no batch size: add batch_sampler="
                               "dict(type='EqualPartsBatchSampler') to the dataloader")
        return self._layout

    def _draw(self, source: int, start: int, count: int) -> np.ndarray:
        """Draw ``count`` global indices from position ``start`` of a source's endless sequence of shuffles."""
        length, drawn = self.lens[source], []
        while count > 0:
            lap, offset = divmod(start, length)
            order = np.arange(length)
            if self.shuffle:
                np.random.default_rng((self.seed, source, lap)).shuffle(order)
            drawn.append(order[offset:offset + count])
            start, count = start + len(drawn[-1]), count - len(drawn[-1])
        return np.concatenate(drawn) + self._starts[source]

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        indices = np.full_like(self.layout, -1)
        for source in range(len(self.lens)):
            slots = self.layout == source
            count = int(slots.sum())
            indices[slots] = self._draw(source, self.epoch * (count if source else self.lens[0]), count)
        own = indices[:, self.rank]
        return ((self.seed, self.epoch, index) for index in own[own >= 0].tolist())

    def __len__(self) -> int:
        return int((self.layout[:, self.rank] >= 0).sum())

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; mmengine's ``DistSamplerSeedHook`` calls it before each epoch, also after a resume."""
        self.epoch = epoch


@DATA_SAMPLERS.register_module()
class EqualPartsBatchSampler(BatchSampler):
    """Batches of an :class:`EqualPartsSampler`, with the loader's own batch size; only the last may be smaller.

    Raises:
        TypeError: If the sampler is of another kind.
    """

    def __init__(self, sampler: EqualPartsSampler, batch_size: int) -> None:
        if not isinstance(sampler, EqualPartsSampler):
            raise TypeError(f'sampler: an EqualPartsSampler expected, got {type(sampler).__name__}')
        sampler.deal(batch_size)
        super().__init__(sampler, batch_size, drop_last=False)
