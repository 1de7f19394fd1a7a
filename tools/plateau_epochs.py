"""Read from a finished training when its learning rate dropped and when it stopped, for the challenge entry.

The entry trains on Train and Val together and has nothing to watch; it copies both epochs. Prints them as options:
``OPTIONS=$(python tools/plateau_epochs.py WORK_DIR) && tools/dist_train.sh ..._trainval.py 4 $OPTIONS``.
"""
import argparse
import json
from pathlib import Path


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dir', type=Path, help='of the train-only run')
    return parser.parse_args()


def read_epochs(work_dir):
    """When the learning rate dropped and when the training stopped.

    A resumed training has several logs; of an epoch that was trained twice the last one counts.

    Args:
        work_dir (Path): with ``<time>/vis_data/scalars.json``, as mmengine writes it.

    Returns:
        tuple[int, int]: finished epochs at the drop, and in all.

    Raises:
        ValueError: no log, or the rate never dropped.
    """
    rates = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if 'lr' in record and 'epoch' in record:
                rates[record['epoch']] = record['lr']
    if not rates:
        raise ValueError(f'{work_dir}: no */vis_data/scalars.json with learning rates in it; is it the work folder of '
                         'a training?')
    dropped = [epoch for epoch, rate in rates.items() if rate < 0.5 * max(rates.values())]
    if not dropped:
        raise ValueError(f'{work_dir}: the learning rate never dropped in {max(rates)} epochs; the training is not '
                         'finished')
    return min(dropped) - 1, max(rates)


def main():
    try:
        drop, stop = read_epochs(parse_args().work_dir)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    print(f'--cfg-options param_scheduler.0.milestones=[{drop}] train_cfg.max_epochs={stop}')


if __name__ == '__main__':
    main()
