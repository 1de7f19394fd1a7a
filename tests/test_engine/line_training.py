"""A training of two numbers, for tests of hooks and checkpoints."""
import itertools

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner

import mmpose_integral  # noqa: F401  registers the hooks, and makes checkpoints loadable

numbers = itertools.count()


class Line(BaseModel):
    """y = a x + b, fitted to y = 3 x."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, mode, **sample):
        predicted = self.line(x)
        return dict(loss=(predicted - 3 * x).square().mean()) if mode == 'loss' else list(predicted)


class Points(BaseDataset):
    # The kinds of value that METAINFO of a pose dataset holds.
    METAINFO = dict(dataset_name='points', sigmas=np.linspace(0, 1, 3), colors=np.full((2, 3), 7, np.uint8),
                    names=np.array(['left', 'right']), empty=np.zeros(0),
                    swap={'left': 'right'}, pairs=[(0, 1)], scale=np.float32(0.5))

    def load_data_list(self):
        return [dict(x=torch.tensor([float(i)])) for i in range(4)]


class Scores(BaseMetric):
    """The validation of epoch i, counted from 1, gives ``scores[i - 1]``."""

    def __init__(self, scores):
        super().__init__(prefix='h80k')
        self.scores, self.runner = scores, None

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(MPJPE=np.float64(self.scores[self.runner.epoch - 1]), largest=np.float32(1))


def make_runner(work_dir, scores, epochs, val_interval=1, **options):
    """Runner of epochs of two steps, validated if there are scores."""
    def loader():
        return dict(batch_size=2, dataset=Points(), sampler=dict(type='DefaultSampler', shuffle=False),
                    num_workers=0, collate_fn=dict(type='default_collate'))

    metric = Scores(scores)
    config = dict(
        model=Line(), work_dir=str(work_dir), experiment_name=f'line_{next(numbers)}', train_dataloader=loader(),
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=val_interval), log_level='ERROR',
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), randomness=dict(seed=0))
    if scores:
        config.update(val_dataloader=loader(), val_cfg=dict(), val_evaluator=Evaluator(metric))
    metric.runner = Runner(**(config | options))
    return metric.runner
