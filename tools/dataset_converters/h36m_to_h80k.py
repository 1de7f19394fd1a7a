"""Make a tree in the form of CHALL_H80K from full Human3.6M, and keep the true cameras beside it.

ROOT is Human3.6M as mmpose's ``preprocess_h36m.py`` leaves it. OUT gets ``{Train,Val,Test}/IMG``, ``{Train,Val}/POSE``
and ``truth/h80k_{train,val,test}.npz``, with which ``fit_cameras.py --truth`` scores the camera fit. Subjects decide
the split. A stopped run goes on where it stopped; other settings are refused, unless ``--fresh`` starts over.
"""
import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np

from mmpose_integral.preparation.h36m import (
    MAX_FRAMES,
    SPLIT_SUBJECTS,
    H36MFrames,
    choose_frames,
    make_truth,
    read_annotations,
    read_cameras,
)
from mmpose_integral.preparation.job_command import run_resumable
from mmpose_integral.preparation.sharded_job import SettingsDiffer, fingerprint
from mmpose_integral.synthetic.formats import pose_csv
from mmpose_integral.utils.files import replace_when_done, write_json, write_whole
from mmpose_integral.utils.progress import progress_bar

MANIFEST = 'h36m_to_h80k.json'
FOLDERS = ('Train', 'Val', 'Test', 'truth', 'annotations')


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', type=Path, help='folder that holds annotation_body3d and images')
    parser.add_argument('out', type=Path, help='folder to make')
    parser.add_argument('--fps', type=int, default=10, help='which annotations: fps10 (the default) or fps50')
    parser.add_argument('--step', type=int, default=5, help='take every n-th frame of a video (default: 5)')
    parser.add_argument('--max-frames', type=int, help='at most so many a split, drawn at random')
    parser.add_argument('--seed', type=int, default=0, help='of that draw (default: 0)')
    for split, subjects in SPLIT_SUBJECTS.items():
        parser.add_argument(f'--{split.lower()}-subjects', type=subject_number, nargs='*', default=list(subjects),
                            metavar='S', help=f'default: {" ".join(f"S{number}" for number in subjects)}')
    parser.add_argument('--images', choices=('copy', 'hardlink', 'symlink'), default='copy',
                        help='how images get there (default: copy); what the file system cannot link is copied')
    parser.add_argument('--skip-missing', action='store_true', help='leave frames out whose image is not there')
    parser.add_argument('--fresh', action='store_true',
                        help=f'first delete what an earlier run made in OUT: {", ".join(FOLDERS)}')
    args = parser.parse_args(args)
    args.subjects = {split: sorted(set(getattr(args, f'{split.lower()}_subjects'))) for split in SPLIT_SUBJECTS}
    chosen = [number for numbers in args.subjects.values() for number in numbers]
    if len(set(chosen)) < len(chosen) or not chosen:
        parser.error(f'each subject may be in one split only, and one must be; got {args.subjects}')
    if args.step < 1 or (args.max_frames is not None and args.max_frames < 1) or args.seed < 0:
        parser.error('--step and --max-frames: at least 1 expected, --seed: at least 0')
    return args


def subject_number(text):
    """1 from 'S1' or '1'."""
    return int(text.removeprefix('S'))


def choose_splits(args):
    """Frames of each split that has subjects.

    Returns:
        dict[str, H36MFrames]: by split.

    Raises:
        FileNotFoundError: no annotations, or no image of a frame.
        ValueError: a subject is not annotated, or a split gets too many frames.
    """
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


def present(frames, args):
    """The frames whose image is there; an error without ``--skip-missing`` if that is not all."""
    there = np.array([(args.root / 'images' / name).is_file() for name in frames.names.tolist()], dtype=bool)
    if there.all():
        return frames
    first = args.root / 'images' / frames.names[~there][0]
    found = f'{(~there).sum()} of {len(there)} images are not there, first {first}'
    if not args.skip_missing or not there.any():
        raise FileNotFoundError(f'{found}; extract them, or leave these frames out with --skip-missing')
    print(f'{found}: these frames are left out')
    return frames.take(there)


def prepare_folder(args, splits):
    """Make OUT fit to go on with.

    Raises:
        SettingsDiffer: it holds something else than an earlier state of the same work.
    """
    content = [array.tobytes() for frames in splits.values() for array in (frames.names, frames.keypoints_mm)]
    settings = dict(fps=args.fps, step=args.step, max_frames=args.max_frames, seed=args.seed, subjects=args.subjects,
                    images=args.images, frames_hash=fingerprint(*content))
    manifest = args.out / MANIFEST
    if not manifest.is_file() and any((args.out / name).exists() for name in FOLDERS):
        raise SettingsDiffer(f'{args.out} holds data that this tool did not make (there is no {MANIFEST}); choose '
                             'another folder')
    if manifest.is_file() and args.fresh:
        for name in FOLDERS:
            shutil.rmtree(args.out / name, ignore_errors=True)
        manifest.unlink()  # last: a --fresh that is stopped can be repeated
    if manifest.is_file():
        earlier = json.loads(manifest.read_text())
        differing = [f'{key} (was {earlier.get(key)!r}, is {value!r})' for key, value in settings.items()
                     if earlier.get(key) != value]
        if differing:
            raise SettingsDiffer(f'{args.out} was made with other settings: {"; ".join(differing)}. Start over with '
                                 '--fresh, or choose another folder')
        return
    write_json(manifest, settings)


def put_image(source, target, how):
    """Copy or link one image.

    Returns:
        bool: False if it was to be linked but had to be copied.
    """
    make = dict(copy=shutil.copyfile, hardlink=os.link, symlink=os.symlink)[how]
    source = source.resolve()
    with replace_when_done(target) as temporary:
        try:
            make(source, temporary)
        except OSError:
            if how == 'copy':
                raise
            shutil.copyfile(source, temporary)  # to another file system, or to one without links
            return False
    return True


def write_split(split, frames, truth, args):
    """Write what is not there yet. A frame's image comes last, so it tells that the frame is finished.

    Returns:
        int: frames written now.
    """
    folder = args.out / split
    for kind in ('IMG', 'POSE') if split != 'Test' else ('IMG',):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in os.listdir(folder / kind):
            if name.startswith('.'):  # what a killed run was writing
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
        with replace_when_done(path) as temporary:
            np.savez(temporary, **truth)
    print(f'{split}: {len(done) + len(todo)} frames of {", ".join(f"S{n}" for n in args.subjects[split])}, '
          f'{len(todo)} written now{"" if linked else ", copied because they cannot be linked"}; truth in {path}')
    return len(todo)


def main(args=None):
    """Run the tool.

    Returns:
        int: exit status.
    """
    args = parse_args(args)
    try:
        cameras = read_cameras(args.root / 'annotation_body3d' / 'cameras.pkl')
        splits = choose_splits(args)
        truths = {split: make_truth(frames, cameras) for split, frames in splits.items()}
        prepare_folder(args, splits)
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    for split, frames in splits.items():
        write_split(split, frames, truths[split], args)
    return 0


if __name__ == '__main__':
    sys.exit(run_resumable(main))
