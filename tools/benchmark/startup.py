"""What starting costs: imports, and the quickstart's training until its first step has been taken.

Each run is a process of its own. The baseline of the imports is mmpose's own set (its API and models), which the
package stands on; the training is the quickstart's config on a tiny data set, from the process' start to the weights of
step 1, as tools/train.py would go. For later changes to be held against: there is no target.
"""
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from measure import both_clocks

TITLE = 'Start: imports and the first training step'
PACKAGES = ('torch', 'mmpose', 'mmengine')
COLUMNS = dict(case='what', contestant='until', wall_s='wall, s', cpu_s='CPU, s')
REPO = Path(__file__).resolve().parents[2]
CONFIG = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
IMPORTS = {'python alone': 'pass', 'import torch': 'import torch',
           'import mmpose.apis, mmpose.models': 'import mmpose.apis, mmpose.models',
           'import mmpose_integral': 'import mmpose_integral'}
TRAINING = 'quickstart training'
STAGES = ('imports done', 'trainer built', 'first step done')


def add_arguments(parser):
    parser.add_argument('--startup-workers', type=int, default=2, help='of the data loader, as in the config')


def run(args):
    """Rows of each import, and of the moments of the training, all in turns."""
    make_data(args.work)
    rounds = args.rounds or (1 if args.quick else 5)
    statements = list(IMPORTS.items())[-1:] if args.quick else list(IMPORTS.items())
    workers = 0 if args.quick else args.startup_workers
    times = {}
    for _ in range(rounds):
        for name, statement in statements:
            start, cpu = time.perf_counter(), children_cpu()
            run_python('-c', statement)
            times.setdefault((name, 'done'), []).append((time.perf_counter() - start, children_cpu() - cpu))
        for stage, seconds in first_step(args.work, workers).items():
            times.setdefault((TRAINING, stage), []).append(seconds)
    return [dict(case=case, contestant=until, wall_s=quartiles(seconds, 0), cpu_s=quartiles(seconds, 1),
                 rounds=rounds) for (case, until), seconds in times.items()]


def quartiles(seconds, clock):
    return np.percentile([pair[clock] for pair in seconds], (25, 50, 75)).tolist()


def children_cpu():
    """Computing time of all ended child processes, s."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_python(*words, **environment):
    """Standard output of a Python process."""
    result = subprocess.run([sys.executable, *words], capture_output=True, text=True, env={**os.environ, **environment})
    if result.returncode:
        raise ValueError(f'python {words[0]} failed:\n{result.stderr[-2000:]}')
    return result.stdout


def first_step(work, workers):
    """(wall, CPU) seconds from a process' start to each of STAGES; CPU without the loader's processes."""
    start = time.time()
    out = run_python(__file__, json.dumps(dict(start=start, workers=workers, work=str(work))),
                     STANDIN_ROOT=str(work / 'standin'))
    line = next(line for line in out.splitlines() if line.startswith('MOMENTS '))
    return dict(zip(STAGES, json.loads(line.removeprefix('MOMENTS ')), strict=True))


def make_data(work):
    """The smallest stand-in data set with its products, all true."""
    from mmpose_integral.datasets.h80k_index import save_index, scan_split
    from mmpose_integral.preparation.products import save_boxes, save_keypoints_2d
    from mmpose_integral.synthetic import make_standin
    make_standin(work / 'standin', num_train=16, num_val=8, num_test=4, num_mpii=18, num_coco=0, image_size=128,
                 num_workers=1, progress=False)
    for split in ('train', 'val'):
        folder = work / 'standin' / 'h80k' / 'annotations'
        save_index(scan_split(work / 'standin' / 'h80k', split.capitalize())[0], folder / f'h80k_{split}.npz')
        with np.load(work / 'standin' / 'truth' / f'h80k_{split}.npz') as truth:
            frame_ids, keypoints, boxes = (truth[key] for key in ('frame_ids', 'keypoints_2d', 'bbox'))
        boxes[:, 2:] -= boxes[:, :2]
        save_boxes(folder / f'h80k_{split}_boxes.json', {
            int(frame_id): dict(bbox=box, score=0.9) for frame_id, box in zip(frame_ids, boxes.tolist(), strict=True)})
        save_keypoints_2d(folder / f'h80k_{split}_keypoints_2d.npz', frame_ids, keypoints, np.ones(keypoints.shape[:2]))


class StopRun(Exception):
    """The first step has been taken."""


def train_here(start, workers, work):
    """Train until the first step is done; prints the moments."""
    moments = []

    def note():
        moments.append((time.time() - start, float(both_clocks()[1])))

    from mmengine.config import Config
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    import mmpose_integral  # noqa: F401  registers everything
    note()

    class StopAfterOneStep(Hook):
        priority = 'LOWEST'

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            note()
            raise StopRun

    cfg = Config.fromfile(CONFIG)
    cfg.work_dir = str(Path(work) / 'work')
    cfg.train_dataloader.update(num_workers=workers, persistent_workers=workers > 0)
    cfg.log_level = 'ERROR'
    runner = Runner.from_cfg(cfg)
    runner.register_hook(StopAfterOneStep())
    note()
    try:
        runner.train()
    except StopRun:
        print('MOMENTS', json.dumps(moments))
        sys.stdout.flush()
        os._exit(0)  # the loader's processes would be waited for


def plot(rows, figure):
    """Bars of wall seconds."""
    axes = figure.subplots()
    rows = rows[::-1]
    low, middle, high = np.array([row['wall_s'] for row in rows]).T
    axes.barh(range(len(rows)), middle, xerr=[middle - low, high - middle], color='#0072B2')
    axes.set_yticks(range(len(rows)), [f'{row["case"]}: {row["contestant"]}' for row in rows], fontsize=8)
    axes.set_xlabel("wall seconds from the process' start")


if __name__ == '__main__':
    train_here(**json.loads(sys.argv[1]))
