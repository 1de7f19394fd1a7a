"""Check a CHALL_H80K tree and write its index, one ``.npz`` a split.

Every file is read once. All faults are reported together, and then nothing is written for that split, unless
``--skip-faulty`` asks to go on without the frames concerned; the index keeps the list of them.
"""
import argparse
import os
import sys
from pathlib import Path

from mmpose_integral.formats.h80k_index import (
    PUBLISHED_COUNTS,
    SPLITS,
    index_path,
    load_index,
    save_index,
    scan_split,
)
from mmpose_integral.structures.bone_length import PUBLISHED_SKELETON_LENGTHS, skeleton_length
from mmpose_integral.utils.progress import progress_bar


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', type=Path, help='folder that holds Train, Val and Test')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, help='default: those that the root holds')
    parser.add_argument('--skip-faulty', action='store_true', help='leave faulty frames out instead of giving up')
    parser.add_argument('--fresh', action='store_true', help='scan again also what has an index already')
    parser.add_argument('--num-workers', type=int, default=min(os.cpu_count() or 1, 16), help='reading threads')
    parser.add_argument('--out-dir', type=Path, help='default: ROOT/annotations')
    return parser.parse_args(args)


def is_up_to_date(path, root, split):
    """Whether there is an index without faults that lists what the folders hold. Edits inside files go unseen."""
    try:
        index = load_index(path)
    except (FileNotFoundError, ValueError):
        return False
    folders = [root / split / kind for kind in ('IMG', 'POSE') if (root / split / kind).is_dir()]
    return not len(index.faulty) and all(
        folder.stat().st_mtime <= path.stat().st_mtime and len(os.listdir(folder)) == len(index.frame_ids)
        for folder in folders)


def describe(index):
    """One line: frames, and the mean skeleton length beside the published figure of the real set."""
    line = f'{index.split}: {len(index.frame_ids)} frames (the real set has {PUBLISHED_COUNTS[index.split]})'
    if index.keypoints_mm is not None and len(index.frame_ids):
        length = float(skeleton_length(index.keypoints_mm).mean())
        published = PUBLISHED_SKELETON_LENGTHS[index.split.lower()]
        line += f', mean skeleton length {length:.3f} mm (the real set has {published})'
    return line


def index_split(root, split, path, args):
    """Scan one split and write its index.

    Returns:
        bool: whether the index is there now.
    """
    if not args.fresh and is_up_to_date(path, root, split):
        print(f'{describe(load_index(path))}\n  {path} is up to date; --fresh scans again')
        return True
    total = sum(entry.name.endswith('.jpg') for entry in os.scandir(root / split / 'IMG'))
    with progress_bar(title=split, total=total) as bar:
        index, faults = scan_split(root, split, args.num_workers, bar.update)
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults and not args.skip_faulty:
        print(f'{split}: {len(faults)} faults, no index written. Mend them, or leave the frames out with '
              '--skip-faulty.', file=sys.stderr)
        return False
    save_index(index, path)
    print(describe(index) + (f', {len(faults)} faults skipped' if faults else '') + f'\n  wrote {path}')
    return True


def main(args=None):
    """Run the tool.

    Returns:
        int: exit status, 1 if a split has faults and they were not to be skipped.
    """
    args = parse_args(args)
    splits = args.splits or [split for split in SPLITS if (args.root / split).is_dir()]
    if not splits:
        print(f'{args.root} holds none of {", ".join(SPLITS)}; give the folder that holds them', file=sys.stderr)
        return 1
    sound = True
    for split in splits:
        path = index_path(args.root, split)
        path = args.out_dir / path.name if args.out_dir else path
        try:
            sound = index_split(args.root, split, path, args) and sound
        except FileNotFoundError as error:
            print(error, file=sys.stderr)
            sound = False
        except KeyboardInterrupt:
            print(f'\nStopped while scanning {split}; run again to go on with it.', file=sys.stderr)
            return 130
    return 0 if sound else 1


if __name__ == '__main__':
    sys.exit(main())
