"""Predict coarse 2D joints in every frame of an index with top-down MMPose models of MPII or COCO format.

A model of this package, such as ``photo``, is also possible; its x and y are used.

With several models (``--also``), each joint is taken from the model with the highest score for it. In frames without a
box, all joints have score 0. A stopped run continues where it stopped. With several processes:
``torchrun --nproc_per_node 4 -m mmpose_integral prepare keypoints-2d ... --launcher pytorch``.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmpose_integral.cli import CONTINUES
from mmpose_integral.cli.argument_types import positive
from mmpose_integral.formats.boxes import load_boxes
from mmpose_integral.formats.keypoints_2d import save_keypoints_2d
from mmpose_integral.preparation.frames import (
    add_job_arguments,
    choose_checkpoint,
    launch,
    load_frames,
    run_over_frames,
)
from mmpose_integral.preparation.sharded_job import fingerprint
from mmpose_integral.utils.launch import default_device

AFTER_CTRL_C = CONTINUES


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='MMPose config of a top-down 2D model, or a model of this package or its name')
    parser.add_argument('checkpoint', nargs='?', help='weights, a file or a URL (default: load_from of the config)')
    parser.add_argument('--also', nargs='+', action='append', default=[], metavar='CONFIG [CHECKPOINT]',
                        help='a further model; may be given several times')
    parser.add_argument('--boxes', type=Path, required=True, help='boxes, a product of `prepare boxes`')
    parser.add_argument('--one-based', choices=('auto', 'yes', 'no'), default='auto', help=(
        'whether the models were trained on the 1-based joints of MPII, so that 1 px is subtracted from their '
        'predictions. This holds for models trained with MpiiDataset of mmpose (all MPII models of its zoo), but not '
        'for those trained with ZeroBasedMpiiDataset or on COCO. auto (the default) decides by the training data set '
        'in each config'))
    parser.add_argument('--padding', type=positive, metavar='FACTOR', help=(
        'side of the crop divided by the side of the box (default: that of the test pipeline of each model). The '
        'annotated boxes of MPII are loose: with padding 1.25, the crops of a training are 1.56 times as high as the '
        'person'))
    add_job_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    launch(args.launcher)
    from mmpose_integral.apis.model_zoo import find_model
    from mmpose_integral.preparation.keypoints_2d import MergedModels, TopdownModel, record
    index = load_frames(args)
    boxes = load_boxes(args.boxes, index)
    device = args.device or default_device()
    given = [find_model(*one) for one in ((args.config, args.checkpoint), *((*also, None)[:2] for also in args.also))]
    models = [TopdownModel(config, choose_checkpoint(config, checkpoint), device, args.one_based, args.padding)
              for config, checkpoint in given]
    merged = MergedModels(models, boxes)
    records = run_over_frames(
        args, index, merged.prepare, merged.predict,
        dict(boxes=fingerprint(args.boxes), models=[model.settings() for model in models]), '2D joints',
        lambda frame_id: None if frame_id in boxes else record(frame_id))
    if records is not None:
        keypoints, scores = (np.array([one[key] for one in records.values()]) for key in ('keypoints_2d', 'score'))
        save_keypoints_2d(args.out, index, keypoints, scores)
        described = ', '.join(f'{model.format}{" (1 px subtracted)" if model.one_based else ""}' for model in models)
        boxless = sum(frame_id not in boxes for frame_id in records)
        print(f'{args.out}: {len(records)} frames, {boxless} of them without a box; models: {described}')
    return 0
