"""One seed decides initialisation, order of the samples and augmentation."""
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from small_training import REPO, prepare, write_config


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
