"""Training samples of the H80K part: JPEG of 1000x1000 px -> input tensor, with all the paper's augmentation.

The frames are rendered, in the JPEG quality of CHALL_H80K's own and in a higher one. Baseline: decode the whole frame
and convert it to RGB, fit a camera by SVD, loop over joints in Python, mirror the crop, and apply colour gains and
normalisation in float32 on the CPU, with malloc's default settings. Candidate: the pipeline of
configs/integral_r152_h80k.py on its H80K part. It ends with uint8 pixels, which the model normalises on its device.

Labels and pixels of both are compared. Then one core is timed in turns. Before its clock starts, each contestant draws
a few samples, so that its memory is in the state of a worker that has run for a while. Last, worker processes send
batches of 16 to this process.
"""
import argparse
import itertools
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from baselines import MEAN, STD, plain_sample
from measure import ResultsDiffer, Row, compare, quartiles, seconds_by_stage
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from torch.utils.data import DataLoader, Dataset, Subset

from mmpose_integral.datasets import keep_freed_memory
from mmpose_integral.datasets.transforms import PackPose3DInputs, RandomChannelGain
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
CONFIG = Path(__file__).resolve().parents[2] / 'configs' / 'integral_r152_h80k.py'
QUALITIES = (75, 95)  # the first one is that of CHALL_H80K's frames; workers read it only
# The baseline has glibc's own settings after the first frame is freed: the frame's size, and twice that.
MEMORY = {PLAIN: dict(largest=3 << 20, kept=6 << 20), OURS: {}}
# Largest mean difference of a sample in grey levels. Rounding gives 0.25, a second JPEG about as much again.
PIXEL_TOLERANCE = 1.5
# Functions per stage. The rest is meta data, box, camera and labels.
STAGES: dict[str, list] = {'decode': [(cv2, 'imdecode')], 'warp': [(cv2, 'warpAffine')],
          'colour': [(RandomChannelGain, 'transform')], 'pack': [(PackPose3DInputs, 'transform')]}


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--data-loading-workers', type=int, nargs='+',
                        help='numbers of worker processes (default: 1, 2, 4 ... up to the number of cores)')


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of one core and its stages, and of worker processes."""
    frames, size = (4, 256) if args.quick else (32, 1000)
    datasets = {quality: build_sets(prepare(args.work / f'{quality}', frames, size, quality)) for quality in QUALITIES}
    for quality, sets in datasets.items():
        yield from one_core(sets, args.rounds or (2 if args.quick else 60), f'{size}x{size} JPEG, quality {quality}')
        yield from stage_rows(sets[OURS], 2 if args.quick else 15, f'stages, quality {quality}, {OURS}')
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    powers = [2 ** k for k in range(20) if 2 ** k < cores]
    workers = [1] if args.quick else args.data_loading_workers or [*powers, cores]
    yield from worker_rows(datasets[QUALITIES[0]], workers, 32 if args.quick else 640)


def prepare(work: Path, frames: int, size: int, quality: int) -> Config:
    """Render a Train split with its index, boxes and cameras; returns the headline's config with H80K alone."""
    make_standin(work / 'data', num_train=frames, num_val=1, num_test=0, num_mpii=0, num_coco=0, image_size=size,
                 num_workers=1, progress=False)
    root = work / 'data' / 'h80k'
    for path in (root / 'Train' / 'IMG').glob('*.jpg'):
        cv2.imwrite(str(path), cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, quality])
    prepare_from_truth(work / 'data', splits=('train', ))
    folder = root / 'annotations'
    index = load_index(folder / 'h80k_train.npz')
    # The baseline's fit is not robust, so the cameras of both are plain fits.
    points, _ = load_keypoints_2d(folder / 'h80k_train_keypoints_2d.npz', index)
    save_cameras(folder / 'h80k_train_cameras.npz', index,
                 fit_weak_perspective(index.keypoints_mm, points, rotation=True, robust=False))
    config = Config.fromfile(CONFIG)
    config.train_dataloader.dataset.datasets = config.train_dataloader.dataset.datasets[:1]
    config.train_dataloader.dataset.datasets[0].update(
        data_root=str(root), keypoints_2d_file='annotations/h80k_train_keypoints_2d.npz')
    return config


class PlainFrames(Dataset):
    """The baseline as a dataset of the same frames."""

    def __init__(self, source: Dataset, input_size: tuple[int, int]) -> None:
        self.input_size, infos = input_size, [source.get_data_info(number) for number in range(len(source))]
        self.frames = [dict(path=info['img_path'], **{
            key: info[key][0] for key in ('bbox', 'keypoints_mm', 'keypoints_2d')}) for info in infos]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        return plain_sample(self.frames[number], self.input_size)


def build_sets(config: Config) -> dict[str, Dataset]:
    """The contestants as datasets of the same frames."""
    init_default_scope('mmpose')
    ours = DATASETS.build(config.train_dataloader.dataset)
    input_size = next(step.input_size for step in config.train_dataloader.dataset.pipeline if 'input_size' in step)
    return {PLAIN: PlainFrames(ours.datasets[0], tuple(input_size)), OURS: ours}


def one_core(sets: dict[str, Dataset], rounds: int, case: str) -> list[Row]:
    """Time one core in short turns, because other load changes within seconds. Each round has new augmentation."""
    count = len(sets[PLAIN])
    turn, numbers = min(count, 8), {name: itertools.count() for name in sets}

    def next_frames(name: str) -> list:
        number = next(numbers[name])
        np.random.seed(number)
        return [sets[name][i % count] for i in range(number * turn, (number + 1) * turn)]

    def settle(name: str) -> None:
        keep_freed_memory(**MEMORY[name])
        for i in range(turn // 2):
            sets[name][i]

    rows = compare(case, {name: (partial(next_frames, name), turn) for name in sets}, rounds, unit='sample',
                   targets={OURS: 2}, check=same_samples, before={name: partial(settle, name) for name in sets})
    return [dict(row, ms=row['cpu_ms']) for row in rows]


def same_samples(expected: list, found: list) -> float:
    """Mean difference of the pixels in grey levels; raises ResultsDiffer if pixels or labels differ too much."""
    levels = []
    for (pixels, labels), sample in zip(expected, found, strict=True):
        theirs = sample['data_samples'].gt_instance_labels.keypoint_labels[0]
        if not torch.allclose(labels, theirs, atol=2e-4):
            raise ResultsDiffer(f'labels differ by up to {float((labels - theirs).abs().max()):.2g}')
        inputs = sample['inputs'].flip(0).permute(1, 2, 0).numpy()
        levels.append(np.abs(pixels.permute(1, 2, 0).numpy() * STD + MEAN - inputs).mean())
    if max(levels) > PIXEL_TOLERANCE:
        raise ResultsDiffer(f'pixels of a sample differ by {max(levels):.2f} grey levels on average, '
                            f'at most {PIXEL_TOLERANCE} expected')
    return float(np.mean(levels))


def stage_rows(dataset: Dataset, passes: int, case: str) -> list[Row]:
    """Time per stage of a sample; quartiles over passes through the dataset, each with other augmentation."""
    seconds = []
    for number in range(passes):
        np.random.seed(number)
        seconds.append(seconds_by_stage(lambda: [dataset[i] for i in range(len(dataset))], STAGES, 'the rest'))
    millis = quartiles([list(one.values()) for one in seconds]) / len(dataset) * 1e3
    return [dict(case=case, contestant=stage, ms=ms) for stage, ms in zip(seconds[0], millis.T.tolist(), strict=True)]


def worker_rows(sets: dict[str, Dataset], workers: list[int], samples: int) -> Iterator[Row]:
    """Samples per second of wall time that arrive here; the first two batches per worker are not counted."""
    cv2.setNumThreads(1)  # Workers inherit this and the memory settings. The loader limits torch to one thread.
    for count in workers:
        for name, dataset in sets.items():
            keep_freed_memory(**MEMORY[name])
            repeated = Subset(dataset, [i % len(dataset) for i in range(samples + 32 * count)])
            batches = DataLoader(repeated, batch_size=16, num_workers=count,
                                 collate_fn=None if name == PLAIN else pseudo_collate)
            for number, _ in enumerate(batches):
                if number + 1 == 2 * count:
                    start = time.perf_counter()
            yield dict(case=f'{count} workers' if count > 1 else '1 worker', contestant=name, workers=count,
                       samples_s=samples / (time.perf_counter() - start))
