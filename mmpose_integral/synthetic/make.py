"""Make the stand-in data: any size and count, the same bytes for the same seed, resumable."""
import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import cv2
import numpy as np

from ..structures.skeleton import BONES
from ..utils.files import write_json
from ..utils.progress import progress_bar
from .parts import H80K_SPLITS, chunks_of, draw_chunk, final_paths, join_part, make_folders, record_path

VERSION = 2                             # of the pictures: raise it when the same seed would draw something else
_MANIFEST = 'standin.json'
_OWN_FOLDERS = ('h80k', 'mpii', 'coco', 'truth', 'parts')
_MIN_SIZE = 64


def make_standin(root, num_train=2000, num_val=500, num_test=300, num_mpii=1000, num_coco=600, image_size=256, seed=0,
                 num_workers=None, fresh=False, progress=True):
    """Make the stand-in data set, or finish one that was begun.

    Args:
        root (str | Path): folder; made when absent.
        num_train, num_val, num_test (int): frames of the three H80K splits.
        num_mpii, num_coco (int): wild images of each kind; one in eight is validation.
        image_size (int): side of the H80K frames and typical side of the wild images, px.
        seed (int): same seed, same bytes, whatever the number of workers.
        num_workers (int | None): processes; None takes all cores, 0 or 1 works in this process.
        fresh (bool): delete what an earlier run left in ``root`` first, products of the tools included.
        progress (bool): show a bar.

    Returns:
        dict: ``images`` drawn now, ``seconds``, and mean total skeleton length in mm by split, ``length_mm``.

    Raises:
        ValueError: a number is out of range, or ``root`` holds stand-in data made with other parameters.
        FileExistsError: ``fresh`` was asked for a folder that this function did not make.
    """
    counts = dict(train=num_train, val=num_val, test=num_test, mpii=num_mpii, coco=num_coco)
    _check_numbers(counts, image_size, seed)
    root = Path(root)
    parameters = dict(version=VERSION, seed=int(seed), image_size=int(image_size), counts=counts)
    if fresh:
        _remove(root)
    _check_manifest(root, parameters)
    make_folders(root)
    write_json(root / _MANIFEST, parameters)
    started = time.perf_counter()
    todo = [part for part in counts if counts[part] and not all(p.exists() for p in final_paths(root, part))]
    jobs = [(str(root), int(seed), int(image_size), *chunk)
            for part in todo for chunk in chunks_of(part, counts[part])
            if not record_path(root, *chunk).exists()]
    _run(jobs, os.cpu_count() if num_workers is None else num_workers, progress)
    for part in todo:
        join_part(root, part, counts[part])
    shutil.rmtree(root / 'parts')
    return dict(images=sum(job[-1] - job[-2] for job in jobs), seconds=time.perf_counter() - started,
                length_mm={split: _mean_length(root, split) for split in H80K_SPLITS if counts[split]})


def _check_numbers(counts, image_size, seed):
    for name, count in counts.items():
        if not isinstance(count, (int, np.integer)) or count < 0:
            raise ValueError(f'num_{name}: a whole number >= 0 expected, got {count!r}')
    if not isinstance(image_size, (int, np.integer)) or image_size < _MIN_SIZE:
        raise ValueError(f'image_size: a whole number of at least {_MIN_SIZE} px expected, got {image_size!r}')
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f'seed: a whole number >= 0 expected, got {seed!r}')


def _check_manifest(root, parameters):
    path = root / _MANIFEST
    if not path.exists():
        return
    found = json.loads(path.read_text())
    if found != parameters:
        differing = ', '.join(f'{name} {found.get(name)!r} there, {value!r} asked' for name, value in
                              parameters.items() if found.get(name) != value)
        raise ValueError(f'{root} holds stand-in data made otherwise ({differing}); choose another root, or delete '
                         f'the old data with fresh=True (--fresh)')


def _remove(root):
    if root.exists() and any(root.iterdir()) and not (root / _MANIFEST).exists():
        raise FileExistsError(f'{root} is not empty and has no {_MANIFEST}: it was not made by make_standin, so '
                              'fresh=True leaves it alone; choose another root or empty it yourself')
    for name in _OWN_FOLDERS:
        shutil.rmtree(root / name, ignore_errors=True)
    (root / _MANIFEST).unlink(missing_ok=True)


def _quiet_worker():
    """Workers leave Ctrl-C to the parent, and never start threads of their own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)


def _run(jobs, num_workers, progress):
    """Draw all chunks, in this process or in a pool."""
    if not jobs:
        return
    if num_workers <= 1:
        results, pool = map(draw_chunk, jobs), None
    else:
        # Forked workers do not import torch and mmpose again, which would take longer than drawing a small set.
        method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
        pool = multiprocessing.get_context(method).Pool(min(num_workers, len(jobs)), _quiet_worker)
        results = pool.imap_unordered(draw_chunk, jobs)
    try:
        with progress_bar(title='Rendering', total=sum(job[-1] - job[-2] for job in jobs), disable=not progress) as bar:
            for drawn in results:
                bar.update(drawn)
    finally:
        if pool is not None:
            pool.terminate()
            pool.join()


def _mean_length(root, split):
    with np.load(final_paths(root, split)[0]) as truth:
        keypoints = truth['keypoints_mm']
    parents, joints = np.array(BONES).T
    return float(np.linalg.norm(keypoints[:, joints] - keypoints[:, parents], axis=-1).sum(-1).mean())
