"""Training samples of the H80K part: JPEG of 1000x1000 px -> input tensor, with all the paper's augmentation.

The frames are rendered ones, in the JPEG quality of CHALL_H80K's own (quantisation tables of quality 75, some 65 kB)
and in a higher one.

Baseline: the whole frame decoded and converted to RGB, a camera fitted by SVD, python loops over joints, the crop
mirrored, and colour gains and normalisation in float32 on the CPU. It asks malloc for memory as a process does by
default. Ours: the pipeline of configs/integral_r152_h80k.py on its H80K part; it ends with uint8 pixels, which the
model's device normalises. First both give the same labels and pixels; then one core is timed in turns (each draws a few
samples before its clock starts, so that it finds its memory as a worker does that has run for a while), then worker
processes that hand batches of 16 to this one.
"""
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from data_stages import measure_stages
from measure import ResultsDiffer, compare
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from plain_sample import MEAN, STD, plain_sample
from torch.utils.data import DataLoader, Dataset

from mmpose_integral.datasets import keep_freed_memory
from mmpose_integral.formats.cameras import save_cameras
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d
from mmpose_integral.structures import fit_weak_perspective
from mmpose_integral.synthetic import make_standin
from mmpose_integral.synthetic.prepare import prepare_from_truth

TITLE = 'Data: training samples'
PACKAGES = ('torch', 'opencv-python', 'opencv-python-headless', 'mmpose')
COLUMNS = dict(case='what', contestant='how', ms='CPU, ms per sample', cpu_ratio='times as fast',
               difference='mean difference, grey levels', workers='workers', samples_s='samples/s, wall')
PLAIN, OURS = 'plain', 'ours'
REPO = Path(__file__).resolve().parents[2]
CONFIG = REPO / 'configs' / 'integral_r152_h80k.py'
OWN_QUALITY = 75  # of CHALL_H80K's frames
SOFTER = 1.5  # grey levels, mean over a sample; rounding comes to 0.25, a second JPEG to as much again


def add_arguments(parser):
    parser.add_argument('--data-loading-frames', type=int, default=32, help='different frames, read again and again')
    parser.add_argument('--data-loading-size', type=int, default=1000, help='their side, px')
    parser.add_argument('--data-loading-frame-quality', type=int, nargs='+', default=[OWN_QUALITY, 95],
                        help=f'of their JPEGs (default: {OWN_QUALITY}, as CHALL_H80K has, and 95)')
    parser.add_argument('--data-loading-workers', type=int, nargs='+', help='default: 1, 2, 4 ... up to the cores')


def run(args):
    """Rows of one core, and of worker processes."""
    frames, size = (4, 256) if args.quick else (args.data_loading_frames, args.data_loading_size)
    rows, of_workers = [], None
    for quality in args.data_loading_frame_quality:
        sets = build_sets(prepare(args.work / f'{quality}', frames, size, quality))
        rows += one_core(sets, args.rounds or (2 if args.quick else 60), f'{size}x{size} JPEG, quality {quality}')
        stages = measure_stages(sets[OURS], 2 if args.quick else 15)
        rows += [dict(case=f'stages, quality {quality}, {OURS}', contestant=stage, ms=ms)
                 for stage, ms in stages.items()]
        of_workers = of_workers or sets
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    powers = {2 ** k for k in range(cores.bit_length()) if 2 ** k <= cores}
    workers = [1] if args.quick else args.data_loading_workers or sorted({cores, *powers})
    samples = 32 if args.quick else 640
    return rows + worker_rows(of_workers, workers, samples)


def prepare(work, frames, size, quality):
    """Render a Train split and what its preparation makes, with the truth in place of models.

    Returns:
        Config: the headline's, with H80K alone.
    """
    make_standin(work / 'data', num_train=frames, num_val=1, num_test=0, num_mpii=0, num_coco=0, image_size=size,
                 num_workers=1, progress=False)
    root = work / 'data' / 'h80k'
    for path in (root / 'Train' / 'IMG').glob('*.jpg'):
        cv2.imwrite(str(path), cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, quality])
    prepare_from_truth(work / 'data', splits=('train', ))
    folder = root / 'annotations'
    index = load_index(folder / 'h80k_train.npz')
    # The plain way fits all joints alike, and truth has no wrong ones.
    points, _ = load_keypoints_2d(folder / 'h80k_train_keypoints_2d.npz', index.frame_ids)
    save_cameras(folder / 'h80k_train_cameras.npz', index.frame_ids,
                 fit_weak_perspective(index.keypoints_mm, points, rotation=True, robust=False))
    os.environ['H80K_ROOT'], before = str(root), os.environ.get('H80K_ROOT')
    try:
        config = Config.fromfile(CONFIG)
    finally:
        os.environ.pop('H80K_ROOT') if before is None else os.environ.update(H80K_ROOT=before)
    config.train_dataloader.dataset.datasets = config.train_dataloader.dataset.datasets[:1]
    config.train_dataloader.dataset.datasets[0].keypoints_2d_file = 'annotations/h80k_train_keypoints_2d.npz'
    return config


def build_sets(config):
    """The contestants as data sets of the same frames."""
    init_default_scope('mmpose')
    ours = DATASETS.build(config.train_dataloader.dataset)
    input_size = next(step.input_size for step in config.train_dataloader.dataset.pipeline if 'input_size' in step)
    return {PLAIN: PlainFrames(ours.datasets[0], tuple(input_size)), OURS: ours}


class PlainFrames(Dataset):
    """The baseline as a data set, of the same frames."""

    def __init__(self, source, input_size):
        self.input_size, self.frames = input_size, []
        for number in range(len(source)):
            info = source.get_data_info(number)
            self.frames.append(dict(path=info['img_path'], **{
                key: info[key][0] for key in ('bbox', 'keypoints_mm', 'keypoints_2d')}))

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, number):
        return plain_sample(self.frames[int(number)], self.input_size)


def set_memory(name):
    """Let malloc work as a contestant's loader has it."""
    if name == OURS:
        keep_freed_memory()
    else:  # what glibc's own adjustment comes to after the first frame is freed: its size, and twice that
        keep_freed_memory(largest=3 << 20, kept=6 << 20)


def one_core(sets, rounds, case):
    """Rows of :func:`measure.compare`, a round being the next few frames with new augmentation.

    Turns are short, as what other machines on the same processor do changes within seconds.
    """
    number, count = dict.fromkeys(sets, 0), len(sets[PLAIN])
    turn = min(count, 8)

    def contestant(name, dataset):
        def next_frames():
            np.random.seed(number[name])
            first = number[name] * turn
            number[name] += 1
            return [dataset[i % count] for i in range(first, first + turn)]
        return next_frames, turn

    def settle(name, dataset):
        def draw_some():
            set_memory(name)
            for i in range(turn // 2):
                dataset[i]
        return draw_some

    def check(expected, found):
        levels = []
        for (pixels, labels), sample in zip(expected, found, strict=True):
            theirs = sample['data_samples'].gt_instance_labels.keypoint_labels[0]
            if not torch.allclose(labels, theirs, atol=2e-4):
                raise ResultsDiffer(f'labels differ by up to {float((labels - theirs).abs().max()):.2g}')
            inputs = sample['inputs'].flip(0).permute(1, 2, 0).numpy()
            levels.append(np.abs(pixels.permute(1, 2, 0).numpy() * STD + MEAN - inputs).mean())
        if max(levels) > SOFTER:
            raise ResultsDiffer(f'pixels of a sample differ by {max(levels):.2f} grey levels in the mean')
        return float(np.mean(levels))

    rows = compare(case, {name: contestant(name, dataset) for name, dataset in sets.items()}, rounds, unit='sample',
                   target=2, check=check,
                   before={name: settle(name, dataset) for name, dataset in sets.items()})
    return [dict(row, ms=[value / 1e3 for value in row['cpu_us']]) for row in rows]


class Repeated(Dataset):
    """A data set over and over."""

    def __init__(self, dataset, count):
        self.dataset, self.count = dataset, count

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        return self.dataset[number % len(self.dataset)]


def worker_rows(datasets, workers, samples):
    """Wall time of batches that arrive here; the first two batches a worker are not counted."""
    rows = []
    for count in workers:
        for name, dataset in datasets.items():
            set_memory(name)  # which workers inherit
            batches = DataLoader(Repeated(dataset, samples + 32 * count), batch_size=16, num_workers=count,
                                 collate_fn=None if name == PLAIN else pseudo_collate, worker_init_fn=one_thread)
            seen = 0
            for n, batch in enumerate(batches):
                seen += len(batch[0] if name == PLAIN else batch['inputs'])
                if n + 1 == 2 * count:
                    start, seen = time.perf_counter(), 0
            rows.append(dict(case=f'{count} workers' if count > 1 else '1 worker', contestant=name, workers=count,
                             samples_s=seen / (time.perf_counter() - start)))
    return rows


def one_thread(_):
    """A worker keeps to its core."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


if __name__ == '__main__':
    sys.exit('run.py data_loading runs it')
