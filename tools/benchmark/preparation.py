"""Preparation and evaluation from end to end: growth of time and memory with the number of frames.

There is no baseline. Each size runs in its own process, one stage after the other as the tools call them. Memory is
the highest resident memory of a stage beyond that of the imports and the made-up poses (Linux).
"""
import argparse
import contextlib
import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import made_up
from measure import Row, both_clocks

from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS, rescale_to_bone_length
from mmpose_integral.evaluation.metrics import H80KMetric
from mmpose_integral.formats.h80k_index import index_path, load_index, save_index, scan_split
from mmpose_integral.formats.submission import validate_submission, write_submission
from mmpose_integral.structures import fit_weak_perspective

TITLE = 'Preparation and evaluation, end to end'
COLUMNS = dict(case='frames', contestant='stage', wall_s='wall, s', cpu_s='CPU, s', wall_us='wall, us per frame',
               peak_mb='peak memory, MB', bytes_per_frame='peak, bytes per frame', measured='growth')
LINEAR, LARGE_IMAGE = 1.5, 256


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--preparation-frames', type=int, nargs='+', default=[1000, 5000, 20000, 80000],
                        help='numbers of frames, at least two, up to 99999')


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows per size and stage, and the growth between sizes."""
    sizes = [40, 120] if args.quick else args.preparation_frames
    if len(sizes) < 2:
        raise ValueError(f'--preparation-frames: at least two sizes expected, got {sizes}')
    totals = {}
    for count in sizes:
        rows = measure_size(args.work / f'{count}', count)
        totals[count] = rows[-1]
        yield from rows
    small, large = totals[sizes[1 if len(sizes) > 2 else 0]], totals[sizes[-1]]  # fixed costs matter little in `small`
    ratio = large['cpu_s'] / large['units'] / (small['cpu_s'] / small['units'])
    yield dict(case=f'CPU time per frame, {large["units"]} frames against {small["units"]}', contestant='all',
               target=f'linear: <= {LINEAR}x', measured=f'{ratio:.2f}x', met=ratio <= LINEAR)
    *rows, total = measure_size(args.work / 'large', sizes[-2], LARGE_IMAGE, f', images of {LARGE_IMAGE} px')
    yield from rows
    ratio = total['peak_mb'] / totals[sizes[-2]]['peak_mb']
    yield dict(total, target='memory as with images of 16 px: <= 1.1x', measured=f'{ratio:.2f}x', met=ratio <= 1.1)


def measure_size(folder: Path, count: int, image_size: int = 16, label: str = '') -> list[Row]:
    """One row per stage, measured in a new process, and one of all stages."""
    made_up.write_split(folder, made_up.poses(count), image_size)
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn'), logging.disable, (logging.INFO, )) as process:
        parts = process.submit(measure_stages, folder, count).result()
    parts.append(dict(contestant='all', wall_s=sum(part['wall_s'] for part in parts),
                      cpu_s=sum(part['cpu_s'] for part in parts), peak_mb=max(part['peak_mb'] for part in parts)))
    return [dict(case=f'{count}{label}', units=count, **part, wall_us=part['wall_s'] / count * 1e6,
                 bytes_per_frame=round(part['peak_mb'] * 1e6 / count)) for part in parts]


def resident_mb(peak: bool = False) -> float:
    """Resident memory of this process now, or its highest since :func:`forget_peak`, MB."""
    key = 'VmHWM:' if peak else 'VmRSS:'
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1.024e-3


def forget_peak() -> None:
    """Reset the peak of the resident memory."""
    Path('/proc/self/clear_refs').write_text('5')


def measure_stages(folder: Path, count: int) -> list[Row]:
    """Run the stages in this process; each uses the results of the stages before it."""
    flat, rows = made_up.image_joints(made_up.poses(count), wrong=2)[0], []
    start_mb = resident_mb()

    @contextlib.contextmanager
    def measured(stage: str) -> Iterator[None]:
        forget_peak()
        start = both_clocks()
        yield
        wall, cpu = (both_clocks() - start).tolist()
        rows.append(dict(contestant=stage, wall_s=wall, cpu_s=cpu,
                         peak_mb=max(resident_mb(peak=True) - start_mb, 0.1)))

    with measured('index'):
        save_index(scan_split(folder, 'Train'), index_path(folder, 'Train'))
        index = load_index(index_path(folder, 'Train'))
    with measured('fit'):
        projected = fit_weak_perspective(index.keypoints_mm, flat).project(index.keypoints_mm)
    with measured('metric'):
        frames = zip(index.frame_ids.tolist(), index.img_paths.tolist(), projected, index.keypoints_mm, strict=True)
        H80KMetric([*PUBLISHED_SKELETON_LENGTHS.values(), 'per-frame']).compute_metrics([
            dict(frame_id=frame_id, path=path, box_found=True, pred=pred.copy(), gt=truth[None].copy())
            for frame_id, path, pred, truth in frames])
    with measured('submission'):
        path = folder / 'submission.zip'
        keypoints_mm = rescale_to_bone_length(projected, PUBLISHED_SKELETON_LENGTHS['train+val'])
        write_submission(path, keypoints_mm, index.frame_ids)
        validate_submission(path, index)
    return rows
