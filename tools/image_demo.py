"""Body joints in millimetres of the people in one photo; writes <stem>_pose.jpg and <stem>_pose.json.

Say where the people are: --bbox, a detector (--det-config, --det-checkpoint), or --whole-image.
The photo is turned as its EXIF data says, and boxes and px refer to the turned photo.
"""
import argparse
import json
import os.path as osp
import sys
from pathlib import Path

import mmcv
import numpy as np
from mmpose.apis import inference_topdown, init_model
from mmpose.structures import merge_data_samples

import mmpose_integral  # noqa: F401  registers everything and makes checkpoints loadable
from mmpose_integral.apis import find_alias
from mmpose_integral.evaluation.functional import rescale_to_bone_length
from mmpose_integral.preparation.files import replace_when_done
from mmpose_integral.preparation.launch import choose_checkpoint, default_device
from mmpose_integral.preparation.sharded_job import rounded
from mmpose_integral.structures.skeleton import JOINT_NAMES
from mmpose_integral.visualization import IntegralPose3dVisualizer
from mmpose_integral.visualization.instances import resolve_bone_length


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('image', help='photo')
    parser.add_argument('config', nargs='?', help='config of an integral model')
    parser.add_argument('checkpoint', nargs='?', help='its checkpoint')
    parser.add_argument('--alias', help='a registered model in their place, such as official')
    parser.add_argument('--bbox', type=float, nargs='+', metavar='PX', help='x1 y1 x2 y2 of each person')
    parser.add_argument('--det-config', help='MMDetection config of a person detector')
    parser.add_argument('--det-checkpoint', help="its checkpoint; default: the config's load_from")
    parser.add_argument('--whole-image', action='store_true', help='the person fills the photo')
    parser.add_argument('--bone-length', type=float, metavar='MM', help='total skeleton length (default: as stored)')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/image_demo'), help='where to write')
    parser.add_argument('--device', default=default_device())
    args = parser.parse_args(args)
    if bool(args.alias) == bool(args.checkpoint) or (args.alias and args.config):
        parser.error('give either CONFIG and CHECKPOINT or --alias')
    if args.det_checkpoint and not args.det_config:
        parser.error('--det-checkpoint is of a --det-config, which is not given')
    if (args.bbox is not None) + bool(args.det_config) + args.whole_image != 1:
        parser.error('where is the person? Give one of --bbox X1 Y1 X2 Y2, --det-config with --det-checkpoint, '
                     'and --whole-image')
    if args.bbox is not None and len(args.bbox) % 4:
        parser.error(f'--bbox: four numbers a person expected, got {len(args.bbox)} in all')
    if args.bone_length is not None and not args.bone_length > 0:
        parser.error(f'--bone-length: a positive number of mm expected, got {args.bone_length}')
    return args


def find_boxes(args, image):
    """(N, 4) float32 x1, y1, x2, y2 px of the people; ValueError where there is nobody to look at."""
    height, width = image.shape[:2]
    if args.whole_image:
        return np.array([[0, 0, width, height]], dtype=np.float32)
    if args.bbox is not None:
        boxes = np.array(args.bbox, dtype=np.float32).reshape(-1, 4)
        low, high = np.maximum(boxes[:, :2], 0), np.minimum(boxes[:, 2:], (width, height))
        if not (low < high).all():
            bad = boxes[np.argmin((low < high).all(axis=1))].tolist()
            raise ValueError(f'--bbox {bad}: x1 < x2 and y1 < y2 within the photo of {width}x{height} px expected')
        return boxes
    from mmengine.dataset import pseudo_collate

    from mmpose_integral.preparation.detection import PersonDetector
    checkpoint = choose_checkpoint(args.det_config, args.det_checkpoint)
    detector = PersonDetector(args.det_config, checkpoint, args.device)
    found = detector.model.test_step(pseudo_collate([detector.prepare(0, image)[1]]))[0].pred_instances
    sure = (found.labels == detector.person_label) & (found.scores >= detector.score_thr)
    if not sure.any():
        raise ValueError(f'{args.image}: the detector finds nobody with score {detector.score_thr}; give --bbox')
    return found[sure].bboxes.cpu().numpy()


def run(args):
    """Predict, draw and write."""
    config, checkpoint = find_alias(args.alias) if args.alias else (args.config, args.checkpoint)
    lacking = [path for path in (args.image, config, checkpoint) if '://' not in path and not osp.isfile(path)]
    if lacking:
        raise FileNotFoundError(f'{lacking[0]}: no such file')
    image = mmcv.imread(args.image)  # turned by EXIF, unlike the frames of the data set
    if image is None:
        raise ValueError(f'{args.image} cannot be decoded as an image')
    boxes = find_boxes(args, image)
    model = init_model(config, checkpoint, device=args.device)
    sample = merge_data_samples(inference_topdown(model, image, boxes))
    people, length = sample.pred_instances, resolve_bone_length(args.bone_length, model.dataset_meta)
    visualizer = IntegralPose3dVisualizer(bone_length=length)
    visualizer.set_dataset_meta(model.dataset_meta)
    stem = args.out_dir / f'{Path(args.image).stem}_pose'
    visualizer.add_datasample('pose', mmcv.bgr2rgb(image), sample, draw_gt=False, draw_bbox=not args.whole_image,
                              out_file=f'{stem}.jpg')
    fields = dict(keypoints=rescale_to_bone_length(people.keypoints, length), keypoints_2d=people.keypoints[..., :2],
                  keypoint_scores=people.keypoint_scores, bbox=boxes)
    instances = [{name: rounded(values[n], 3) for name, values in fields.items()} for n in range(len(boxes))]
    result = dict(bone_length_mm=length, keypoint_names=JOINT_NAMES, instances=instances)
    with replace_when_done(f'{stem}.json') as temporary:
        temporary.write_text(json.dumps(result) + '\n')
    print(f'{stem}.jpg and .json: {len(instances)} people, skeletons of {length:.1f} mm')


def main(args=None):
    """Run the tool; returns the exit status."""
    args = parse_args(args)
    try:
        run(args)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
