"""Check a challenge submission: every missing, extra, misshapen, non-finite or non-root-relative file, and the JSON.

Prints all faults and exits with 1 if there is one.
"""
import argparse

from mmpose_integral.datasets.h80k_index import load_index
from mmpose_integral.evaluation.submission import find_faults


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('submission', help='ZIP archive, or folder with Test_PRED and Test_Prediction.JSON')
    parser.add_argument('--index', required=True, metavar='NPZ',
                        help="Test's index, for instance data/h80k/annotations/h80k_test.npz")
    return parser.parse_args()


def main():
    """Returns the exit code: 0 for a sound submission, 1 for a faulty one."""
    args = parse_args()
    try:
        index = load_index(args.index)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    faults = find_faults(args.submission, index)
    for fault in faults:
        print(fault)
    print(f'{args.submission}: ' + (f'{len(faults)} fault(s)' if faults else f'valid, {len(index.frame_ids)} frames'))
    return 1 if faults else 0


if __name__ == '__main__':
    raise SystemExit(main())
