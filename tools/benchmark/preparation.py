"""Preparation and evaluation from end to end, and how time and memory grow with the number of frames.

No baseline: each size runs in a process of its own, stage after stage as the tools call them, and reports seconds and
how far its resident memory rose above that of the imports and the made-up poses. Stages: index (scan CSV and JPEG
files, check, save, load), fit (robust cameras, projection), metric (H80KMetric from its records), submission (rescale,
ZIP, validation).
The fit and evaluate_h80k also run alone, on more frames than any set has.
"""
import contextlib
import json
import logging
import resource
import subprocess
import sys
from pathlib import Path

import made_up
from measure import both_clocks

TITLE = 'Preparation and evaluation, end to end'
COLUMNS = dict(case='frames', contestant='stage', wall_s='wall, s', cpu_s='CPU, s', wall_us='wall, us a frame',
               peak_mb='peak memory, MB', bytes_a_frame='peak, bytes a frame', measured='growth')
STAGES, ALONE = ('index', 'fit', 'metric', 'submission'), ('fit alone', 'evaluate_h80k alone')
LENGTHS = {'train+val': 4502.881, 'train': 4522.828, 'val': 4465.869, 'per-frame': 'per-frame'}
LINEAR, LARGE_IMAGE = 1.5, 256


def add_arguments(parser):
    parser.add_argument('--preparation-frames', type=int, nargs='+', default=[1000, 5000, 20000, 80000],
                        help='sizes from end to end, up to 99999')
    parser.add_argument('--preparation-alone', type=int, nargs='+', default=[10000, 100000, 1000000],
                        help='sizes of fit and metric alone')


def run(args):
    """Rows of each size and stage, and what they say about growth."""
    sizes, alone = (args.preparation_frames, args.preparation_alone) if not args.quick else ([40, 120], [400])
    rows = []
    for count in sizes:
        rows += measure_size(args.work / f'{count}', count, STAGES)
    rows += growth_rows(rows, sizes)
    rows += image_rows(args.work, sizes[-2 if len(sizes) > 1 else 0], rows)
    for count in alone:
        rows += measure_size(args.work, count, ALONE)
    return rows


def measure_size(folder, count, stages, image_size=16, label=None):
    """Rows of one size, measured in a new process; and one of all stages where they are a chain."""
    if stages is STAGES:
        made_up.write_split(folder, 'Train', made_up.poses(count), image_size)
    command = [sys.executable, __file__, json.dumps(dict(folder=str(folder), count=count, stages=stages))]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise ValueError(f'{count} frames: the measuring process failed:\n{result.stderr[-2000:]}')
    parts = json.loads(result.stdout.splitlines()[-1])
    if stages is STAGES:
        parts.append(dict(contestant='all', wall_s=sum(part['wall_s'] for part in parts),
                          cpu_s=sum(part['cpu_s'] for part in parts), peak_mb=max(part['peak_mb'] for part in parts)))
    return [dict(case=label or f'{count}', units=count, **part, wall_us=part['wall_s'] / count * 1e6,
                 bytes_a_frame=round(part['peak_mb'] * 1e6 / count)) for part in parts]


def growth_rows(rows, sizes):
    """Whether time a frame stays what it is: the largest size against a small one that is past the fixed costs."""
    small, large = sizes[1 if len(sizes) > 2 else 0], sizes[-1]
    costs = [next(row['cpu_s'] / row['units'] for row in rows if row['units'] == size and row['contestant'] == 'all')
             for size in (small, large)]
    ratio = costs[1] / costs[0]
    return [dict(case=f'CPU time a frame, {large} frames against {small}', contestant='all',
                 target=f'linear: <= {LINEAR}x', measured=f'{ratio:.2f}x', met=ratio <= LINEAR)]


def image_rows(work, count, rows):
    """The same number of frames with larger images must not take more memory."""
    label = f'{count}, images of {LARGE_IMAGE} px'
    more = measure_size(work / 'large_images', count, STAGES, LARGE_IMAGE, label)
    small = next(row['peak_mb'] for row in rows if row.get('units') == count and row['contestant'] == 'all')
    ratio = more[-1]['peak_mb'] / small
    more[-1].update(target='memory as with images of 16 px: <= 1.1x', measured=f'{ratio:.2f}x', met=ratio <= 1.1)
    return more


def plot(rows, figure):
    """Seconds and megabytes against frames, by stage."""
    for axes, key, title in zip(figure.subplots(1, 2), ('wall_s', 'peak_mb'), ('wall time, s', 'peak memory, MB'),
                                strict=True):
        for stage in (*STAGES, 'all', *ALONE):
            points = [(row['units'], row[key]) for row in rows if row['contestant'] == stage and 'units' in row
                      and row['case'] == f'{row["units"]}']
            axes.plot(*zip(*points, strict=True), marker='o', label=stage, ls='--' if stage in ALONE else '-')
        axes.set(xscale='log', yscale='log', xlabel='frames', ylabel=title)
        axes.grid(alpha=.3)
    axes.legend(fontsize=8)


def resident_mb(peak=False):
    """Resident memory of this process, or its highest since :func:`forget_peak`, MB."""
    status = Path('/proc/self/status')
    if not status.is_file():  # not Linux: the highest since the process began
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == 'darwin' else 1e3)
    key = 'VmHWM:' if peak else 'VmRSS:'
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(key)) * 1.024e-3


def forget_peak():
    """Let the peak begin anew, where the system can."""
    with contextlib.suppress(OSError):
        Path('/proc/self/clear_refs').write_text('5')


def make_records(index, pred):
    """What H80KMetric keeps of each frame."""
    rows = zip(index.frame_ids.tolist(), index.img_paths.tolist(), pred, index.keypoints_mm, strict=True)
    return [dict(frame_id=frame_id, path=path, box_found=True, pred=one.copy(), gt=truth[None].copy())
            for frame_id, path, one, truth in rows]


def make_stages(folder, count):
    """Functions by stage; each hands on what the next one needs."""
    from mmpose_integral.datasets.h80k_index import index_path, load_index, save_index, scan_split
    from mmpose_integral.evaluation.functional import evaluate_h80k, rescale_to_bone_length
    from mmpose_integral.evaluation.metrics import H80KMetric
    from mmpose_integral.evaluation.submission import validate_submission, write_submission
    from mmpose_integral.structures import fit_weak_perspective
    logging.getLogger('mmengine').setLevel(logging.ERROR)
    got = {}

    def index():
        save_index(scan_split(folder, 'Train')[0], index_path(folder, 'Train'))
        got['index'] = load_index(index_path(folder, 'Train'))

    def fit():
        poses = got['index'].keypoints_mm if 'index' in got else got['poses']
        camera = fit_weak_perspective(poses, got['flat'])
        got['projected'] = camera.project(poses)

    def metric():
        evaluator = H80KMetric(bone_lengths=['per-frame'])
        evaluator.bone_lengths = LENGTHS
        evaluator.compute_metrics(make_records(got['index'], got['projected']))

    def submission():
        path = Path(folder) / 'submission.zip'
        poses, frame_ids = rescale_to_bone_length(got['projected'], 4502.881), got['index'].frame_ids
        write_submission(path, poses, frame_ids)
        validate_submission(path, got['index'])

    def evaluate():
        evaluate_h80k(got['projected'], got['poses'], LENGTHS)

    got['poses'] = made_up.poses(count)
    got['flat'] = made_up.image_joints(got['poses'], wrong=2)[0]
    return dict(zip((*STAGES, *ALONE), (index, fit, metric, submission, fit, evaluate), strict=True))


def measure_here(folder, count, stages):
    """Run stages in this process; prints their rows as JSON."""
    calls, rows = make_stages(folder, count), []
    forget_peak()
    start_mb = resident_mb()
    for stage in stages:
        forget_peak()
        start = both_clocks()
        calls[stage]()
        wall, cpu = (both_clocks() - start).tolist()
        rows.append(dict(contestant=stage, wall_s=wall, cpu_s=cpu,
                         peak_mb=max(resident_mb(peak=True) - start_mb, 0.1)))
    print(json.dumps(rows))


if __name__ == '__main__':
    measure_here(**json.loads(sys.argv[1]))
