"""Inference: crops to joints with the flip test, and images to millimetres with the detector.

The network's baseline is mmpose's way: the mirrored crops after the plain ones, float32, contiguous, eager.
Convolutions use torch's defaults, TF32 on GPUs that have it. From image to mm, the baseline is given one image at a
time; the stages' shares are taken from one more pass of each. Images are rendered people, and models those that ship,
unless others are named.
"""
import copy
import time
from pathlib import Path

import numpy as np
import torch
from measure import compare, same_within
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import MODELS
from stages import seconds_by_stage

import mmpose_integral  # noqa: F401  registers everything
from mmpose_integral.apis import IntegralPose3DInferencer, media
from mmpose_integral.engine.hooks.compile_hook import why_not_compiled
from mmpose_integral.engine.optim_wrappers import has_fast_bfloat16
from mmpose_integral.structures.skeleton import build_metainfo
from mmpose_integral.synthetic import make_standin

TITLE = 'Inference'
PACKAGES = ('torch', 'mmpose', 'mmdet')
COLUMNS = dict(case='what', contestant='how', wall_ms='wall, ms each', cpu_ms='CPU, ms each', per_s='each second',
               share='share of the time, %', wall_ratio='times as fast, wall', cpu_ratio='times as fast, CPU',
               difference='largest difference, px or mm')
REPO = Path(__file__).resolve().parents[2]
STANDIN = (REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py',
           REPO / 'mmpose_integral' / 'assets' / 'integral_r18w32_standin.pth')
SYSTEM = (REPO / 'configs' / 'integral_r152_h80k.py', None)
TARGET = 2
# bfloat16 rounds to 2^-9: of joints some 100 px from the crop's corner, well below a pixel, and of a person who
# fills 100 px some mm on average.
TOLERANCE_PX, TOLERANCE_MM = 3.0, 10.0


def add_arguments(parser):
    """Options of this scenario."""
    parser.add_argument('--inference-model', nargs=2, metavar=('CONFIG', 'CHECKPOINT'),
                        help="default: the stand-in's; for the network alone on a GPU the paper's, random weights")
    parser.add_argument('--inference-batch', type=int, default=16, help='crops, and images, that go through together')
    parser.add_argument('--inference-images', metavar='FOLDER', help='default: rendered people')


def run(args):
    """Rows of the network, of images to mm, and of the stages."""
    init_default_scope('mmpose')
    rounds = args.rounds or (2 if args.quick else 11)
    images = args.inference_images and media.images_of(args.inference_images)
    if not images:
        count = 2 if args.quick else 12
        make_standin(args.work / 'standin', num_train=1, num_val=1, num_test=1, num_mpii=8, num_coco=8 * count,
                     num_workers=1, progress=False)
        images = sorted((args.work / 'standin' / 'coco' / 'val2017').iterdir())
    return network_rows(args, images, rounds) + image_rows(args, images, rounds)


def network_rows(args, images, rounds):
    """Crops to joints."""
    on_gpu = args.device == 'cuda'
    config, checkpoint = args.inference_model or (SYSTEM if on_gpu else STANDIN)
    count = 4 if args.quick else args.inference_batch
    samples = crops_of(config, images, count)
    calls = {name: (lambda model=model: joints_of(model, samples), count)
             for name, model in networks(config, checkpoint, args.device).items()}
    return add_rates(compare(f'{Path(config).stem}, {count} crops + flip, {args.device}', calls, rounds, unit='crop',
                             warmup=2, target={list(calls)[-1]: TARGET} if on_gpu else None,
                             check=same_within(TOLERANCE_PX), judge='wall'))


def image_rows(args, images, rounds):
    """Images to millimetres, and where the time goes."""
    model, batch = args.inference_model or STANDIN, min(args.inference_batch, len(images))
    inferencers = {'one image a call, two passes': (build_inferencer(model, args.device, flip_batched=False), 1),
                   f'{batch} images a batch': (build_inferencer(model, args.device), batch)}
    if has_fast_bfloat16():
        fast = build_inferencer(model, args.device, autocast='bfloat16')
        inferencers[f'{batch} images, bfloat16, channels last'] = (fast, batch)
    calls = {name: (lambda pair=pair: people_of(*pair, images), len(images)) for name, pair in inferencers.items()}
    last = list(inferencers.values())[-1]
    calls['the same, drawn'] = (lambda: people_of(*last, images, drawn=True), len(images))
    rows = add_rates(compare(f'image to mm, {args.device}', calls, rounds, unit='image', judge='wall',
                             check=same_within(TOLERANCE_MM)))
    key, clock = ('wall_ms', gpu_clock) if args.device == 'cuda' else ('cpu_ms', time.process_time)
    for name, (inferencer, size) in inferencers.items():
        model, rest = inferencer.model, 'post-processing'
        parts = {'read': [(media, 'read_picture')], 'detect': [(inferencer, 'detector')],
                 'crop': [(inferencer, 'pipeline')], 'network': [(model, 'test_step')],
                 rest: [(model.head.decoder, 'decode'), (model, 'add_pred_to_datasample')],
                 'drawing': [(inferencer.visualizer, 'add_datasample')]}
        seconds = seconds_by_stage(lambda pair=(inferencer, size): people_of(*pair, images, drawn=True), parts, rest,
                                   clock)
        rows += [dict({key: spent / len(images) * 1e3}, case=f'stages, {name}', contestant=stage,
                      share=100 * spent / sum(seconds.values())) for stage, spent in seconds.items()]
    return rows


def gpu_clock():
    """Wall time when the GPU has done what it was given, s."""
    torch.cuda.synchronize()
    return time.perf_counter()


def networks(config, checkpoint, device):
    """Models by name, baseline first; from 'channels last' on, each has what the one before has."""
    result = {'two passes, eager': build_model(config, checkpoint, device, flip_batched=False),
              'one doubled batch': build_model(config, checkpoint, device, flip_batched=True),
              'channels last': fast_model(config, checkpoint, device, None)}
    dtype = 'bfloat16' if has_fast_bfloat16() else None
    if dtype:
        result['+ bfloat16'] = fast_model(config, checkpoint, device, dtype)
    if device == 'cuda' and not why_not_compiled(torch.device(device)):
        result['+ compiled'] = fast_model(config, checkpoint, device, dtype)
        for part in (result['+ compiled'].backbone, result['+ compiled'].head.deconv_layers):
            part.compile()
    return result


def build_model(config, checkpoint, device, **test_cfg):
    """The network with the flip test; random weights without a checkpoint."""
    cfg = copy.deepcopy(Config.fromfile(config).model)
    cfg.backbone.init_cfg = None
    cfg.test_cfg = dict(cfg.get('test_cfg') or {}, flip_test=True, **test_cfg)
    if cfg.head.type == 'Integral3DHead' and test_cfg.get('flip_batched') is False:
        cfg.head.backend = 'reference'
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    if checkpoint:
        load_checkpoint(model, str(checkpoint), map_location='cpu')
    return model.to(device).eval()


def fast_model(config, checkpoint, device, dtype):
    """The network in channels last, with one copy per batch and the flip test as the device likes it."""
    model = build_model(config, checkpoint, device, autocast=dtype)
    model.data_preprocessor = MODELS.build(dict(
        Config.fromfile(config).model.data_preprocessor, type='BatchPosePreprocessor', channels_last=True)).to(device)
    return model.to(memory_format=torch.channels_last)


def crops_of(config, images, count):
    """``count`` packed samples, the images cut whole."""
    pipeline = Compose(Config.fromfile(config).test_dataloader.dataset.pipeline)
    frames = [media.read_picture(path).image for path in images]
    frames = [frames[i % len(frames)] for i in range(count)]
    return [pipeline(dict(parse_pose_metainfo(build_metainfo()), img=frame, bbox_score=np.ones(1, np.float32),
                          bbox=np.float32([[0, 0, *frame.shape[1::-1]]]))) for frame in frames]


@torch.no_grad()
def joints_of(model, samples):
    """Image px, (B, K, 3), of packed samples."""
    return np.concatenate([sample.pred_instances.keypoints for sample in model.test_step(pseudo_collate(samples))])


def build_inferencer(model, device, **test_cfg):
    """Inferencer with the flip test, and its detector loaded."""
    cfg = Config.fromfile(model[0])
    cfg.model.test_cfg = dict(flip_test=True, **test_cfg)
    cfg.person_detector = 'detector_rtmdet_nano'
    inferencer = IntegralPose3DInferencer(cfg, str(model[1]), device=device)
    inferencer.load_detector()
    if test_cfg.get('autocast'):
        inferencer.model.to(memory_format=torch.channels_last)
    return inferencer


def people_of(inferencer, batch_size, images, drawn=False):
    """Millimetres of all people of all images, (N, 18, 3)."""
    results = inferencer([str(path) for path in images], batch_size=batch_size, return_vis=drawn)
    return np.array([person['keypoints'] for result in results for person in result['predictions'][0]])


def add_rates(rows):
    """Rows with how many units go through in a second."""
    return [dict(row, per_s=1e6 / row['wall_us'][1]) for row in rows]
