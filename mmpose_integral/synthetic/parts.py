"""Chunks of the stand-in data, drawn by workers, and the annotation files into which they are joined.

A chunk is finished when its record under ``parts/`` exists. A run that was stopped draws only unfinished chunks again.
"""
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat

from ..formats.h80k_index import pose_csv
from ..utils.files import write_whole
from .formats import coco_head, coco_row, mpii_headbox, mpii_row
from .photo_frame import render_photo
from .studio_frame import encode_jpeg, render_frame
from .wild_frame import render_wild

CHUNK = 32
H80K_SPLITS = ('train', 'val', 'test')
_MAT_HEADER = 'MATLAB 5.0 MAT-file, rendered stand-in data'


def _is_wild_val(index: int) -> bool:
    """Whether image ``index`` (0-based) of the MPII or COCO part is for validation: 1, 9, 17, ... are."""
    return index % 8 == 1


def chunks_of(part: str, count: int) -> list[tuple[str, int, int]]:
    """(part, start, stop) of every chunk of a part."""
    return [(part, start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]


def record_path(root: Path, part: str, start: int, stop: int) -> Path:
    """Record of a finished chunk."""
    suffix = 'npz' if part in H80K_SPLITS else 'json'
    return root / 'parts' / f'{part}_{start:07d}_{stop:07d}.{suffix}'


def final_paths(root: str | Path, part: str) -> list[Path]:
    """Files that exist when a part is complete."""
    root = Path(root)
    if part in H80K_SPLITS:
        return [root / 'truth' / f'h80k_{part}.npz']
    if part == 'mpii':
        folder = root / 'mpii' / 'annotations'
        return [folder / name for name in ('mpii_train.json', 'mpii_val.json', 'mpii_gt_val.mat')]
    return [root / 'coco' / 'annotations' / f'person_keypoints_{name}2017.json' for name in ('train', 'val')]


def make_folders(root: Path) -> None:
    """Make the folders of the stand-in data."""
    for name in ('h80k/Train/IMG', 'h80k/Train/POSE', 'h80k/Val/IMG', 'h80k/Val/POSE', 'h80k/Test/IMG',
                 'h80k/annotations', 'mpii/images', 'mpii/annotations', 'coco/train2017', 'coco/val2017',
                 'coco/annotations', 'truth', 'parts'):
        (root / name).mkdir(parents=True, exist_ok=True)


def draw_chunk(job: tuple[Path, int, int, dict[str, bool], str, int, int]) -> int:
    """Draw and write one chunk; return its number of images.

    The job is (root, seed, image size, options for H80K, part, start, stop). The options are those of
    :func:`render_frame`; with ``photograph``, :func:`render_photo` draws the frame.
    """
    cv2.setNumThreads(0)
    root, seed, image_size, options, part, start, stop = job
    if part in H80K_SPLITS:
        content: bytes | str = _draw_studio_chunk(root, seed, image_size, options, part, start, stop)
    else:
        content = _draw_wild_chunk(root, seed, image_size, part, start, stop)
    write_whole(record_path(root, part, start, stop), content)
    return stop - start


def _npz(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _draw_studio_chunk(root: Path, seed: int, image_size: int, options: dict[str, bool], split: str, start: int,
                       stop: int) -> bytes:
    folder = root / 'h80k' / split.capitalize()
    truths, boxes = [], []
    options = dict(options)
    photograph = options.pop('photograph', False)
    for index in range(start, stop):
        image, truth, box = (render_photo(seed, split, index, image_size) if photograph else
                             render_frame(seed, split, index, image_size, **options))
        write_whole(folder / 'IMG' / f'{index + 1:05d}.jpg', encode_jpeg(image))
        if split != 'test':
            write_whole(folder / 'POSE' / f'{index + 1:05d}.csv', pose_csv(truth.keypoints_mm))
        truths.append(truth)
        boxes.append(box)
    return _npz(dict(
        frame_ids=np.arange(start + 1, stop + 1, dtype=np.int32),
        keypoints_2d=np.array([truth.keypoints_2d for truth in truths], np.float32),
        keypoints_mm=np.array([truth.keypoints_mm for truth in truths], np.float32),
        root_depth_mm=np.array([truth.root_depth_mm for truth in truths], np.float32),
        subject=np.array([truth.subject for truth in truths], np.int32),
        focal=np.array([truth.focal for truth in truths], np.float32),
        bbox=np.array(boxes, np.float32),
        pose=np.array([truth.pose for truth in truths], '<U16')))


def _draw_wild_chunk(root: Path, seed: int, image_size: int, part: str, start: int, stop: int) -> str:
    records = []
    for index in range(start, stop):
        image, people = render_wild(seed, part, index, image_size)
        shape = image.shape[:2]
        if part == 'mpii':
            name = f'{index + 1:09d}.jpg'
            write_whole(root / 'mpii' / 'images' / name, encode_jpeg(image, 90))
            rows = [dict(row=mpii_row(person, name, shape), headbox=mpii_headbox(person).tolist())
                    for person in people]
        else:
            name = f'{index + 1:012d}.jpg'
            folder = 'val2017' if _is_wild_val(index) else 'train2017'
            write_whole(root / 'coco' / folder / name, encode_jpeg(image, 90))
            rows = [coco_row(person, index + 1, 10 * (index + 1) + k, shape) for k, person in enumerate(people)]
        records.append(dict(index=index, name=name, width=shape[1], height=shape[0], people=rows))
    return json.dumps(records)


def join_part(root: Path, part: str, count: int) -> None:
    """Join the records of a finished part of ``count`` images into its final annotation files."""
    paths = [record_path(root, *chunk) for chunk in chunks_of(part, count)]
    if part in H80K_SPLITS:
        loaded = [np.load(path) for path in paths]
        write_whole(final_paths(root, part)[0], _npz({
            name: np.concatenate([arrays[name] for arrays in loaded]) for name in loaded[0].files}))
        return
    records = [record for path in paths for record in json.loads(path.read_text())]
    by_val = [[r for r in records if _is_wild_val(r['index']) == val] for val in (False, True)]
    if part == 'mpii':
        _join_mpii(root, by_val)
        return
    for path, chosen in zip(final_paths(root, 'coco'), by_val, strict=True):
        images = [dict(id=r['index'] + 1, file_name=r['name'], width=r['width'], height=r['height']) for r in chosen]
        write_whole(path, json.dumps(dict(
            **coco_head(), images=images, annotations=[row for r in chosen for row in r['people']])))


def _join_mpii(root: Path, by_val: list[list[dict]]) -> None:
    """Write MPII's two JSON files, and the .mat that MpiiDataset and MPII's own PCKh read for validation."""
    train, val, mat = final_paths(root, 'mpii')
    for path, chosen in zip((train, val), by_val, strict=True):
        write_whole(path, json.dumps([person['row'] for r in chosen for person in r['people']]))
    people = [person for r in by_val[1] for person in r['people']]
    boxes = np.array([person['headbox'] for person in people], float).reshape(-1, 2, 2)
    joints = np.array([person['row']['joints'] for person in people], float).reshape(-1, 16, 2)
    missing = 1 - np.array([person['row']['joints_vis'] for person in people], float).reshape(-1, 16)
    buffer = io.BytesIO()
    savemat(buffer, dict(headboxes_src=boxes.transpose(1, 2, 0), pos_gt_src=joints.transpose(1, 2, 0),
                         jnt_missing=missing.T))
    # A .mat begins with the time of writing. A fixed text keeps the file the same for the same seed.
    write_whole(mat, _MAT_HEADER.ljust(116).encode() + buffer.getvalue()[116:])
