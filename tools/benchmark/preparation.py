"""Preparation and evaluation from end to end, and how time and memory grow with the number of frames.

No baseline: each size runs in a process of its own, stage after stage as the tools call them, and reports seconds and
how far its resident memory rose above that of the imports and the made-up poses (Linux). Stages: index (scan CSV and
JPEG files, check, save, load), fit (robust cameras, projection), metric (H80KMetric from its records), submission
(rescale, ZIP, validation).
"""
import json
import logging
import subprocess
import sys
from pathlib import Path

import made_up
from measure import both_clocks

TITLE = 'Preparation and evaluation, end to end'
COLUMNS = dict(case='frames', contestant='stage', wall_s='wall, s', cpu_s='CPU, s', wall_us='wall, us per frame',
               peak_mb='peak memory, MB', bytes_per_frame='peak, bytes per frame', measured='growth')
LINEAR, LARGE_IMAGE = 1.5, 256


def add_arguments(parser):
    parser.add_argument('--preparation-frames', type=int, nargs='+', default=[1000, 5000, 20000, 80000],
                        help='sizes, two at least, up to 99999')


def run(args):
    """Rows of each size and stage, and what they say about growth."""
    sizes = [40, 120] if args.quick else args.preparation_frames
    if len(sizes) < 2:
        raise ValueError('--preparation-frames: two sizes at least expected')
    rows = [row for count in sizes for row in measure_size(args.work / f'{count}', count)]
    total = {row['units']: row for row in rows if row['contestant'] == 'all'}
    small, large = sizes[1 if len(sizes) > 2 else 0], sizes[-1]  # the small one is past the fixed costs
    ratio = total[large]['cpu_s'] / large / (total[small]['cpu_s'] / small)
    rows.append(dict(case=f'CPU time per frame, {large} frames against {small}', contestant='all',
                     target=f'linear: <= {LINEAR}x', measured=f'{ratio:.2f}x', met=ratio <= LINEAR))
    again = measure_size(args.work / 'large', sizes[-2], LARGE_IMAGE, f'{sizes[-2]}, images of {LARGE_IMAGE} px')
    ratio = again[-1]['peak_mb'] / total[sizes[-2]]['peak_mb']
    again[-1].update(target='memory as with images of 16 px: <= 1.1x', measured=f'{ratio:.2f}x', met=ratio <= 1.1)
    return rows + again


def measure_size(folder, count, image_size=16, label=None):
    """Rows of one size, measured in a new process; and one of all stages."""
    made_up.write_split(folder, made_up.poses(count), image_size)
    result = subprocess.run([sys.executable, __file__, str(folder), str(count)], capture_output=True, text=True)
    if result.returncode:
        raise ValueError(f'{count} frames: the measuring process failed:\n{result.stderr[-2000:]}')
    parts = json.loads(result.stdout.splitlines()[-1])
    parts.append(dict(contestant='all', wall_s=sum(part['wall_s'] for part in parts),
                      cpu_s=sum(part['cpu_s'] for part in parts), peak_mb=max(part['peak_mb'] for part in parts)))
    return [dict(case=label or f'{count}', units=count, **part, wall_us=part['wall_s'] / count * 1e6,
                 bytes_per_frame=round(part['peak_mb'] * 1e6 / count)) for part in parts]


def resident_mb(peak=False):
    """Resident memory of this process, or its highest since :func:`forget_peak`, MB."""
    key = 'VmHWM:' if peak else 'VmRSS:'
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1.024e-3


def forget_peak():
    """Let the peak begin anew."""
    Path('/proc/self/clear_refs').write_text('5')


def make_stages(folder, count):
    """Functions by stage; each hands on what the next one needs."""
    from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS, rescale_to_bone_length
    from mmpose_integral.evaluation.metrics import H80KMetric
    from mmpose_integral.formats.h80k_index import index_path, load_index, save_index, scan_split
    from mmpose_integral.formats.submission import validate_submission, write_submission
    from mmpose_integral.structures import fit_weak_perspective
    logging.getLogger('mmengine').setLevel(logging.ERROR)
    got = {}

    def index():
        save_index(scan_split(folder, 'Train')[0], index_path(folder, 'Train'))
        got['index'] = load_index(index_path(folder, 'Train'))

    def fit():
        camera = fit_weak_perspective(got['index'].keypoints_mm, flat)
        got['projected'] = camera.project(got['index'].keypoints_mm)

    def metric():
        evaluator, index = H80KMetric(bone_lengths=['per-frame']), got['index']
        evaluator.bone_lengths = {**PUBLISHED_SKELETON_LENGTHS, 'per-frame': 'per-frame'}
        rows = zip(index.frame_ids.tolist(), index.img_paths.tolist(), got['projected'], index.keypoints_mm,
                   strict=True)
        evaluator.compute_metrics([dict(frame_id=frame_id, path=path, box_found=True, pred=one.copy(),
                                        gt=truth[None].copy()) for frame_id, path, one, truth in rows])

    def submission():
        path = folder / 'submission.zip'
        keypoints_mm = rescale_to_bone_length(got['projected'], PUBLISHED_SKELETON_LENGTHS['train+val'])
        write_submission(path, keypoints_mm, got['index'].frame_ids)
        validate_submission(path, got['index'])

    flat = made_up.image_joints(made_up.poses(count), wrong=2)[0]
    return dict(index=index, fit=fit, metric=metric, submission=submission)


def measure_here(folder, count):
    """Run the stages in this process; prints their rows as JSON."""
    stages, rows = make_stages(folder, count), []
    start_mb = resident_mb()
    for stage, call in stages.items():
        forget_peak()
        start = both_clocks()
        call()
        wall, cpu = (both_clocks() - start).tolist()
        rows.append(dict(contestant=stage, wall_s=wall, cpu_s=cpu,
                         peak_mb=max(resident_mb(peak=True) - start_mb, 0.1)))
    print(json.dumps(rows))


if __name__ == '__main__':
    measure_here(Path(sys.argv[1]), int(sys.argv[2]))
