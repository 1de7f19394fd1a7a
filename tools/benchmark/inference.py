"""Inference: crops to joints with the flip test, and images to millimetres with the detector.

Baseline of the network: mmpose's flip test, the mirrored crops after the plain ones, float32, contiguous, eager.
Convolutions use torch's defaults, TF32 on GPUs that have it. From image to mm, the baseline gets one image at a time.
The shares of the stages come from one more pass of each contestant.
"""
import argparse
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import Row, compare, same_within, seconds_by_stage
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import MODELS
from torch import nn

import mmpose_integral  # noqa: F401  registers everything
from mmpose_integral.apis import IntegralPose3DInferencer, media
from mmpose_integral.engine.hooks.compile_hook import why_not_compiled
from mmpose_integral.engine.optim_wrappers import has_fast_bfloat16
from mmpose_integral.structures.skeleton import build_metainfo
from mmpose_integral.synthetic import make_standin

TITLE = 'Inference'
PACKAGES = ('torch', 'mmpose', 'mmdet')
COLUMNS = dict(case='what', contestant='how', wall_ms='wall, ms per crop or image', cpu_ms='CPU, ms per crop or image',
               per_s='per second', share='share of the time, %', wall_ratio='times as fast, wall',
               cpu_ratio='times as fast, CPU', difference='largest difference, px or mm')
Files = tuple[str | Path, str | Path | None]  # config and checkpoint
REPO = Path(__file__).resolve().parents[2]
STANDIN = (REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py',
           REPO / 'mmpose_integral' / 'assets' / 'integral_r18_standin.pth')
SYSTEM = (REPO / 'configs' / 'integral_r152_h80k.py', None)
# bfloat16 rounds to 2^-9, which moves most joints by well below a pixel. Single joints that the model cannot see move
# by up to 3 px and 12 mm. They also do if only the weights are rounded, and they move by 55 to 117 mm if each pixel
# changes by up to one grey level. In mm, the root mean square of bfloat16 is therefore judged.
TOLERANCE_PX, TOLERANCE_MM, RMS_TOLERANCE_MM = 3.0, 10.0, 2.0


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--inference-model', nargs=2, metavar=('CONFIG', 'CHECKPOINT'),
                        help="model to measure (default: the stand-in's; on a GPU, the paper's system with random "
                        'weights in the rows of the network alone)')
    parser.add_argument('--inference-batch', type=int, default=16, help='crops or images per batch (default: 16)')
    parser.add_argument('--inference-images', metavar='FOLDER', help='folder of images (default: rendered people)')


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of the network, of images to mm, and of the stages."""
    init_default_scope('mmpose')
    rounds = args.rounds or (2 if args.quick else 11)
    images = args.inference_images and media.images_of(args.inference_images)
    if not images:
        count = 2 if args.quick else 12
        make_standin(args.work / 'standin', num_train=1, num_val=1, num_test=1, num_mpii=8, num_coco=8 * count,
                     num_workers=1, progress=False)
        images = [str(path) for path in sorted((args.work / 'standin' / 'coco' / 'val2017').iterdir())]
    yield from network_rows(args, images, rounds)
    yield from image_rows(args, images, rounds)


def network_rows(args: argparse.Namespace, images: list[str], rounds: int) -> list[Row]:
    """Crops to joints."""
    on_gpu = args.device == 'cuda'
    files: Files = args.inference_model or (SYSTEM if on_gpu else STANDIN)
    count = 4 if args.quick else args.inference_batch
    samples = crops_of(files[0], images, count)
    calls = {name: (partial(joints_of, model, samples), count) for name, model in networks(files, args.device).items()}
    return compare(f'{Path(files[0]).stem}, {count} crops + flip, {args.device}', calls, rounds, unit='crop', warmup=2,
                   targets={list(calls)[-1]: 2} if on_gpu else None, check=same_within(TOLERANCE_PX), judge='wall')


def image_rows(args: argparse.Namespace, images: list[str], rounds: int) -> Iterator[Row]:
    """Images to millimetres, and the share of each stage."""
    model, batch = args.inference_model or STANDIN, min(args.inference_batch, len(images))
    inferencers = {'one image per call, two passes': (build_inferencer(model, args.device, flip_batched=False), 1),
                   f'{batch} images per batch': (build_inferencer(model, args.device), batch)}
    drawn, checks = 'the same, with drawing', {}
    if has_fast_bfloat16():
        fast = build_inferencer(model, args.device, autocast='bfloat16')
        name = f'{batch} images per batch, bfloat16, channels last'
        inferencers[name] = (fast, batch)
        checks = dict.fromkeys((name, drawn), same_within(RMS_TOLERANCE_MM, rms=True))
    calls = {name: (partial(people_of, *pair, images), len(images)) for name, pair in inferencers.items()}
    last = list(inferencers.values())[-1]
    calls[drawn] = (partial(people_of, *last, images, drawn=True), len(images))
    yield from compare(f'image to mm, {args.device}', calls, rounds, unit='image', judge='wall',
                       check=same_within(TOLERANCE_MM), checks=checks)
    key, clock = ('wall_ms', gpu_clock) if args.device == 'cuda' else ('cpu_ms', time.process_time)
    for name, (inferencer, size) in inferencers.items():
        network, rest = inferencer.model, 'post-processing'
        parts: dict[str, list] = {
            'read': [(media, 'read_picture')], 'detect': [(inferencer, 'detector')],
            'crop': [(inferencer, 'pipeline')], 'network': [(network, 'test_step')],
            rest: [(network.head.decoder, 'decode'), (network, 'add_pred_to_datasample')],
            'drawing': [(inferencer.visualizer, 'add_datasample')]}
        seconds = seconds_by_stage(partial(people_of, inferencer, size, images, drawn=True), parts, rest, clock)
        for stage, spent in seconds.items():
            yield {'case': f'stages, {name}', 'contestant': stage, key: spent / len(images) * 1e3,
                   'share': 100 * spent / sum(seconds.values())}


def gpu_clock() -> float:
    """Wall time after the GPU has finished its work, s."""
    torch.cuda.synchronize()
    return time.perf_counter()


def networks(files: Files, device: str) -> dict[str, nn.Module]:
    """Models by name, the baseline first; from 'channels last' on, each one adds to the one before it."""
    result = {'two passes, eager': build_model(files, device, flip_batched=False),
              'one doubled batch': build_model(files, device, flip_batched=True),
              'channels last': build_model(files, device, fast=True)}
    dtype = 'bfloat16' if has_fast_bfloat16() else None
    if dtype:
        result['+ bfloat16'] = build_model(files, device, fast=True, autocast=dtype)
    if device == 'cuda' and not why_not_compiled(torch.device(device)):
        compiled = result['+ compiled'] = build_model(files, device, fast=True, autocast=dtype)
        compiled.backbone.compile()
        compiled.head.deconv_layers.compile()
    return result


def build_model(files: Files, device: str, fast: bool = False, **test_cfg: str | bool | None) -> nn.Module:
    """The network with the flip test; ``fast`` stands for channels last and one copy per batch."""
    cfg = Config.fromfile(files[0]).model
    cfg.backbone.init_cfg = None
    cfg.test_cfg = dict(cfg.get('test_cfg') or {}, flip_test=True, **test_cfg)
    if cfg.head.type == 'Integral3DHead' and test_cfg.get('flip_batched') is False:
        cfg.head.backend = 'reference'
    if fast:
        cfg.data_preprocessor.update(type='BatchPosePreprocessor', channels_last=True)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    if files[1]:
        load_checkpoint(model, str(files[1]), map_location='cpu')
    return model.to(device, memory_format=torch.channels_last if fast else torch.preserve_format).eval()


def crops_of(config: str | Path, images: list[str], count: int) -> list[dict]:
    """``count`` packed samples; the box is the whole image."""
    pipeline = Compose(Config.fromfile(config).test_dataloader.dataset.pipeline)
    frames = [media.read_picture(path).image for path in images]
    frames = [frames[i % len(frames)] for i in range(count)]
    return [pipeline(dict(parse_pose_metainfo(build_metainfo()), img=frame, bbox_score=np.ones(1, np.float32),
                          bbox=np.float32([[0, 0, *frame.shape[1::-1]]]))) for frame in frames]


@torch.no_grad()
def joints_of(model: nn.Module, samples: list[dict]) -> np.ndarray:
    """Image px, (B, K, 3), of packed samples."""
    return np.concatenate([sample.pred_instances.keypoints for sample in model.test_step(pseudo_collate(samples))])


def build_inferencer(files: Files, device: str, **test_cfg: str | bool) -> IntegralPose3DInferencer:
    """Inferencer with the flip test and a loaded detector."""
    cfg = Config.fromfile(files[0])
    cfg.model.test_cfg = dict(flip_test=True, **test_cfg)
    cfg.person_detector = 'detector_rtmdet_nano'
    inferencer = IntegralPose3DInferencer(cfg, str(files[1]), device=device)
    inferencer.load_detector()
    if test_cfg.get('autocast'):
        inferencer.model.to(memory_format=torch.channels_last)
    return inferencer


def people_of(inferencer: IntegralPose3DInferencer, batch_size: int, images: list[str],
              drawn: bool = False) -> np.ndarray:
    """Millimetres of all people of all images, (N, 18, 3)."""
    results = inferencer(images, batch_size=batch_size, return_vis=drawn)
    return np.array([person['keypoints'] for result in results for person in result['predictions'][0]])
