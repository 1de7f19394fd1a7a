"""A model for photographs beside MediaPipe, on one core: from a picture file to the pose of one person, in mm.

Baseline of the first two tasks: MediaPipe's pose model, in its own interpreter, which runs on the same core. With
a given box, MediaPipe follows the person from one copy of the picture to the next, so that its person detector does
not run. Without a box, each program finds the person with its own detector. Baseline of the last two tasks: the
inferencer, eager torch, with one crop per person and one picture per call. The inferencer's person detector is the
small one of this package.
"""
import argparse
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from measure import Row, compare, same_within

from mmpose_integral.apis import IntegralPose3DInferencer
from mmpose_integral.cli import export
from mmpose_integral.cli.photo_report.predictors import MEDIAPIPE_MODELS, MEDIAPIPE_PADDING
from mmpose_integral.deployment.onnx_runtime import OnnxIntegralPose
from mmpose_integral.formats.photo_people import PhotoPerson, read_photo_people
from mmpose_integral.synthetic import make_standin

TITLE = 'A model for photographs, beside MediaPipe'
PACKAGES = ('torch', 'onnxruntime', 'mmpose', 'mmdet')
COLUMNS = dict(case='what', contestant='how', wall_ms='wall, ms per person', wall_ratio='times as fast, wall',
               difference='largest difference, mm')
REPEATS = 5  # copies of a picture per timed run
SERVER = Path(__file__).with_name('mediapipe_server.py')
DETECTOR = 'detector_rtmdet_nano'
TOLERANCE_MM = 1.0
Pose = Callable[[PhotoPerson], np.ndarray | None]


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--photo-model', default='photo', help='name of the model (default: %(default)s)')
    parser.add_argument('--photo-people', metavar='FILE', help='people of docs/photographs.md, one per picture '
                        '(default: rendered people of the stand-in data)')
    parser.add_argument('--photo-mediapipe', metavar='PYTHON', help='interpreter with the package mediapipe '
                        '(default: without MediaPipe)')
    parser.add_argument('--photo-mediapipe-models', nargs='+', choices=MEDIAPIPE_MODELS, default=['heavy', 'full'],
                        help='models of MediaPipe, the baseline first (default: heavy full)')


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of a given box, of a whole picture, of the ONNX file, and of batches."""
    people = load_people(args)
    ours = {name: IntegralPose3DInferencer(args.photo_model, device='cpu', det_model=DETECTOR, upright=upright)
            for name, upright in (('inferencer', None), ('inferencer, one crop', False))}
    eager = ours['inferencer, one crop']
    if export.main([args.photo_model, '--out-dir', str(args.work), '--name', 'model']):
        raise ValueError(f'{args.photo_model}: the export failed; its messages are above')
    exported = OnnxIntegralPose(str(args.work / 'model.onnx'), threads=args.threads)
    models = args.photo_mediapipe_models if args.photo_mediapipe else []
    with one_core() if args.threads == 1 else nullcontext(), ExitStack() as stack:
        def servers(video: bool) -> dict[str, Pose]:
            return {f'MediaPipe {model}': partial(ask, stack.enter_context(
                mediapipe(args.photo_mediapipe, model, video)), boxed=video) for model in models}
        yield from in_turns('given box', args, people, {
            **servers(True), **{name: partial(predict, model) for name, model in ours.items()},
            'ONNX file, one crop': partial(predict_exported, exported)})
        yield from in_turns('whole picture', args, people, {
            **servers(False), **{name: partial(predict, model, boxed=False) for name, model in ours.items()}})
    one_by_one = partial(all_poses, partial(predict, eager))
    yield from compare('given box, one crop, in turns', {
        'inferencer, eager torch': (partial(one_by_one, people), len(people)),
        'ONNX file': (partial(all_poses, partial(predict_exported, exported), people), len(people))},
        rounds_of(args, 11), unit='person', targets={'ONNX file': 2}, check=same_within(TOLERANCE_MM), judge='wall')
    # A call takes one focal length for all its pictures.
    many = [person._replace(focal_length=people[0].focal_length)
            for person in islice(cycle(people), 4 if args.quick else 64)]
    yield from compare(f'{len(many)} pictures, given boxes, one crop', {
        'inferencer, one picture per call': (partial(one_by_one, many), len(many)),
        'inferencer, batches of 16': (partial(in_batches, eager, many), len(many))},
        rounds_of(args, 5), unit='person', targets={'inferencer, batches of 16': 2}, check=same_within(TOLERANCE_MM),
        judge='wall')


def rounds_of(args: argparse.Namespace, rounds: int) -> int:
    return args.rounds or (2 if args.quick else rounds)


def load_people(args: argparse.Namespace) -> list[PhotoPerson]:
    """The people of ``--photo-people``, or rendered ones, one per picture."""
    if args.photo_people:
        everyone = read_photo_people(args.photo_people)
        people = [person for person in everyone if sum(other.file == person.file for other in everyone) == 1]
        if not people:
            raise ValueError(f'{args.photo_people}: pictures with one person expected; each one has several')
        return people
    root, count = args.work / 'standin', 2 if args.quick else 12
    make_standin(root, num_train=1, num_val=count, num_test=1, num_mpii=8, num_coco=8, image_size=480, num_workers=1,
                 progress=False)
    with np.load(root / 'truth' / 'h80k_val.npz') as truth:
        return [PhotoPerson(root / 'h80k' / 'Val' / 'IMG' / f'{number:05d}.jpg', box, points, None, float(focal))
                for number, (box, points, focal) in enumerate(
                    zip(truth['bbox'], truth['keypoints_2d'], truth['focal'], strict=True), 1)]


def in_turns(case: str, args: argparse.Namespace, people: Sequence[PhotoPerson],
             poses: Mapping[str, Pose]) -> list[Row]:
    """Time programs person by person. People whom one of them does not find are left out.

    Each timed run predicts copies of one picture, after two more copies that are not timed: in the first one,
    MediaPipe looks for the person of the picture before.
    """
    people = [person for person in people
              if all([(pose(person), pose(person))[1] is not None for pose in poses.values()])]
    if not people:
        raise ValueError(f'{case}: no person is found by all of {", ".join(poses)}; give other pictures')
    repeats, turns = 1 if args.quick else REPEATS, {name: cycle(people) for name in poses}
    current: dict[str, PhotoPerson] = {}

    def first_copies(name: str) -> None:
        current[name] = next(turns[name])
        for _ in range(2):
            poses[name](current[name])

    def further_copies(name: str) -> None:
        for _ in range(repeats):
            poses[name](current[name])

    ratio = {'inferencer': 1} if next(iter(poses)) == 'MediaPipe heavy' else None
    return compare(f'{case}, {len(people)} people', {name: (partial(further_copies, name), repeats) for name in poses},
                   rounds_of(args, 3 * len(people)), unit='person', targets=ratio, judge='wall',
                   before={name: partial(first_copies, name) for name in poses})


def predict(inferencer: IntegralPose3DInferencer, person: PhotoPerson, boxed: bool = True) -> np.ndarray | None:
    """Pose of the first person, (18, 3) mm; None if there is none."""
    boxes = person.box[None] if boxed else None
    (result, ) = inferencer(str(person.file), bboxes=boxes, focal_length=person.focal_length)
    found = result['predictions'][0]
    return np.array(found[0]['keypoints']) if found else None


def predict_exported(model: OnnxIntegralPose, person: PhotoPerson) -> np.ndarray:
    """Pose of the person in the box, (18, 3) mm."""
    (found, ) = model(str(person.file), person.box[None], focal_length=person.focal_length)
    return np.array(found['keypoints'])


def all_poses(pose: Pose, people: Sequence[PhotoPerson]) -> np.ndarray:
    """Poses of all people, one call per person, (N, 18, 3) mm."""
    return np.array([pose(person) for person in people])


def in_batches(inferencer: IntegralPose3DInferencer, people: Sequence[PhotoPerson]) -> np.ndarray:
    """Poses of all people, 16 pictures per batch, (N, 18, 3) mm."""
    results = inferencer([str(person.file) for person in people], batch_size=16,
                         bboxes=[person.box[None] for person in people], focal_length=people[0].focal_length)
    return np.array([result['predictions'][0][0]['keypoints'] for result in results])


@contextmanager
def one_core() -> Iterator[None]:
    """Keep the calling thread, and processes that it starts, on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def mediapipe(python: str, model: str, video: bool) -> Iterator[subprocess.Popen]:
    """Start MediaPipe's model in its interpreter."""
    command = [python, str(SERVER), str(MEDIAPIPE_MODELS.index(model)), str(int(video))]
    # The user names the interpreter; everything else is a file of ours.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,  # nosec B603
                          stderr=subprocess.DEVNULL, text=True) as server:
        problem = json.loads(server.stdout.readline() or '{"error": "it ended without a message"}').get('error')
        if problem:
            raise ValueError(f'MediaPipe {model} in {python}: {problem}')
        yield server
        server.stdin.close()


def ask(server: subprocess.Popen, person: PhotoPerson, boxed: bool) -> np.ndarray | None:
    """World landmarks of a person, (33, 3) m, in the enlarged box or in the whole picture; None if there is none."""
    crop = [0.0, 0.0, 1e6, 1e6]
    if boxed:
        middle, half = (person.box[:2] + person.box[2:]) / 2, MEDIAPIPE_PADDING * (person.box[2:] - person.box[:2]) / 2
        crop = np.concatenate([middle - half, middle + half]).tolist()
    server.stdin.write(json.dumps(dict(file=str(person.file.absolute()), crop=crop)) + '\n')
    server.stdin.flush()
    answer = server.stdout.readline()
    if not answer:
        raise ValueError(f'{person.file}: MediaPipe ended without an answer; this command shows its messages: '
                         f'{" ".join(server.args)}')
    found = json.loads(answer)
    return None if found is None else np.array(found['world'])
