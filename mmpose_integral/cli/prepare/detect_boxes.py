"""Detect the person in every frame of an index with an MMDetection model; write the best box per frame.

The product is a list in the format of COCO detection results. Frames without a box are not in it; they are listed in
``<stem>_missing.json``. A stopped run continues where it stopped. With several processes:
``torchrun --nproc_per_node 4 -m mmpose_integral prepare boxes ... --launcher pytorch``.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from mmpose_integral.cli import CONTINUES
from mmpose_integral.cli.argument_types import share
from mmpose_integral.formats.boxes import missing_path, save_boxes
from mmpose_integral.preparation.frames import (
    add_job_arguments,
    choose_checkpoint,
    launch,
    load_frames,
    run_over_frames,
)
from mmpose_integral.utils.launch import default_device

AFTER_CTRL_C = CONTINUES


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='MMDetection config')
    parser.add_argument('checkpoint', nargs='?', help='weights, a file or a URL (default: load_from of the config)')
    parser.add_argument('--person-class', default='person', help='name or number of the class (default: person)')
    parser.add_argument('--score-thr', type=share, default=0.3, help='smallest score of a box (default: 0.3)')
    add_job_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    launch(args.launcher)
    from mmpose_integral.preparation.detection import PersonDetector
    index = load_frames(args)
    checkpoint = choose_checkpoint(args.config, args.checkpoint)
    detector = PersonDetector(args.config, checkpoint, args.device or default_device(), args.person_class,
                              args.score_thr)
    records = run_over_frames(args, index, detector.prepare, detector.detect, detector.settings(), 'Boxes')
    if records is not None:
        missing = save_boxes(args.out, records, index)
        print(f'{args.out}: {len(records) - len(missing)} boxes; {len(missing)} frames without one, '
              f'listed in {missing_path(args.out)}')
    return 0
