import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
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
        dataset (MixedPoseDataset): Dataset whose ``lens`` are the sizes of its sources.
        seed: Seed, the same on all ranks. Default: a random one that all ranks share.
        shuffle: Whether to shuffle each source.

    Raises:
        ValueError: If a source is empty.
    """

    def __init__(self, dataset, seed: int | None = None, shuffle: bool = True) -> None:
        self.lens = list(dataset.lens)
        if min(self.lens) == 0:
            raise ValueError(f'source {self.lens.index(0)} of the training data is empty: check its ann_file')
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.rank, self.world_size = get_dist_info()
        self._starts = np.concatenate([[0], np.cumsum(self.lens)[:-1]])
        self._layout = None

    def deal(self, batch_size: int) -> None:
        """Lay out the slots of an epoch.

        Args:
            batch_size: Number of samples per batch and rank.

        Raises:
            ValueError: If a batch is smaller than the number of sources.
        """
        if batch_size < len(self.lens):
            raise ValueError(f'batch_size: at least {len(self.lens)} expected, one a source, got {batch_size}')
        self._layout = self._plan(batch_size)

    @property
    def layout(self):
        """np.ndarray: Source of every slot of an epoch, (steps, ranks, batch); -1 for slots left empty at the end."""
        if self._layout is None:
            raise RuntimeError("EqualPartsSampler does not know the batch size: add batch_sampler="
                               "dict(type='EqualPartsBatchSampler') to the dataloader")
        return self._layout

    def _plan(self, size):
        """Make the :attr:`layout`: slot i of batch g, counted over all ranks, goes to source (i + g) mod S."""
        sources = len(self.lens)
        steps, drawn = 0, 0
        while drawn < self.lens[0]:
            batches = np.arange(steps * self.world_size, (steps + 1) * self.world_size)
            drawn += np.count_nonzero((np.arange(size) + batches[:, None]) % sources == 0)
            steps += 1
        batches = np.arange(steps * self.world_size).reshape(steps, self.world_size, 1)
        layout = (np.arange(size) + batches) % sources
        self._trim(layout, drawn - self.lens[0])
        return layout

    @staticmethod
    def _trim(layout, surplus):
        """Empty the surplus slots of the first source in the last step, each time on the rank that has most of them."""
        last = layout[-1]
        for _ in range(surplus):
            counts = (last == 0).sum(1)
            rank = int(counts.argmax())
            if (last[rank] >= 0).sum() == 1:  # a rank without a sample would block the others, so it gets one again
                break
            last[rank, np.flatnonzero(last[rank] == 0)[-1]] = -1

    def _draw(self, source, start, count):
        """Draw ``count`` global indices from position ``start`` of a source's endless sequence of shuffles."""
        length, drawn = self.lens[source], []
        while count > 0:
            lap, offset = divmod(start, length)
            order = np.arange(length)
            if self.shuffle:
                np.random.default_rng((self.seed, source, lap)).shuffle(order)
            part = order[offset:offset + count]
            drawn.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(drawn) + self._starts[source]

    def epoch_indices(self, epoch: int) -> np.ndarray:
        """Indices of all ranks for an epoch.

        Args:
            epoch: Number of the epoch, 0-based.

        Returns:
            Global indices (steps, ranks, batch), -1 for slots left empty in the last step.
        """
        indices = np.full(self.layout.shape, -1, dtype=np.int64)
        for source in range(len(self.lens)):
            slots = self.layout == source
            count = int(slots.sum())
            start = epoch * (self.lens[0] if source == 0 else count)
            indices[slots] = self._draw(source, start, count)
        return indices

    def __iter__(self):
        own = self.epoch_indices(self.epoch)[:, self.rank].ravel()
        return ((self.seed, self.epoch, index) for index in own[own >= 0].tolist())

    def __len__(self):
        return int((self.layout[:, self.rank] >= 0).sum())

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; mmengine's ``DistSamplerSeedHook`` calls it before each epoch, also after a resume."""
        self.epoch = epoch


@DATA_SAMPLERS.register_module()
class EqualPartsBatchSampler(BatchSampler):
    """Batches of an :class:`EqualPartsSampler`, with the loader's own batch size; only the last may be smaller.

    Args:
        sampler: Sampler of the loader.
        batch_size: Batch size of the loader.

    Raises:
        TypeError: If the sampler is of another kind.
    """

    def __init__(self, sampler: EqualPartsSampler, batch_size: int) -> None:
        if not isinstance(sampler, EqualPartsSampler):
            raise TypeError(f'sampler: an EqualPartsSampler expected, got {type(sampler).__name__}')
        sampler.deal(batch_size)
        super().__init__(sampler, batch_size, drop_last=False)
