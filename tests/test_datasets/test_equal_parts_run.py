"""What two ranks with four workers each really draw from a mixed data set, counted."""
import importlib.util
import json
from collections import Counter

import pytest
from small_training import prepare, write_config

EPOCHS, BATCH = 2, 2

DRAW = '''
import hashlib
import json
import os
import sys
from types import SimpleNamespace

import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.hooks import DistSamplerSeedHook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

import mmpose_integral


def draw(config, num_workers, epochs):
    """Epochs of batches of [image:row, worker process, digest of the augmented input], as a training sees them."""
    init_default_scope('mmpose')
    cfg = Config.fromfile(config).train_dataloader
    cfg.update(num_workers=num_workers, persistent_workers=num_workers > 0)
    loader = Runner.build_dataloader(cfg, seed=0)
    seen = []
    for epoch in range(epochs):
        DistSamplerSeedHook().before_train_epoch(
            SimpleNamespace(epoch=epoch, train_loop=SimpleNamespace(dataloader=loader)))
        seen.append([[
            [f'{os.path.relpath(sample.img_path, os.path.dirname(config))}:{sample.row}', sample.worker,
             hashlib.sha1(inputs.numpy().tobytes()).hexdigest()]
            for inputs, sample in zip(batch['inputs'], batch['data_samples'])] for batch in loader])
    return seen


if __name__ == '__main__':
    torch.distributed.init_process_group('gloo')
    config, out, epochs = sys.argv[1:]
    seen = {workers: draw(config, workers, int(epochs)) for workers in (0, 4)}
    with open(f'{out}.{get_rank()}', 'w') as file:
        json.dump(seen, file)
    torch.distributed.destroy_process_group()
'''

# The datasets themselves write down who read what.
LOGGING = '''
from mmpose.registry import DATASETS
import os
from mmpose_integral.datasets.h80k_dataset import H80KDataset


class Noting:
    def prepare_data(self, idx):
        packed = super().prepare_data(idx)
        packed['data_samples'].set_metainfo(dict(worker=os.getpid(), row=idx))
        return packed


@DATASETS.register_module()
class NotingH80KDataset(Noting, H80KDataset):
    pass


@DATASETS.register_module()
class NotingMpiiDataset(Noting, DATASETS.get('ZeroBasedMpiiDataset')):
    pass
'''


@pytest.fixture(scope='module')
def runs(standin, forks, tmp_path_factory):
    """Seen epochs by (ranks, workers): a list over ranks of what ``draw`` returns. Train has 11 usable frames."""
    folder = tmp_path_factory.mktemp('equal_parts')
    prepare(standin, folder)
    boxes = json.loads((folder / 'h80k_train_boxes.json').read_text())
    (folder / 'h80k_train_boxes.json').write_text(json.dumps(boxes[:-1]))
    (folder / 'noting_datasets.py').write_text(LOGGING)
    config = write_config(standin, folder, folder / 'small.py', f'''
custom_imports = dict(imports=['mmpose_integral', 'noting_datasets'])
sources = train_dataloader['dataset']['datasets']
sources[0]['type'] = 'NotingH80KDataset'
sources[1]['type'] = 'NotingMpiiDataset'
train_dataloader['batch_size'] = {BATCH}
''')
    script = folder / 'draw.py'
    script.write_text(DRAW)
    run = forks.run(script, config, folder / 'seen', EPOCHS, ranks=2, path=[folder])
    assert run.code == 0, run.output[-3000:]
    ranks = [json.loads((folder / f'seen.{rank}').read_text()) for rank in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        spec = importlib.util.spec_from_file_location('draw', script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        alone = module.draw(str(config), 0, EPOCHS)
    return {(2, 0): [rank['0'] for rank in ranks], (2, 4): [rank['4'] for rank in ranks], (1, 0): [alone]}


def samples(ranks, epoch):
    return [sample for rank in ranks for batch in rank[epoch] for sample in batch]


def source(name):
    return 'h80k' if '/h80k/' in name else 'mpii'


@pytest.mark.parametrize('setting', [(2, 0), (2, 4), (1, 0)])
def test_every_h80k_frame_is_seen_once_an_epoch(runs, setting):
    for epoch in range(EPOCHS):
        frames = Counter(name for name, *_ in samples(runs[setting], epoch) if source(name) == 'h80k')
        assert len(frames) == 11 and set(frames.values()) == {1}
        assert {name.split('/')[-1] for name in frames} == {f'{i:05d}.jpg:{i - 1}' for i in range(1, 12)}


def test_batches_are_of_equal_parts_on_every_rank(runs):
    for ranks in runs.values():
        for rank in ranks:
            assert {len(epoch) for epoch in rank} == {6 if len(ranks) == 2 else 11}
            for batch in (batch for epoch in rank for batch in epoch[:-1]):
                assert Counter(source(name) for name, *_ in batch) == dict(h80k=1, mpii=1)


def test_four_workers_on_each_rank_did_the_work(runs):
    readers = [{worker for epoch in rank for batch in epoch for _, worker, _ in batch} for rank in runs[2, 4]]
    assert [len(pids) for pids in readers] == [4, 4]
    assert not readers[0] & readers[1]


def test_samples_and_augmentation_depend_on_neither_workers_nor_ranks(runs):
    order = {setting: [[[(name, digest) for name, _, digest in batch] for batch in epoch] for rank in ranks
                       for epoch in rank] for setting, ranks in runs.items()}
    assert order[2, 0] == order[2, 4]
    inputs = []
    for epoch in range(EPOCHS):
        drawn = [{name: digest for name, _, digest in samples(ranks, epoch)} for ranks in runs.values()]
        h80k = [{name: digest for name, digest in images.items() if source(name) == 'h80k'} for images in drawn]
        assert h80k[0] == h80k[1] == h80k[2]
        # One rank needs 11 batches for the frames, two ranks need 6 each: they draw 11 and 12 of MPII's.
        common = set.intersection(*map(set, drawn))
        assert len(common) > 11 and len({tuple(images[name] for name in sorted(common)) for images in drawn}) == 1
        inputs.append(set(drawn[0].values()))
    assert not inputs[0] & inputs[1]  # the second epoch is augmented anew, in persistent workers too
