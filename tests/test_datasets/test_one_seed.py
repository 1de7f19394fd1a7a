"""One seed decides initialisation, order of the samples and augmentation."""
import random
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import EpochBasedTrainLoop, Runner
from small_training import REPO, prepare, write_config
from torch.utils.data import DataLoader, Dataset

from mmpose_integral.engine import SeedEpochsHook


@pytest.fixture(scope='module')
def start(standin, tmp_path_factory):
    """``start(seed)``: initial head weights, (seed, epoch, index) of all samples, and the crops of the first batch."""
    folder = tmp_path_factory.mktemp('seeds')
    prepare(standin, folder)
    cfg = Config.fromfile(write_config(standin, folder, folder / 'small.py'))
    count = 0

    def run(seed):
        nonlocal count
        count += 1
        cfg.merge_from_dict({'randomness.seed': seed})
        cfg.work_dir, cfg.experiment_name = str(folder / f'work{count}'), f'one_seed_{count}'
        runner = Runner.from_cfg(cfg)
        weights = {name: value.clone() for name, value in runner.model.state_dict().items()}
        loader = runner.build_train_loop(runner._train_loop).dataloader
        return weights, list(loader.batch_sampler.sampler), torch.stack(next(iter(loader))['inputs'])
    return run


def test_the_same_seed_gives_the_same_start(start):
    (weights, indices, crops), (other_weights, other_indices, other_crops) = start(3), start(3)
    assert indices == other_indices and all(seed == 3 for seed, _, _ in indices)
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert torch.equal(crops, other_crops)


def test_two_seeds_differ_in_weights_indices_and_crops(start):
    (weights, indices, crops), (other_weights, other_indices, other_crops) = start(3), start(4)
    assert [index for _, _, index in indices] != [index for _, _, index in other_indices]
    assert not torch.equal(weights['head.final_layer.weight'], other_weights['head.final_layer.weight'])
    # The same sample is also cropped in another way.
    order, other_order = ([index for _, _, index in draws][:len(crops)] for draws in (indices, other_indices))
    assert crops.shape == other_crops.shape and not torch.equal(crops, other_crops)
    common = set(order) & set(other_order)
    for index in common:
        assert not torch.equal(crops[order.index(index)], other_crops[other_order.index(index)])


def test_the_configs_name_one_seed_only():
    headline = Config.fromfile(REPO / 'configs' / 'integral_r152_h80k.py')
    assert headline.randomness.seed == 0
    paths = [path for path in (REPO / 'configs').rglob('*.py') if 'EqualPartsSampler' in path.read_text()]
    assert paths and all('seed' not in Config.fromfile(path).train_dataloader.sampler for path in paths)


class Draws(Dataset):
    """Random numbers of the two generators from which transforms draw."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return index, np.random.rand(), random.random()


@pytest.mark.parametrize('workers', [0, 2])
def test_draws_of_other_datasets_depend_on_seed_epoch_and_index_alone(workers):
    def draw(seed, *epochs):
        """Draws by epoch in a training that begins, or is resumed, at the first of the epochs."""
        runner = mock.Mock(train_loop=mock.Mock(spec=EpochBasedTrainLoop), seed=seed, rank=0)
        runner.train_dataloader = DataLoader(Draws(), 4, num_workers=workers, persistent_workers=workers > 0)
        hook, found = SeedEpochsHook(), {}
        hook.before_train(runner)
        for runner.epoch in epochs:
            hook.before_train_epoch(runner)
            batches = []
            for number, batch in enumerate(runner.train_dataloader):
                hook.before_train_iter(runner, number)
                batches.append(torch.stack(batch))
            found[runner.epoch] = torch.cat(batches, 1).tolist()
            found[runner.epoch].append(torch.rand(2).tolist())  # as dropout draws in the main process
        return found

    unbroken = draw(3, 0, 1, 2)
    assert draw(3, 1, 2) == {epoch: unbroken[epoch] for epoch in (1, 2)}
    assert unbroken[0][0] == [0, 1, 2, 3, 4, 5] and len({*unbroken[0][1], *unbroken[1][1]}) == 12
    assert unbroken[0][3] != unbroken[1][3] and draw(4, 0)[0][1:] != unbroken[0][1:]
