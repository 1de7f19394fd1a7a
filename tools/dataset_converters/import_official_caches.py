"""Import the cache files of the paper's authors: coarse 2D joints and person boxes of one split.

They take the place of what ``predict_keypoints_2d.py`` and ``detect_boxes.py`` make, under the same names. A pickle
that holds more than numbers, text, containers and numpy arrays is refused before anything in it runs.
"""
import argparse
import sys
from pathlib import Path

import numpy as np

from mmpose_integral.formats.boxes import missing_path, save_boxes
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.keypoints_2d import save_keypoints_2d
from mmpose_integral.formats.official_caches import import_boxes, import_keypoints_2d
from mmpose_integral.utils.progress import progress_bar


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--index', type=Path, required=True, help='product of index_h80k.py, of the same split')
    parser.add_argument('--keypoints-2d', type=Path, metavar='PKL',
                        help='HM36_eccv_challenge_<Set>_<N>samples_img_res.pkl')
    parser.add_argument('--boxes', type=Path, metavar='FOLDER', help='<Set>/detection/<detector>, with 00001.pkl')
    parser.add_argument('--out-dir', type=Path, help='default: the folder of the index')
    parser.add_argument('--overwrite', action='store_true', help='replace products that are there already')
    args = parser.parse_args(args)
    if not args.keypoints_2d and not args.boxes:
        parser.error('nothing to import: give --keypoints-2d, --boxes or both')
    return args


def run_import(args):
    """Import what the arguments name, and print a line about each product."""
    index = load_index(args.index)
    stem = (args.out_dir or args.index.parent) / f'h80k_{index.split.lower()}'
    keypoints_path, boxes_path = Path(f'{stem}_keypoints_2d.npz'), Path(f'{stem}_boxes.json')
    for path, wanted in ((keypoints_path, args.keypoints_2d), (boxes_path, args.boxes)):
        if wanted and path.exists() and not args.overwrite:
            raise ValueError(f'{path} is there already; --overwrite replaces it, --out-dir writes elsewhere')
    if args.keypoints_2d:
        keypoints, scores = import_keypoints_2d(args.keypoints_2d, index)
        save_keypoints_2d(keypoints_path, index.frame_ids, keypoints, scores)
        empty = int(np.count_nonzero(~(scores > 0).any(axis=1)))
        print(f'{keypoints_path}: {len(scores)} frames, {empty} of them without any joint')
    if args.boxes:
        with progress_bar(title=f'Boxes {index.split}', total=len(index.frame_ids)) as bar:
            records = import_boxes(args.boxes, index, bar.update)
        missing = save_boxes(boxes_path, records)
        print(f'{boxes_path}: {len(records) - len(missing)} boxes; {len(missing)} frames without one, '
              f'listed in {missing_path(boxes_path)}')


def main(args=None):
    """Run the tool.

    Returns:
        int: exit status.
    """
    try:
        run_import(parse_args(args))
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
