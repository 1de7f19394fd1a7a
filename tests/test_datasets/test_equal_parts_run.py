"""The samples that two ranks with four workers each draw from a mixed data set are counted and compared."""
import hashlib
import json
import os
from collections import Counter
from types import SimpleNamespace

import cv2
import pytest
from mmengine.config import Config
from mmengine.hooks import DistSamplerSeedHook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import DATASETS
from small_training import prepare, write_config

from mmpose_integral.datasets import MixedPoseDataset
from mmpose_integral.datasets.samplers import equal_parts

EPOCHS = 2


@DATASETS.register_module()
class NotingMixedDataset(MixedPoseDataset):
    """Mixed data set that notes in each sample its own index and the process that prepared it."""

    def prepare_data(self, idx):
        packed = super().prepare_data(idx)
        packed['data_samples'].set_metainfo(dict(index=idx, worker=os.getpid()))
        return packed


def draw(config, rank, world_size, num_workers):
    """Epochs of batches of (index, data set, image, worker process, digest of the augmented input) of one rank."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equal_parts, 'get_dist_info', lambda: (rank, world_size))
        patch.setattr('mmengine.runner.runner.get_rank', lambda: rank)  # mmengine seeds the workers with it
        cfg = Config.fromfile(config).train_dataloader
        cfg.update(batch_size=2, num_workers=num_workers, persistent_workers=num_workers > 0)
        cfg.dataset.type = 'NotingMixedDataset'
        loader = Runner.build_dataloader(cfg, seed=0)
    epochs = []
    for epoch in range(EPOCHS):
        DistSamplerSeedHook().before_train_epoch(
            SimpleNamespace(epoch=epoch, train_loop=SimpleNamespace(dataloader=loader)))
        epochs.append([[(sample.index, sample.dataset_name, os.path.basename(sample.img_path), sample.worker,
                         hashlib.sha1(inputs.numpy().tobytes()).hexdigest())
                        for inputs, sample in zip(batch['inputs'], batch['data_samples'], strict=True)]
                       for batch in loader])
    return epochs


@pytest.fixture(scope='module')
def runs(standin, tmp_path_factory):
    """Epochs by (ranks, workers): a list over ranks of the result of ``draw``. Train has 11 frames with a box."""
    init_default_scope('mmpose')
    folder = tmp_path_factory.mktemp('equal_parts')
    prepare(standin, folder)
    boxes = folder / 'h80k_train_boxes.json'
    *found, last = json.loads(boxes.read_text())
    boxes.write_text(json.dumps(found))
    (folder / 'h80k_train_boxes_missing.json').write_text(json.dumps([last['image_id']]))
    config = write_config(standin, folder, folder / 'small.py')
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)  # as mmengine does, because a fork has no threads of OpenCV
    yield {(ranks, workers): [draw(config, rank, ranks, workers) for rank in range(ranks)]
           for ranks, workers in ((2, 0), (2, 4), (1, 0))}
    cv2.setNumThreads(threads)


def samples(ranks, epoch):
    return [sample for rank in ranks for batch in rank[epoch] for sample in batch]


@pytest.mark.parametrize('setting', [(2, 0), (2, 4), (1, 0)])
def test_every_h80k_frame_is_drawn_once_per_epoch_in_batches_of_equal_parts(runs, setting):
    for epoch in range(EPOCHS):
        frames = Counter(image for _, source, image, *_ in samples(runs[setting], epoch) if source == 'h80k')
        assert frames == Counter(f'{i:05d}.jpg' for i in range(1, 12))
        for rank in runs[setting]:
            assert len(rank[epoch]) == {2: 6, 1: 11}[setting[0]]
            for batch in rank[epoch][:-1]:
                assert Counter(source for _, source, *_ in batch) == dict(h80k=1, mpii=1)


def test_samples_and_augmentation_depend_on_neither_workers_nor_ranks(runs):
    workers = [{sample[3] for epoch in range(EPOCHS) for sample in samples([rank], epoch)} for rank in runs[2, 4]]
    assert [len(pids) for pids in workers] == [4, 4] and not workers[0] & workers[1]
    order = [[[(index, digest) for index, *_, digest in samples([rank], epoch)] for epoch in range(EPOCHS)]
             for workers in (0, 4) for rank in runs[2, workers]]
    assert order[:2] == order[2:]
    inputs = []
    for epoch in range(EPOCHS):
        drawn = [{sample[0]: sample[-1] for sample in samples(ranks, epoch)} for ranks in runs.values()]
        # One rank needs 11 batches for the frames, two ranks need 6 each: they draw 11 and 12 samples of MPII.
        common = set.intersection(*map(set, drawn))
        assert len(common) > 11 and len({tuple(digests[index] for index in sorted(common)) for digests in drawn}) == 1
        inputs.append(set(drawn[0].values()))
    assert not inputs[0] & inputs[1]  # the second epoch is augmented anew, in persistent workers too
