"""Import the cache files of the paper's authors: coarse 2D joints and person boxes of one split.

The products have the same names as those of `prepare keypoints-2d` and `prepare boxes`. A pickle that holds more than
numbers, text, containers and numpy arrays is refused before any of its code runs.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmpose_integral.formats.boxes import missing_path, save_boxes
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.keypoints_2d import save_keypoints_2d
from mmpose_integral.formats.official_caches import import_boxes, import_keypoints_2d
from mmpose_integral.utils.outputs import output_folder


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--index', type=Path, required=True, help='index of the split, a product of `prepare index`')
    parser.add_argument('--keypoints-2d', type=Path, metavar='PKL',
                        help='coarse 2D joints, HM36_eccv_challenge_<Set>_<N>samples_img_res.pkl')
    parser.add_argument('--boxes', type=Path, metavar='FOLDER', help='boxes, <Set>/detection/<detector> with 00001.pkl')
    parser.add_argument('--out-dir', type=output_folder, help='folder of the products (default: that of the index)')
    parser.add_argument('--overwrite', action='store_true', help='replace existing products')
    args = parser.parse_args(argv)
    if not args.keypoints_2d and not args.boxes:
        parser.error('nothing to import: give --keypoints-2d, --boxes or both')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    index = load_index(args.index)
    stem = (args.out_dir or args.index.parent) / f'h80k_{index.split.lower()}'
    keypoints_path, boxes_path = Path(f'{stem}_keypoints_2d.npz'), Path(f'{stem}_boxes.json')
    for path, wanted in ((keypoints_path, args.keypoints_2d), (boxes_path, args.boxes)):
        if wanted and path.exists() and not args.overwrite:
            raise ValueError(f'{path} exists; --overwrite replaces it, --out-dir chooses another folder')
    if args.keypoints_2d:
        keypoints, scores = import_keypoints_2d(args.keypoints_2d, index)
        save_keypoints_2d(keypoints_path, index, keypoints, scores)
        empty = int(np.count_nonzero(~(scores > 0).any(axis=1)))
        print(f'{keypoints_path}: {len(scores)} frames, {empty} of them without any joint')
    if args.boxes:
        records = import_boxes(args.boxes, index)
        missing = save_boxes(boxes_path, records, index)
        print(f'{boxes_path}: {len(records) - len(missing)} boxes; {len(missing)} frames without one, '
              f'listed in {missing_path(boxes_path)}')
    return 0
