from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from torch.utils.data import SequentialSampler

from mmpose_integral.datasets.samplers import EqualPartsBatchSampler, EqualPartsSampler, equal_parts


@pytest.fixture
def draw(monkeypatch):
    def draw_epoch(lens, batch_size, epoch=0, rank=0, world_size=1, seed=3):
        """Batches of plain indices of one rank, as a DataLoader would form them."""
        monkeypatch.setattr(equal_parts, 'get_dist_info', lambda: (rank, world_size))
        sampler = EqualPartsSampler(SimpleNamespace(lens=lens), seed=seed)
        batch_sampler = EqualPartsBatchSampler(sampler, batch_size)
        sampler.set_epoch(epoch)
        batches = list(batch_sampler)
        assert len(batch_sampler) == len(batches) and len(sampler) == sum(map(len, batches))
        assert {sample[:2] for batch in batches for sample in batch} == {(seed, epoch)}
        return [[index for _, _, index in batch] for batch in batches]
    return draw_epoch


@pytest.mark.parametrize(('lens', 'batch_size', 'world_size'), [
    ([23], 4, 1), ([23, 7], 4, 1), ([23, 50], 6, 2), ([31, 10, 17], 8, 3), ([5, 4, 3], 3, 2), ([101, 3], 16, 4)])
def test_an_epoch_is_one_pass_over_the_first_source(draw, lens, batch_size, world_size):
    for epoch in range(3):
        ranks = [draw(lens, batch_size, epoch, rank, world_size) for rank in range(world_size)]
        drawn = [i for batches in ranks for batch in batches for i in batch]
        assert Counter(i for i in drawn if i < lens[0]) == Counter(range(lens[0]))
        assert len({len(batches) for batches in ranks}) == 1
        assert all(0 <= i < sum(lens) for i in drawn)


@pytest.mark.parametrize(('lens', 'batch_size', 'world_size'), [
    ([90, 35], 4, 2), ([90, 35, 20], 8, 2), ([90, 70], 5, 1)])
def test_batches_hold_equal_parts_and_the_remainder_rotates(draw, lens, batch_size, world_size):
    totals = np.zeros(len(lens), int)
    for rank in range(world_size):
        for batch in draw(lens, batch_size, 0, rank, world_size)[:-1]:
            counts = np.bincount(np.searchsorted(np.cumsum(lens), batch, side='right'), minlength=len(lens))
            assert counts.max() - counts.min() <= 1 and counts.sum() == batch_size
            totals += counts
    assert np.ptp(totals) <= len(lens)


def test_other_sources_continue_where_they_stopped(draw):
    drawn = [i - 40 for epoch in range(4) for batch in draw([40, 23], 4, epoch) for i in batch if i >= 40]
    laps = [drawn[i:i + 23] for i in range(0, len(drawn) - 22, 23)]
    assert len(laps) == 6 and all(sorted(lap) == list(range(23)) for lap in laps)
    assert laps[0] != laps[1]


def test_order_is_a_function_of_seed_and_epoch(draw):
    first = draw([40, 23], 4, epoch=5, seed=1)
    assert draw([40, 23], 4, epoch=6, seed=1) != first != draw([40, 23], 4, epoch=5, seed=2)
    unbroken = EqualPartsSampler(SimpleNamespace(lens=[40, 23]), seed=1)
    unbroken.deal(4)
    for epoch in range(6):
        unbroken.set_epoch(epoch)
        last = [index for _, _, index in unbroken]
    assert last == [index for batch in first for index in batch]


def test_more_ranks_than_frames_left_still_gives_each_rank_a_batch(draw):
    for lens in ([9], [2]):
        ranks = [draw(lens, 4, 0, rank, 4) for rank in range(4)]
        assert all(len(batches) == 1 and batches[0] for batches in ranks)
        assert {i for batches in ranks for batch in batches for i in batch} == set(range(lens[0]))
    assert all(len(batches[0]) == 1 for batches in ranks)


def test_bad_input_is_named(draw):
    with pytest.raises(ValueError, match='source 1'):
        draw([5, 0], 2)
    with pytest.raises(ValueError, match='at least 3'):
        draw([5, 4, 3], 2)
    with pytest.raises(RuntimeError, match='EqualPartsBatchSampler'):
        iter(EqualPartsSampler(SimpleNamespace(lens=[5]), seed=0))
    with pytest.raises(TypeError, match='SequentialSampler'):
        EqualPartsBatchSampler(SequentialSampler([1]), 2)
