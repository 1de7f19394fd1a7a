"""Convert the full Human3.6M into the layout of CHALL_H80K, with the true cameras beside it.

ROOT is Human3.6M as mmpose's ``preprocess_h36m.py`` writes it. OUT gets ``{Train,Val,Test}/IMG``, ``{Train,Val}/POSE``
and ``truth/h80k_{train,val,test}.npz``, for ``prepare cameras --truth``. The subject decides the split. A stopped run
continues where it stopped. With other settings, it ends with an error, unless ``--fresh`` is given.
"""
import argparse
import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmpose_integral.cli import CONTINUES
from mmpose_integral.cli.argument_types import at_least_one, seed
from mmpose_integral.formats.h80k_index import pose_csv
from mmpose_integral.preparation.h36m import (
    MAX_FRAMES,
    SPLIT_SUBJECTS,
    H36MFrames,
    choose_frames,
    make_truth,
    read_annotations,
    read_cameras,
)
from mmpose_integral.preparation.sharded_job import fingerprint
from mmpose_integral.utils.errors import printable
from mmpose_integral.utils.files import replace_when_done, write_arrays, write_json, write_whole
from mmpose_integral.utils.locks import lock_folder
from mmpose_integral.utils.outputs import output_folder
from mmpose_integral.utils.progress import progress_bar
from mmpose_integral.utils.reading import read_json_object

MANIFEST = 'h36m_to_h80k.json'
FOLDERS = ('Train', 'Val', 'Test', 'truth', 'annotations')
AFTER_CTRL_C = CONTINUES


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', type=Path, help='folder with annotation_body3d and images')
    parser.add_argument('out', type=output_folder, help='folder to write')
    parser.add_argument('--fps', type=int, default=10, help='annotations to use: 10 for fps10 (default), 50 for fps50')
    parser.add_argument('--step', type=at_least_one, default=5, help='take every n-th frame of a video (default: 5)')
    parser.add_argument('--max-frames', type=at_least_one, help='largest number of frames per split, drawn at random')
    parser.add_argument('--seed', type=seed, default=0, help='seed of the random draw (default: 0)')
    for split, subjects in SPLIT_SUBJECTS.items():
        parser.add_argument(f'--{split.lower()}-subjects', type=subject, nargs='*', default=list(subjects), metavar='S',
                            help=f'subjects of {split} (default: {" ".join(f"S{number}" for number in subjects)})')
    parser.add_argument('--images', choices=('copy', 'hardlink', 'symlink'), default='copy',
                        help='how images are transferred (default: copy); an image that cannot be linked is copied')
    parser.add_argument('--skip-missing', action='store_true', help='leave out frames without an image')
    parser.add_argument('--fresh', action='store_true', help=f'first delete {", ".join(FOLDERS)} in OUT')
    args = parser.parse_args(argv)
    args.subjects = {split: sorted(set(getattr(args, f'{split.lower()}_subjects'))) for split in SPLIT_SUBJECTS}
    chosen = [number for numbers in args.subjects.values() for number in numbers]
    if len(set(chosen)) < len(chosen) or not chosen:
        parser.error(f'each subject may be in one split only, and one split needs a subject; got {args.subjects}')
    return args


def subject(text: str) -> int:
    """Type for argparse: 1 for 'S1' or '1'."""
    return int(text.removeprefix('S'))


def choose_splits(args: argparse.Namespace) -> dict[str, H36MFrames]:
    """Choose the frames of each split that has subjects; ValueError if one of them has no annotations."""
    folder = args.root / 'annotation_body3d' / f'fps{args.fps}'
    paths = [path for path in (folder / 'h36m_train.npz', folder / 'h36m_test.npz') if path.is_file()]
    if not paths:
        raise FileNotFoundError(f'{folder} has neither h36m_train.npz nor h36m_test.npz; give the folder that holds '
                                "annotation_body3d as mmpose's preprocess_h36m.py makes it, and its --fps")
    wanted = {number for numbers in args.subjects.values() for number in numbers}
    parts = [read_annotations(path, wanted) for path in paths]
    frames = H36MFrames(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    lacking = wanted - set(frames.subjects.tolist())
    if lacking:
        raise ValueError(f'{", ".join(map(str, paths))}: no frames of {", ".join(f"S{n}" for n in sorted(lacking))}; '
                         'preprocess these subjects too, or choose others with --train-subjects and so on')
    splits = {}
    for split, numbers in args.subjects.items():
        if numbers:
            chosen = choose_frames(frames.take(np.isin(frames.subjects, numbers)), args.step)
            chosen = choose_frames(present(chosen, args), 1, args.max_frames, args.seed)
            if len(chosen.names) > MAX_FRAMES:
                raise ValueError(f'{split} would have {len(chosen.names)} frames; file names have five digits, so at '
                                 f'most {MAX_FRAMES} fit: give a larger --step, or --max-frames')
            splits[split] = chosen
    return splits


def present(frames: H36MFrames, args: argparse.Namespace) -> H36MFrames:
    """Return the frames whose image exists; raise an error if one does not and ``--skip-missing`` is not given."""
    exists = np.array([(args.root / 'images' / name).is_file() for name in frames.names.tolist()], dtype=bool)
    if exists.all():
        return frames
    first = args.root / 'images' / frames.names[~exists][0]
    found = f'{(~exists).sum()} of {len(exists)} images do not exist, the first of them is {first}'
    if not args.skip_missing or not exists.any():
        raise FileNotFoundError(f'{found}; extract them, or leave out these frames with --skip-missing')
    print(f'{printable(found)}: these frames are left out')
    return frames.take(exists)


def prepare_folder(args: argparse.Namespace, splits: dict[str, H36MFrames]) -> None:
    """Store the settings in OUT; raise ValueError unless OUT is empty or of a run with the same settings."""
    content = [array.tobytes() for frames in splits.values() for array in (frames.names, frames.keypoints_mm)]
    settings = dict(fps=args.fps, step=args.step, max_frames=args.max_frames, seed=args.seed, subjects=args.subjects,
                    images=args.images, frames_hash=fingerprint(*content))
    manifest = args.out / MANIFEST
    if not manifest.is_file() and any((args.out / name).exists() for name in FOLDERS):
        raise ValueError(f'{args.out} holds data of another origin (there is no {MANIFEST}); choose another folder')
    if manifest.is_file() and args.fresh:
        for name in FOLDERS:
            shutil.rmtree(args.out / name, ignore_errors=True)
        manifest.unlink()  # last, so that a stopped --fresh can be repeated
    if manifest.is_file():
        earlier = read_json_object(manifest)
        differing = [f'{key} (was {earlier.get(key)!r}, is {value!r})' for key, value in settings.items()
                     if earlier.get(key) != value]
        if differing:
            raise ValueError(f'{args.out} was made with other settings: {"; ".join(differing)}. Start over with '
                             '--fresh, or choose another folder')
        return
    write_json(manifest, settings)


def put_image(source: Path, target: Path, how: str) -> bool:
    """Copy or link one image; return False if it was copied because it could not be linked."""
    source = source.resolve()
    with replace_when_done(target) as temporary:
        if how != 'copy':
            with contextlib.suppress(OSError):  # on another file system, or on one without links
                (os.link if how == 'hardlink' else os.symlink)(source, temporary)
                return True
        shutil.copyfile(source, temporary)
    return how == 'copy'


def write_split(split: str, frames: H36MFrames, truth: dict[str, np.ndarray], args: argparse.Namespace) -> None:
    """Write the frames that do not exist yet. The image of a frame is written last, and marks it as finished."""
    folder = args.out / split
    for kind in ('IMG', 'POSE') if split != 'Test' else ('IMG',):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in os.listdir(folder / kind):
            if name.startswith('.'):  # an unfinished file of a killed run
                (folder / kind / name).unlink()
    done = {int(path.stem) for path in (folder / 'IMG').glob('[0-9]*.jpg')}
    linked, todo = True, [row for row, i in enumerate(truth['frame_ids'].tolist()) if i not in done]
    for row in progress_bar(todo, split, initial=len(done), total=len(done) + len(todo)):
        stem = f'{truth["frame_ids"][row]:05d}'
        if split != 'Test':
            write_whole(folder / 'POSE' / f'{stem}.csv', pose_csv(truth['keypoints_mm'][row]))
        source = args.root / 'images' / frames.names[row]
        linked = put_image(source, folder / 'IMG' / f'{stem}.jpg', args.images) and linked
    path = args.out / 'truth' / f'h80k_{split.lower()}.npz'
    if not path.is_file():
        write_arrays(path, **truth)
    print(f'{split}: {len(done) + len(todo)} frames of {", ".join(f"S{n}" for n in args.subjects[split])}, '
          f'{len(todo)} written now{"" if linked else ", copied because they cannot be linked"}; truth in {path}')


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    cameras = read_cameras(args.root / 'annotation_body3d' / 'cameras.pkl')
    splits = choose_splits(args)
    truths = {split: make_truth(frames, cameras) for split, frames in splits.items()}
    with lock_folder(args.out, 'run of this command'):
        prepare_folder(args, splits)
        for split, frames in splits.items():
            write_split(split, frames, truths[split], args)
    return 0
