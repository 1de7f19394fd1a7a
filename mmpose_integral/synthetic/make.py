"""Making of the stand-in data: any size and count, the same bytes for the same seed, resumable."""
import contextlib
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np

from ..structures.bone_length import mean_skeleton_length
from ..utils.errors import ExpectedError
from ..utils.files import write_json
from ..utils.launch import end_with
from ..utils.locks import LOCK_NAME
from ..utils.progress import progress_bar
from ..utils.reading import read_json_object
from .parts import H80K_SPLITS, chunks_of, draw_chunk, final_paths, join_part, make_folders, record_path

_VERSION = 2  # raise it when the same seed gives other pictures
_MANIFEST = 'standin.json'
_OWN_FOLDERS = ('h80k', 'mpii', 'coco', 'truth', 'parts')
_MIN_SIZE = 64


def make_standin(root: str | Path, num_train: int = 2000, num_val: int = 500, num_test: int = 300, num_mpii: int = 1000,
                 num_coco: int = 600, image_size: int = 256, seed: int = 0, num_workers: int | None = None,
                 fresh: bool = False, progress: bool = True, random_backgrounds: bool = False,
                 random_people: bool = False, photographs: bool = False) -> dict:
    """Make the stand-in data set, or finish one that was begun.

    Args:
        root: Folder of the data set; it is made if it does not exist.
        num_train: Frames of H80K Train.
        num_val: Frames of H80K Val.
        num_test: Frames of H80K Test.
        num_mpii: Images of the MPII part; one in eight is for validation.
        num_coco: Images of the COCO part; one in eight is for validation.
        image_size: Side of the H80K frames and typical side of the other images, px.
        seed: Seed of all random draws. The same seed gives the same bytes with any number of workers.
        num_workers: Number of processes. None stands for all cores; 0 and 1 draw in this process.
        fresh: Whether to delete the content of ``root`` first, including the products of the preparation tools.
        progress: Whether to show a progress bar.
        random_backgrounds: Whether the H80K frames show random scenes in place of the studio, which tells from which
            direction a person is seen.
        random_people: Whether each H80K frame shows another person with other clothes. None of them is one of the
            people of the splits, or wears their clothes.
        photographs: Whether the H80K frames are pictures of :func:`render_photo`: other people, clothes, scenes, lights
            and camera positions in every frame, further people, and objects in front. The other two options are then
            without effect.

    Returns:
        ``images``, drawn in this call; ``seconds``; ``length_mm``, mean total skeleton length in mm by split.

    Raises:
        ValueError: If a number is out of range, or ``root`` has stand-in data made with other parameters.
        FileExistsError: If ``fresh`` is set for a folder that this function did not make.
        ExpectedError: If a process that draws pictures was killed. The next call continues.
    """
    counts = dict(train=num_train, val=num_val, test=num_test, mpii=num_mpii, coco=num_coco)
    _check_numbers(counts, image_size, seed)
    root = Path(root)
    parameters = dict(version=_VERSION, seed=int(seed), image_size=int(image_size), counts=counts)
    options = dict(random_background=random_backgrounds, random_person=random_people, photograph=photographs)
    parameters |= {name: True for name, chosen in options.items() if chosen}
    if fresh:
        _remove(root)
    _check_manifest(root, parameters)
    make_folders(root)
    write_json(root / _MANIFEST, parameters)
    started = time.perf_counter()
    todo = [part for part in counts if counts[part] and not all(p.exists() for p in final_paths(root, part))]
    jobs = [(root, int(seed), int(image_size), options, *chunk)
            for part in todo for chunk in chunks_of(part, counts[part])
            if not record_path(root, *chunk).exists()]
    _run(jobs, os.cpu_count() or 1 if num_workers is None else num_workers, progress)
    for part in todo:
        join_part(root, part, counts[part])
    shutil.rmtree(root / 'parts')
    lengths = {}
    for split in H80K_SPLITS:
        if counts[split]:
            with np.load(final_paths(root, split)[0]) as truth:
                lengths[split] = mean_skeleton_length(truth['keypoints_mm'])
    return dict(images=sum(job[-1] - job[-2] for job in jobs), seconds=time.perf_counter() - started, length_mm=lengths)


def _check_numbers(counts: dict[str, int], image_size: int, seed: int) -> None:
    numbers = {f'num_{name}': count for name, count in counts.items()} | dict(image_size=image_size, seed=seed)
    for name, value in numbers.items():
        smallest = _MIN_SIZE if name == 'image_size' else 0
        if not isinstance(value, (int, np.integer)) or value < smallest:
            raise ValueError(f'{name}: a whole number >= {smallest} expected, got {value!r}')


def _check_manifest(root: Path, parameters: dict) -> None:
    path = root / _MANIFEST
    if not path.exists():
        return
    found = read_json_object(path)
    if found != parameters:
        differences = ', '.join(f'{name}: {found.get(name)!r} there, {value!r} requested'
                                for name, value in parameters.items() if found.get(name) != value)
        raise ValueError(f'{root} has stand-in data made with other parameters ({differences}); choose another root, '
                         'or delete the old data with fresh=True (--fresh)')


def _remove(root: Path) -> None:
    if root.exists() and {path.name for path in root.iterdir()} - {LOCK_NAME} and not (root / _MANIFEST).exists():
        raise FileExistsError(f'{root} was not made by make_standin, because it is not empty and has no {_MANIFEST}; '
                              'fresh=True does not delete it; choose another root or empty it yourself')
    for name in _OWN_FOLDERS:
        shutil.rmtree(root / name, ignore_errors=True)
    (root / _MANIFEST).unlink(missing_ok=True)


def _start_worker(parent: int) -> None:
    """Ignore Ctrl-C, which the parent handles, end with the parent, and start no threads."""
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)


def _run(jobs: list[tuple], num_workers: int, progress: bool) -> None:
    """Draw all chunks."""
    if not jobs:
        return
    with progress_bar(title='Rendering', total=sum(job[-1] - job[-2] for job in jobs), disable=not progress) as bar, \
            contextlib.closing(_draw(jobs, min(num_workers, len(jobs)))) as results:
        for drawn in results:
            bar.update(drawn)


def _draw(jobs: list[tuple], num_workers: int) -> Generator[int, None, None]:
    """Draw chunks in this process or in a pool, and yield the number of images of each."""
    if num_workers <= 1:
        yield from map(draw_chunk, jobs)
        return
    # Forked workers do not import torch and mmpose again, which would take longer than drawing a small set.
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(num_workers, context, _start_worker, (os.getpid(), )) as pool:
        try:
            for future in as_completed([pool.submit(draw_chunk, job) for job in jobs]):
                yield future.result()
        except BrokenProcessPool:
            raise ExpectedError(
                'a process that drew pictures has ended early, perhaps because the memory was full. The same command '
                'continues. Fewer processes (num_workers=, --num-workers) need less memory') from None
        except BaseException:  # an error or Ctrl-C, which should not wait until all workers have drawn their chunks
            for worker in list(pool._processes.values()):  # from Python 3.14 on, there is pool.kill_workers()
                worker.kill()
            raise
