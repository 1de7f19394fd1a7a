"""Detect the person in every frame of an index with an MMDetection model; write one best box a frame.

The product is a list in the format of COCO detection results. Frames without a box are listed in
``<stem>_missing.json`` and get none. A stopped run goes on where it stopped. Several processes:
``torchrun --nproc_per_node 4 tools/dataset_converters/detect_boxes.py ... --launcher pytorch``.
"""
import argparse
import sys
from pathlib import Path

from mmpose_integral.formats.boxes import missing_path, save_boxes
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.preparation.frames import run_over_frames
from mmpose_integral.preparation.job_command import add_job_arguments, choose_checkpoint, launch, run_resumable
from mmpose_integral.utils.launch import default_device


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='MMDetection config')
    parser.add_argument('checkpoint', nargs='?', help="its weights, file or URL; default: the config's load_from")
    parser.add_argument('--person-class', default='person', help='name or number of the class (default: person)')
    parser.add_argument('--score-thr', type=float, default=0.3, help='boxes below it do not count (default: 0.3)')
    add_job_arguments(parser)
    return parser.parse_args(args)


def main(args=None):
    """Run the tool.

    Returns:
        int: exit status.
    """
    args = parse_args(args)
    launch(args.launcher)
    from mmpose_integral.preparation.detection import PersonDetector
    index = load_index(args.index)
    checkpoint = choose_checkpoint(args.config, args.checkpoint)
    detector = PersonDetector(args.config, checkpoint, args.device or default_device(), args.person_class,
                              args.score_thr)
    records = run_over_frames(args, index, detector.prepare, detector.detect, detector.settings(), 'Boxes')
    if records is not None:
        missing = save_boxes(args.out, records)
        print(f'{args.out}: {len(records) - len(missing)} boxes; {len(missing)} frames without one, '
              f'listed in {missing_path(args.out)}')
    return 0


if __name__ == '__main__':
    sys.exit(run_resumable(main))
