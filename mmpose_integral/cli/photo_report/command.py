"""Compare models on photographs of people with known joints: models of this project, and MediaPipe.

All models get the same boxes. DATA are JSON files; docs/photographs.md describes their format, and those of COCO and of
MMPose for MPII are read, too. The products are photo_report.json and photo_report.md, and with --pictures one picture
per person and model.

MediaPipe runs in its own interpreter. It downloads the files of its models lite and heavy when they are first used; a
model that cannot be loaded is left out, and the report says why.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmpose_integral.apis.media import read_picture
from mmpose_integral.cli.argument_types import at_least_one
from mmpose_integral.cli.photo_report.figures import JOINT_SETS, at_true_length, measure, summarize, to_markdown
from mmpose_integral.cli.photo_report.predictors import (
    MEDIAPIPE_MODELS,
    ModelMissing,
    Prediction,
    predict_mediapipe,
    predict_ours,
)
from mmpose_integral.formats.photo_people import PhotoPerson, read_photo_people
from mmpose_integral.utils.files import write_json, write_whole
from mmpose_integral.utils.outputs import output_folder
from mmpose_integral.visualization import IntegralPose3dVisualizer


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', nargs='+', metavar='DATA', help='JSON file of people, their boxes and joints')
    parser.add_argument('--models', nargs='*', default=['standin'], metavar='NAME|CONFIG=CHECKPOINT',
                        help='models of this project: names, aliases, or configs with checkpoints (default: standin)')
    parser.add_argument('--mediapipe', metavar='PYTHON', help='Python interpreter that has the package mediapipe')
    parser.add_argument('--mediapipe-models', nargs='+', choices=MEDIAPIPE_MODELS, default=list(MEDIAPIPE_MODELS),
                        help='its models (default: all)')
    parser.add_argument('--joints', choices=sorted(JOINT_SETS), default='all',
                        help='joints that are counted: the 17 of a pose file, or the 13 of them for which MediaPipe '
                        'has a landmark (default: all)')
    parser.add_argument('--min-joints', type=at_least_one, default=6, metavar='N',
                        help='leave out people with fewer known joints (default: 6)')
    parser.add_argument('--upright', action=argparse.BooleanOptionalAction, help='whether models of this project turn '
                        "the crops of people who lean (default: the model's choice)")
    parser.add_argument('--out-dir', type=output_folder, default=Path('work_dirs/photo_report'),
                        help='folder to write to (default: work_dirs/photo_report)')
    parser.add_argument('--pictures', action='store_true', help='draw every prediction beside the truth')
    parser.add_argument('--device', help='device of the models of this project (default: a GPU if there is one)')
    args = parser.parse_args(argv)
    if not args.models and not args.mediapipe:
        parser.error('--models, --mediapipe: at least one model expected')
    return args


def predict_all(args: argparse.Namespace,
                people: Sequence[PhotoPerson]) -> tuple[dict[str, list[Prediction | None]], dict[str, str]]:
    """Predictions of each model, and the reason for each model that could not run."""
    predictions: dict[str, list[Prediction | None]] = {}
    left_out: dict[str, str] = {}
    for name in args.models:
        predictions[_label(name, predictions)] = predict_ours(name, people, args.device, args.upright)
    for model in args.mediapipe_models if args.mediapipe else ():
        try:
            predictions[f'MediaPipe {model}'] = predict_mediapipe(args.mediapipe, model, people)
        except ModelMissing as error:
            left_out[f'MediaPipe {model}'] = str(error)
            print(f'MediaPipe {model} is left out: {error}')
    return predictions, left_out


def _label(name: str, taken: dict[str, Any]) -> str:
    """Short name of a model: that of its config or alias, or the whole argument if another model has it."""
    short = Path(name.partition('=')[0]).stem
    return name if short in taken else short


def draw(folder: Path, name: str, person: PhotoPerson, pred: Prediction | None) -> None:
    """Write the picture of one person and model to ``folder``, in mm at the true bone length where it is known."""
    truth = InstanceData(bboxes=person.box[None], keypoints=person.keypoints_2d[None])
    if pred is not None and person.keypoints_mm is not None:
        pred = pred._replace(keypoints=at_true_length(pred.keypoints, person.keypoints_mm))
        if np.isfinite(person.keypoints_mm).all():  # the 3D views need all joints
            truth.keypoints_mm = person.keypoints_mm[None]
    found = InstanceData() if pred is None else InstanceData(
        keypoints=pred.keypoints[None], keypoints_2d=pred.keypoints_2d[None], keypoint_scores=pred.scores[None],
        bboxes=person.box[None])
    image = mmcv.bgr2rgb(read_picture(str(person.file)).image)
    sample = PoseDataSample(metainfo=dict(ori_shape=image.shape[:2]), gt_instances=truth, pred_instances=found)
    IntegralPose3dVisualizer(name=f'photo-report-{name}', crop=True).add_datasample(
        name, image, sample, unit='mm', draw_bbox=True, title=name, out_file=folder / f'{name}.jpg')


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    people: list[PhotoPerson] = []
    sources: list[str] = []
    for path in args.data:
        found = read_photo_people(path, args.min_joints)
        people += found
        sources += [Path(path).parent.name] * len(found)
    predictions, left_out = predict_all(args, people)
    if not predictions:
        raise ValueError(f'no model could run: {"; ".join(left_out.values())}')
    rows = {name: [measure(person, pred, JOINT_SETS[args.joints]) for person, pred in zip(people, preds, strict=True)]
            for name, preds in predictions.items()}
    summary = {source: {name: summarize([row for row, where in zip(all_rows, sources, strict=True)
                                         if source in (where, 'all')]) for name, all_rows in rows.items()}
               for source in [*dict.fromkeys(sources), 'all']}
    report = dict(data=args.data, joints=args.joints, summary=summary, left_out=left_out, people=rows)
    write_json(args.out_dir / 'photo_report.json', report)
    write_whole(args.out_dir / 'photo_report.md', to_markdown(report))
    pictures = args.out_dir / 'pictures'
    for name, preds in predictions.items() if args.pictures else ():
        for number, (person, pred) in enumerate(zip(people, preds, strict=True)):
            draw(pictures / name.replace('/', '_'), f'{number:03d}_{person.file.stem}', person, pred)
    print(to_markdown(report))
    print(f'written: {args.out_dir / "photo_report.json"} and photo_report.md'
          + (f', pictures in {pictures}' if args.pictures else ''))
    return 0
