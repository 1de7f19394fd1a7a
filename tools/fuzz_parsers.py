"""The readers that tools/fuzz.py gives inputs to, with small valid files to begin with.

The readers of archives are fuzzed twice: as whole files (``..._file``), most of which fail at a checksum, and by their
members. An input of the second kind is a sequence of members, each with its number (1 byte), its length (2 bytes) and
its content, of which an archive with right checksums is made.
"""
import io
import json
import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from mmpose_integral.deployment.onnx_runtime import FACTS, FORMAT_VERSION, METADATA_KEY, read_facts
from mmpose_integral.formats.boxes import load_boxes, save_boxes
from mmpose_integral.formats.cameras import load_cameras, save_cameras
from mmpose_integral.formats.checkpoints import CheckpointError, check_meta, find_weights, read_checkpoint
from mmpose_integral.formats.frame_checks import FaultyFile, read_image_size, read_pose
from mmpose_integral.formats.h80k_index import H80KIndex, load_index, pose_csv, save_index
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d, save_keypoints_2d
from mmpose_integral.formats.official_caches import import_keypoints_2d
from mmpose_integral.formats.people_table import FrameResult, make_table, people_arrays, read_npz, write_npz
from mmpose_integral.formats.photo_people import read_photo_people
from mmpose_integral.formats.predictions import load_predictions, to_records
from mmpose_integral.formats.safe_pickle import load_plain_pickle
from mmpose_integral.formats.submission import find_faults, write_submission
from mmpose_integral.preparation.h36m import read_cameras
from mmpose_integral.structures import fit_perspective, fit_weak_perspective
from mmpose_integral.visualization import read_scalars

POSES = np.random.default_rng(0).normal(0, 300, (2, 18, 3)).astype(np.float32)
POSES -= POSES[:, :1]


class Parser(NamedTuple):
    """A reader of one kind of file."""
    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...]
    """The exceptions that it documents."""
    suffix: str
    seeds: Callable[[], Sequence[bytes]]
    """Inputs to begin with."""
    build: Callable[[bytes], bytes] = bytes
    """Function from an input to the content of the file."""


def make_index(split: str) -> H80KIndex:
    """An index of two frames."""
    return H80KIndex(split, np.array([1, 2], np.int32), np.array([f'{split}/IMG/0000{i}.jpg' for i in (1, 2)]),
                     np.array([[100, 80]] * 2, np.int32), POSES, np.array([], str), '/data', np.ones((2, 2), np.int64),
                     np.ones((2, 2), np.int64))


def written(folder: Path, write: Callable[[Path], object], suffix: str) -> bytes:
    """The content of a file that a function writes."""
    path = folder / f'seed{suffix}'
    write(path)
    return path.read_bytes()


def to_members(archive: bytes, names: Sequence[str]) -> bytes:
    """The input that stands for an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        parts = [(names.index(info.filename), file.read(info)) for info in file.infolist()]
    return b''.join(bytes([number]) + len(part).to_bytes(2, 'little') + part for number, part in parts)


def from_members(data: bytes, names: Sequence[str]) -> bytes:
    """The archive that an input stands for."""
    buffer, start = io.BytesIO(), 0
    with zipfile.ZipFile(buffer, 'w') as file:
        while start + 3 <= len(data):
            size = int.from_bytes(data[start + 1:start + 3], 'little')
            # A date of its own makes equal inputs equal archives.
            file.writestr(zipfile.ZipInfo(names[data[start] % len(names)]), data[start + 3:start + 3 + size])
            start += 3 + size
    return buffer.getvalue()


def archive_parsers(name: str, read: Callable, errors: tuple, suffix: str, seed: bytes) -> dict[str, Parser]:
    """The two parsers of an archive."""
    with zipfile.ZipFile(io.BytesIO(seed)) as file:
        names = file.namelist()
    return {name: Parser(read, errors, suffix, lambda: [to_members(seed, names)],
                         lambda data: from_members(data, names)),
            f'{name}_file': Parser(read, errors, suffix, lambda: [seed])}


def read_whole_checkpoint(path: Path) -> None:
    """Read a checkpoint as the commands do."""
    checkpoint = read_checkpoint(path)
    check_meta(checkpoint)
    find_weights(checkpoint)


def make_archives(folder: Path) -> dict[str, Parser]:
    """Parsers of npz and zip files."""
    index, value = make_index('Val'), (ValueError, )
    pixels = POSES[..., :2] * 0.1 + 50
    weak = fit_weak_perspective(POSES, pixels)
    far = fit_perspective(POSES, pixels, principal_point=np.full((2, 2), 50.), focal_length=1000.)
    people = people_arrays([dict(keypoints=POSES[0], bbox=[[1, 2, 3, 4]], bbox_score=1.)])
    predictions = dict(frame_ids=np.array([1, 2]), paths=np.array(['a', 'b']), box_found=np.ones(2, bool),
                       pred_px=POSES)
    checkpoint = dict(state_dict={'a.weight': torch.ones(2)}, meta=dict(
        epoch=1, dataset_meta=dict(skeleton_length={'train+val': 4500.0})))
    table = make_table([FrameResult('a.jpg', 0, 0.0, people)])
    rows = (
        ('index', load_index, value, '.npz', lambda path: save_index(index, path)),
        ('keypoints_2d', lambda path: load_keypoints_2d(path, index), value, '.npz',
         lambda path: save_keypoints_2d(path, index, pixels, np.ones((2, 18)))),
        ('cameras_weak', lambda path: load_cameras(path, index), value, '.npz',
         lambda path: save_cameras(path, index, weak)),
        ('cameras', lambda path: load_cameras(path, index), value, '.npz', lambda path: save_cameras(path, index, far)),
        ('predictions', lambda path: to_records(load_predictions(path)), value, '.npz',
         lambda path: np.savez(path, **predictions)),
        ('people', read_npz, value, '.npz', lambda path: write_npz(path, table)),
        ('submission', lambda path: find_faults(path, make_index('Test')), (), '.zip',
         lambda path: write_submission(path, POSES, [1, 2])),
        ('checkpoint', read_whole_checkpoint, (CheckpointError, ), '.pth', lambda path: torch.save(checkpoint, path)))
    found: dict[str, Parser] = {}
    for name, read, errors, suffix, write in rows:
        found |= archive_parsers(name, read, errors, suffix, written(folder, write, suffix))
    return found


def people_seeds(image: str) -> list[bytes]:
    """People in a photograph in the three formats that are read."""
    ours = dict(file=image, box_xyxy=[1, 2, 30, 40], keypoints_2d=[[i, i, 1] for i in range(18)], focal_length=900,
                keypoints_mm=POSES[0].tolist())
    coco = dict(images=[dict(id=1, file_name=image)], annotations=[
        dict(image_id=1, bbox=[1, 2, 30, 40], keypoints=[5, 6, 2] * 17)])
    mpii = [dict(image=image, joints=[[i, 2 * i] for i in range(1, 17)], joints_vis=[1] * 16)]
    return [json.dumps(content).encode() for content in (dict(frames=[ours]), coco, mpii)]


def make_parsers(folder: Path) -> dict[str, Parser]:
    """All parsers by name; ``folder`` is for temporary files."""
    index, value = make_index('Val'), (ValueError, )
    image = folder / 'a.jpg'
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(image)
    cache = [dict(kpts=POSES[0].astype(np.float64), vis=np.ones((18, 3)))] * 2
    lens = dict(R=np.eye(3), T=np.zeros((3, 1)), f=np.ones((2, 1)), c=np.ones((2, 1)), k=np.ones((3, 1)),
                p=np.ones((2, 1)))
    facts = dict.fromkeys(FACTS, 1) | dict(
        format_version=FORMAT_VERSION, input_size=[4, 4], unit=[1, 1, 1], offset=[0, 0, 0], joints=['a', 'b'],
        parents=[0, 0], flip_indices=[1, 0], std_factors=None)
    log = b'{"lr": 0.1, "loss": 1.5, "epoch": 1, "iter": 10, "step": 10}\n{"h80k/MPJPE": 60.5, "step": 1}\n'
    plain = [1, 2.5, 'text', (True, None), {'a': b'b'}, np.arange(3), np.float32(1), {1, 2}]

    def boxes(path: Path) -> None:
        save_boxes(path, {i: dict(bbox=[1, 2, 30, 40], score=0.5) for i in (1, 2)}, index)

    return make_archives(folder) | dict(
        pose=Parser(read_pose, (FaultyFile, ), '.csv', lambda: [pose_csv(POSES[0]).encode()]),
        picture=Parser(read_image_size, (FaultyFile, ), '.jpg', lambda: [image.read_bytes()]),
        boxes=Parser(lambda path: load_boxes(path, index), value, '.json', lambda: [written(folder, boxes, '.json')]),
        photo_people=Parser(read_photo_people, (ValueError, FileNotFoundError), '.json', lambda: people_seeds('a.jpg')),
        scalars=Parser(read_scalars, value, '.json', lambda: [log]),
        onnx_facts=Parser(lambda path: read_facts({METADATA_KEY: path.read_text(errors='replace')}, str(path)), value,
                          '.json', lambda: [json.dumps(facts).encode()]),
        pickle=Parser(load_plain_pickle, value, '.pkl',
                      lambda: [pickle.dumps(plain, protocol) for protocol in range(5)]),
        official_cache=Parser(lambda path: import_keypoints_2d(path, index), value, '.pkl',
                              lambda: [pickle.dumps(cache, protocol) for protocol in (0, 2, 4)]),
        h36m_cameras=Parser(read_cameras, value, '.pkl', lambda: [pickle.dumps({('S1', '54138969'): lens})]),
        old_checkpoint=Parser(read_whole_checkpoint, (CheckpointError, ), '.pth', lambda: [
            written(folder, lambda path: torch.save(dict(state_dict={'a': torch.ones(2)}), path,
                                                    _use_new_zipfile_serialization=False), '.pth')]))
