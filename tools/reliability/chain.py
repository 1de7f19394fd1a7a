"""A chain of commands that takes less than a minute: the quickstart's, in one process per stage, on its tiny data."""
import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs import Command

from mmpose_integral.cli.quickstart.command import INTEGRAL, KEYPOINTS_2D, START, Chain, pretrained

DETECTOR_WEIGHTS = START.with_name('detector_rtmdet_nano_standin.pth')
_EPOCHS = 'train_cfg.max_epochs=3'


class SmallChain(Chain):
    """Lists the commands of each stage of the quickstart, instead of running them.

    The detector is that of the package. The other two models are trained for three epochs, so that a training can be
    killed between two checkpoints. A worker process loads the data of the integral model.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(argparse.Namespace(data_root=folder / 'data', work_dir=folder / 'work', size='tiny',
                                            from_scratch=False, seed=0))
        self.commands: list[Command] = []
        self.methods = {
            'standin': self.make_data, 'index': lambda: self.call('prepare index', self.h80k),
            'boxes': self.boxes, 'train-2d': self.train_2d, 'keypoints-2d': self.keypoints_2d,
            'cameras': self.cameras, 'train': self.train_integral, 'evaluate': self.evaluate, 'submit': self.submit}

    def commands_of(self, stage: str) -> list[Command]:
        """Commands of a stage; its checkpoints must exist."""
        self.commands = []
        self.methods[stage]()
        return self.commands

    @staticmethod
    def arguments(folder: Path) -> list[str]:
        """Arguments with which the command quickstart runs in a folder."""
        return ['--size', 'tiny', '--data-root', str(folder / 'data'), '--work-dir', str(folder / 'work')]

    def call(self, command: str, *args: object) -> None:
        self.commands.append((command, [*map(str, args)]))

    def run(self, command: str, *args: object) -> None:
        self.call(command, *args)

    def run_together(self, commands: dict[str, Sequence[Any]]) -> None:
        for command, *args in commands.values():
            self.call(command, *args)

    def checkpoint(self, work: str) -> Path:
        return DETECTOR_WEIGHTS if work == 'detector' else super().checkpoint(work)

    def train_2d(self) -> None:
        self.call('train', *self.train_arguments(KEYPOINTS_2D, 'keypoints_2d', _EPOCHS, *pretrained('model', START)))

    def train_integral(self) -> None:
        self.call('train', *self.train_arguments(
            INTEGRAL, 'integral', _EPOCHS, 'train_cfg.val_interval=1', 'train_dataloader.num_workers=1',
            *pretrained('model', START)))
