"""Read from a finished training when its learning rate dropped and when it stopped, for the challenge entry.

The entry is trained on Train and Val together, so no validation data remain to watch. It copies both epochs instead.
They are printed as options:
``OPTIONS=$(mmpose-integral plateau-epochs WORK_DIR) && tools/dist_train.sh ..._trainval.py 4 $OPTIONS``.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from mmpose_integral.visualization.curves import read_records


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dir', help='work folder of the training on Train only')
    return parser.parse_args(argv)


def read_epochs(work_dir: str | Path) -> tuple[int, int]:
    """Number of finished epochs when the learning rate dropped, and in all; ValueError if it did not drop.

    A resumed training has several logs. If an epoch was trained twice, the later one counts.
    """
    rates = {record['epoch']: record['lr'] for record in read_records(work_dir) if {'lr', 'epoch'} <= set(record)}
    dropped = [epoch for epoch, rate in rates.items() if rate < 0.5 * max(rates.values())]
    if not dropped:
        raise ValueError(f'{work_dir}: the learning rate never dropped in {max(rates, default=0)} epochs, so the '
                         'training is not finished')
    return min(dropped) - 1, max(rates)


def main(argv: Sequence[str] | None = None) -> int:
    drop, stop = read_epochs(parse_args(argv).work_dir)
    print(f'--cfg-options param_scheduler.0.milestones=[{drop}] train_cfg.max_epochs={stop}')
    return 0
