"""Read from a finished training when its learning rate dropped and when it stopped, for the challenge entry.

The entry trains on Train and Val together and has nothing to watch; it copies both epochs. Prints them as options:
``OPTIONS=$(python tools/plateau_epochs.py WORK_DIR) && tools/dist_train.sh ..._trainval.py 4 $OPTIONS``.
"""
import argparse

from mmpose_integral.visualization.curves import read_records


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dir', help='work folder of the train-only run')
    return parser.parse_args()


def read_epochs(work_dir):
    """When the learning rate dropped and when the training stopped.

    A resumed training has several logs; of an epoch that was trained twice the last one counts.

    Args:
        work_dir (str | Path): Work folder of the training.

    Returns:
        tuple[int, int]: finished epochs at the drop, and in all.

    Raises:
        FileNotFoundError: There is no log.
        ValueError: The rate never dropped, or the log is damaged.
    """
    rates = {record['epoch']: record['lr'] for record in read_records(work_dir) if {'lr', 'epoch'} <= set(record)}
    dropped = [epoch for epoch, rate in rates.items() if rate < 0.5 * max(rates.values())]
    if not dropped:
        raise ValueError(f'{work_dir}: the learning rate never dropped in {max(rates, default=0)} epochs; the training '
                         'is not finished')
    return min(dropped) - 1, max(rates)


def main():
    try:
        drop, stop = read_epochs(parse_args().work_dir)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    print(f'--cfg-options param_scheduler.0.milestones=[{drop}] train_cfg.max_epochs={stop}')


if __name__ == '__main__':
    main()
