"""Check a CHALL_H80K tree and write its index, one ``.npz`` per split.

Every file is read once. All faults of a split are reported together, and no index is written for it. With
``--skip-faulty``, the index is written without the faulty frames and keeps a list of them.
"""
import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mmpose_integral.cli.argument_types import at_least_one
from mmpose_integral.formats.h80k_index import (
    PUBLISHED_COUNTS,
    SPLITS,
    H80KIndex,
    index_path,
    load_index,
    save_index,
    scan_split,
)
from mmpose_integral.formats.origin import find_changes
from mmpose_integral.structures.bone_length import PUBLISHED_SKELETON_LENGTHS, skeleton_length
from mmpose_integral.utils.errors import printable
from mmpose_integral.utils.outputs import check_writable, output_folder


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', type=Path, help='folder that holds Train, Val and Test')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, help='splits to index (default: those that ROOT holds)')
    parser.add_argument('--skip-faulty', action='store_true', help='write the index without faulty frames')
    parser.add_argument('--fresh', action='store_true', help='also scan splits that have an index')
    parser.add_argument('--num-workers', type=at_least_one, default=min(os.cpu_count() or 1, 16), metavar='N',
                        help='number of reading threads (default: number of cores, at most 16)')
    parser.add_argument('--out-dir', type=output_folder, help='folder of the indexes (default: ROOT/annotations)')
    return parser.parse_args(argv)


def current_index(path: Path, root: Path, split: str) -> H80KIndex | None:
    """The index in a file, if it has no faults and the files of the split are still those that were indexed.

    Otherwise, None is returned, and the reason is printed if there was an index.
    """
    try:
        index = load_index(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        print(printable(error))
        return None
    if index.split != split:
        reason = f'it is of {index.split}'
    elif index.img_states is None:
        reason = 'it was made by an earlier version, which did not store the sizes and times of the files'
    elif len(index.faulty):
        reason = 'frames with faults were left out of it'
    elif changes := find_changes(index, root):
        name, change = next(iter(changes.items()))
        reason = f'{len(changes)} files differ from those of {index.root} that were indexed (first: {name} {change})'
    else:
        return index
    print(printable(f'{path} is scanned again: {reason}'))
    return None


def describe(index: H80KIndex) -> str:
    """One line: frames, and the mean skeleton length beside the published figure of the real set."""
    line = f'{index.split}: {len(index.frame_ids)} frames (the real set has {PUBLISHED_COUNTS[index.split]})'
    if index.keypoints_mm is not None and len(index.frame_ids):
        length = float(skeleton_length(index.keypoints_mm).mean())
        published = PUBLISHED_SKELETON_LENGTHS[index.split.lower()]
        line += f', mean skeleton length {length:.3f} mm (the real set has {published})'
    return line


def index_split(root: Path, split: str, path: Path, args: argparse.Namespace) -> bool:
    """Scan one split and write its index, unless it has faults; return whether there is an index now."""
    current = None if args.fresh else current_index(path, root, split)
    if current is not None:
        print(f'{describe(current)}\n  {path} is up to date; --fresh scans again')
        return True
    index = scan_split(root, split, args.num_workers, progress=True)
    faults = len(index.faulty)
    for fault in index.faulty:
        print(printable(fault), file=sys.stderr)
    if faults and not args.skip_faulty:
        print(f'{split}: {faults} faults, so no index is written. Correct them, or leave the frames out with '
              '--skip-faulty.', file=sys.stderr)
        return False
    save_index(index, path)
    print(describe(index) + (f', {faults} faults skipped' if faults else '') + f'\n  wrote {path}')
    return True


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    splits = args.splits or [split for split in SPLITS if (args.root / split).is_dir()]
    if not splits:
        raise FileNotFoundError(f'{args.root} has none of the folders {", ".join(SPLITS)}; give their parent folder')
    out_dir, sound = args.out_dir or args.root / 'annotations', True
    check_writable(out_dir, folder=True)
    for split in splits:
        path = out_dir / index_path(args.root, split).name
        try:
            sound = index_split(args.root, split, path, args) and sound
        except FileNotFoundError as error:
            print(printable(error), file=sys.stderr)
            sound = False
    return 0 if sound else 1
