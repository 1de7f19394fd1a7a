"""Predict coarse 2D joints in every frame of an index with top-down MMPose models of MPII or COCO format.

Of several models (``--also``) each joint comes from the one that is surest of it. Frames without a box get score 0
for all joints. A stopped run goes on where it stopped. Several processes:
``torchrun --nproc_per_node 4 tools/dataset_converters/predict_keypoints_2d.py ... --launcher pytorch``.
"""
import argparse
import sys
from pathlib import Path

from mmpose_integral.formats.boxes import load_boxes
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.keypoints_2d import save_keypoints_2d
from mmpose_integral.preparation.frames import run_over_frames
from mmpose_integral.preparation.job_command import add_job_arguments, choose_checkpoint, launch, run_resumable
from mmpose_integral.preparation.sharded_job import fingerprint
from mmpose_integral.utils.launch import default_device


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='MMPose config of a top-down 2D model')
    parser.add_argument('checkpoint', nargs='?', help="its weights, file or URL; default: the config's load_from")
    parser.add_argument('--also', nargs='+', action='append', default=[], metavar='CONFIG [CHECKPOINT]',
                        help='a further model; may be given several times')
    parser.add_argument('--boxes', type=Path, required=True, help='product of detect_boxes.py')
    parser.add_argument('--one-based', choices=('auto', 'yes', 'no'), default='auto', help=(
        "whether the models learnt MPII's 1-based joints and so predict 1 px too much, which is taken off. Those "
        "trained with mmpose's MpiiDataset did (all MPII models of its zoo), those trained with ZeroBasedMpiiDataset "
        'or COCO did not. auto (the default) tells by the training data set in each config'))
    parser.add_argument('--padding', type=float, metavar='FACTOR', help=(
        "crop side over box side, in place of that of each model's test pipeline. MPII's annotated boxes are loose: a "
        'model trained on them with padding 1.25 knows crops that are 1.56 times as high as the person'))
    add_job_arguments(parser)
    return parser.parse_args(args)


def main(args=None):
    """Run the tool.

    Returns:
        int: exit status.
    """
    args = parse_args(args)
    launch(args.launcher)
    from mmpose_integral.preparation.keypoints_2d import MergedModels, TopdownModel, record
    index, boxes = load_index(args.index), load_boxes(args.boxes)
    device = args.device or default_device()
    given = [(args.config, args.checkpoint), *((*also, None)[:2] for also in args.also)]
    models = [TopdownModel(config, choose_checkpoint(config, checkpoint), device, args.one_based, args.padding)
              for config, checkpoint in given]
    merged = MergedModels(models, boxes)
    records = run_over_frames(
        args, index, merged.prepare, merged.predict,
        dict(boxes=fingerprint(args.boxes), models=[model.settings() for model in models]), '2D joints',
        lambda frame_id: None if frame_id in boxes else record(frame_id))
    if records is not None:
        rows = list(records.values())
        save_keypoints_2d(args.out, index.frame_ids, [r['keypoints_2d'] for r in rows], [r['score'] for r in rows])
        described = ', '.join(f'{m.format}{" (1 px taken off)" if m.one_based else ""}' for m in models)
        boxless = sum(i not in boxes for i in records)
        print(f'{args.out}: {len(rows)} frames, {boxless} of them without a box; models: {described}')
    return 0


if __name__ == '__main__':
    sys.exit(run_resumable(main))
