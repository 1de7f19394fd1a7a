from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from torch.utils.data import SequentialSampler

from mmpose_integral.datasets.samplers import EqualPartsBatchSampler, EqualPartsSampler, equal_parts


def make_sampler(monkeypatch, lens, batch_size, rank=0, world_size=1, **kwargs):
    monkeypatch.setattr(equal_parts, 'get_dist_info', lambda: (rank, world_size))
    sampler = EqualPartsSampler(SimpleNamespace(lens=lens), seed=kwargs.pop('seed', 3), **kwargs)
    sampler.deal(batch_size)
    return sampler


def batches_of_epoch(monkeypatch, lens, batch_size, world_size, epoch):
    """List over ranks of lists of batches of plain indices, as a DataLoader would form them."""
    result = []
    for rank in range(world_size):
        monkeypatch.setattr(equal_parts, 'get_dist_info', lambda rank=rank: (rank, world_size))
        sampler = EqualPartsSampler(SimpleNamespace(lens=lens), seed=3)
        batch_sampler = EqualPartsBatchSampler(sampler, batch_size)
        sampler.set_epoch(epoch)
        result.append([[index for _, _, index in batch] for batch in batch_sampler])
        assert len(batch_sampler) == len(result[-1])
        assert len(sampler) == sum(map(len, result[-1]))
    return result


@pytest.mark.parametrize(('lens', 'batch_size', 'world_size'), [
    ([23], 4, 1), ([23, 7], 4, 1), ([23, 50], 6, 2), ([31, 10, 17], 8, 3), ([5, 4, 3], 3, 2), ([101, 3], 16, 4)])
def test_an_epoch_is_one_pass_over_the_first_source(monkeypatch, lens, batch_size, world_size):
    for epoch in range(3):
        ranks = batches_of_epoch(monkeypatch, lens, batch_size, world_size, epoch)
        first = Counter(i for batches in ranks for batch in batches for i in batch if i < lens[0])
        assert first == Counter(range(lens[0]))
        assert len({len(batches) for batches in ranks}) == 1
        assert all(0 <= i < sum(lens) for batches in ranks for batch in batches for i in batch)


@pytest.mark.parametrize(('lens', 'batch_size', 'world_size'), [
    ([90, 35], 4, 2), ([90, 35, 20], 8, 2), ([90, 70], 5, 1)])
def test_batches_hold_equal_parts_and_the_remainder_rotates(monkeypatch, lens, batch_size, world_size):
    edges = np.cumsum(lens)
    ranks = batches_of_epoch(monkeypatch, lens, batch_size, world_size, 0)
    totals = np.zeros(len(lens), int)
    for batches in ranks:
        for batch in batches[:-1]:
            counts = np.bincount(np.searchsorted(edges, batch, side='right'), minlength=len(lens))
            assert counts.max() - counts.min() <= 1 and counts.sum() == batch_size
            totals += counts
    assert np.ptp(totals) <= len(lens)


def test_other_sources_go_on_where_they_stopped(monkeypatch):
    lens = [40, 23]
    drawn = [i - 40 for epoch in range(4) for batch in batches_of_epoch(monkeypatch, lens, 4, 1, epoch)[0]
             for i in batch if i >= 40]
    laps = [drawn[i:i + 23] for i in range(0, len(drawn) - 22, 23)]
    assert len(laps) == 6 and all(sorted(lap) == list(range(23)) for lap in laps)
    assert laps[0] != laps[1]


def test_order_is_a_function_of_seed_and_epoch(monkeypatch):
    lens = [40, 23]

    def draw(seed, epoch):
        sampler = make_sampler(monkeypatch, lens, 4, seed=seed)
        sampler.set_epoch(epoch)
        return [index for _, _, index in sampler]

    assert draw(1, 5) == draw(1, 5)
    assert draw(1, 5) != draw(1, 6) and draw(1, 5) != draw(2, 5)
    unbroken = make_sampler(monkeypatch, lens, 4, seed=1)
    for epoch in range(6):
        unbroken.set_epoch(epoch)
        last = [index for _, _, index in unbroken]
    assert last == draw(1, 5)


def test_more_ranks_than_frames_left_still_gives_each_rank_a_batch(monkeypatch):
    ranks = batches_of_epoch(monkeypatch, [9], 4, 4, 0)
    assert all(len(batches) == 1 and batches[0] for batches in ranks)
    ranks = batches_of_epoch(monkeypatch, [2], 4, 4, 0)
    assert {i for batches in ranks for batch in batches for i in batch} == {0, 1}
    assert all(len(batches[0]) == 1 for batches in ranks)


def test_seed_and_epoch_travel_with_the_index(monkeypatch):
    sampler = make_sampler(monkeypatch, [5], 2)
    sampler.set_epoch(7)
    samples = list(sampler)
    assert {sample[:2] for sample in samples} == {(3, 7)} and sorted(sample[2] for sample in samples) == list(range(5))


def test_bad_input_is_named(monkeypatch):
    with pytest.raises(ValueError, match='source 1'):
        make_sampler(monkeypatch, [5, 0], 2)
    with pytest.raises(ValueError, match='at least 3'):
        make_sampler(monkeypatch, [5, 4, 3], 2)
    with pytest.raises(RuntimeError, match='EqualPartsBatchSampler'):
        iter(EqualPartsSampler(SimpleNamespace(lens=[5]), seed=0))
    with pytest.raises(TypeError, match='SequentialSampler'):
        EqualPartsBatchSampler(SequentialSampler([1]), 2)
