"""Inference: crops to joints with the flip test, and images to millimetres with the detector.

The network's baseline is mmpose's way: the mirrored crops after the plain ones, float32, contiguous, eager.
Convolutions use torch's defaults, TF32 on GPUs that have it. End to end, the baseline hands over one image at a time;
the stages' shares are taken from one more pass of each, without what encloses another stage. Images are rendered
people, the models those that ship, unless others are named.
"""
import copy
import importlib.util
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
from stages import STAGES, measure_stages

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
SYSTEM = REPO / 'configs' / 'integral_r152_h80k.py'
TARGET = 2
ON_GPU = 'python tools/benchmark/run.py inference --device cuda'
# bfloat16 rounds to 2^-9: of joints some 100 px from the crop's corner, well below a pixel, and of a person who
# fills 100 px some mm on average.
TOLERANCE_PX, TOLERANCE_MM = 3.0, 10.0


def add_arguments(parser):
    """Options of this scenario."""
    parser.add_argument('--inference-model', nargs=2, metavar=('CONFIG', 'CHECKPOINT'),
                        help="default: the stand-in's; for the network alone on a GPU the paper's, random weights")
    parser.add_argument('--inference-batch', type=int, default=16, help='crops, and images, that go through together')
    parser.add_argument('--inference-images', metavar='FOLDER', help='default: rendered people')


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


def batch_preprocessor(config):
    """Config of the preprocessor of the fast path, with this config's mean and standard deviation."""
    return dict(Config.fromfile(config).model.data_preprocessor, type='BatchPosePreprocessor', channels_last=True)


def fast_model(config, checkpoint, device, dtype, compiled=False):
    """The network as it runs fastest: channels last, one copy of a batch, the flip test as the device likes it."""
    model = build_model(config, checkpoint, device, autocast=dtype)
    model.data_preprocessor = MODELS.build(batch_preprocessor(config)).to(device)
    model.to(memory_format=torch.channels_last)
    if compiled:
        for part in (model.backbone, model.head.deconv_layers):
            part.compile()
    return model


def networks(config, checkpoint, device):
    """Models by name, baseline first; from 'channels last' on, each has what the one before has."""
    result = {'two passes, eager': build_model(config, checkpoint, device, flip_batched=False),
              'one doubled batch': build_model(config, checkpoint, device, flip_batched=True),
              'channels last': fast_model(config, checkpoint, device, None)}
    dtype = 'bfloat16' if has_fast_bfloat16() else None
    if dtype:
        result['+ bfloat16'] = fast_model(config, checkpoint, device, dtype)
    if device == 'cuda' and not why_not_compiled(torch.device(device)):
        result['+ compiled'] = fast_model(config, checkpoint, device, dtype, compiled=True)
    return result


def crops_of(config, images, count):
    """``count`` packed samples, the images cut whole."""
    pipeline = Compose(Config.fromfile(config).test_dataloader.dataset.pipeline)
    frames = [media.read_picture(path).image for path in images]
    box = [np.float32([[0, 0, *frame.shape[1::-1]]]) for frame in frames]
    meta = parse_pose_metainfo(build_metainfo())
    return [pipeline(dict(meta, img=frames[i % len(frames)], bbox=box[i % len(frames)],
                          bbox_score=np.ones(1, np.float32))) for i in range(count)]


@torch.no_grad()
def joints_of(model, samples):
    """Image px, (B, K, 3), of packed samples."""
    result = model.test_step(pseudo_collate(samples))
    return np.concatenate([sample.pred_instances.keypoints for sample in result])


def onnx_network(config, checkpoint, threads, folder):
    """Function of packed samples to image px, by onnxruntime; None where it or the exporter is not installed."""
    if not checkpoint or any(importlib.util.find_spec(name) is None for name in ('onnxruntime', 'onnxscript')):
        return None
    from mmpose_integral.apis.onnx_runtime import OnnxIntegralPose
    spec = importlib.util.spec_from_file_location('tool_export', REPO / 'tools' / 'export.py')
    export = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(export)
    module, _, facts = export.load_model(str(config), str(checkpoint))
    width, height = module.model.head.decoder.input_size
    path = str(folder / 'model.onnx')
    export.write_onnx(module, torch.zeros(2, 3, height, width), path, facts)
    pose, decoder = OnnxIntegralPose(path, threads=threads), module.model.head.decoder

    def joints(samples):
        xyz, std = pose.predict(np.stack([sample['inputs'].numpy() for sample in samples]).astype(np.float32), True)
        meta = [sample['data_samples'].metainfo for sample in samples]
        factor = np.array([one['input_scale'][0] / width for one in meta])[:, None, None]
        keypoints = decoder.decode(xyz, std)[0] * factor
        keypoints[..., :2] += np.array([one['input_center'] - one['input_scale'] / 2 for one in meta])[:, None]
        return keypoints
    return joints


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


def people_of(inferencer, images, batch_size, drawn=False):
    """Millimetres of all people of all images, (N, 18, 3)."""
    results = inferencer([str(path) for path in images], batch_size=batch_size, return_vis=drawn)
    return np.array([person['keypoints'] for result in results for person in result['predictions'][0]])


def stage_rows(name, seconds, count, device):
    """A row a stage: its share of the time and ms an image."""
    key = 'wall_ms' if device == 'cuda' else 'cpu_ms'
    return [dict({key: seconds[stage] / count * 1e3}, case=f'stages, {name}', contestant=stage,
                 share=100 * seconds[stage] / sum(seconds.values())) for stage in STAGES]


def add_units(rows):
    """Milliseconds and rates for the table."""
    for row in rows:
        row.update(wall_ms=[us / 1e3 for us in row['wall_us']], cpu_ms=[us / 1e3 for us in row['cpu_us']],
                   per_s=1e6 / row['wall_us'][1])
    return rows


def network_rows(args, images, rounds):
    """Crops to joints."""
    on_gpu = args.device == 'cuda'
    config, checkpoint = args.inference_model or ((SYSTEM, None) if on_gpu else STANDIN)
    count = 4 if args.quick else args.inference_batch
    samples = crops_of(config, images, count)
    calls = {name: (lambda model=model: joints_of(model, samples), count)
             for name, model in networks(config, checkpoint, args.device).items()}
    onnx = None if on_gpu else onnx_network(config, checkpoint, args.threads, args.work)
    if onnx:
        calls['onnxruntime, two passes'] = (lambda: onnx(samples), count)
    fastest = list(calls)[-1]
    rows = compare(f'{Path(config).stem}, {count} crops + flip, {args.device}', calls, rounds, unit='crop', warmup=2,
                   target={fastest: TARGET} if on_gpu else None, check=same_within(TOLERANCE_PX), judge='wall')
    if not on_gpu:
        best = max(rows, key=lambda row: row['cpu_ratio'][1])
        best.update(target=f'one GPU: >= {TARGET}x', met=None, measured=f'{best["cpu_ratio"][1]:.1f}x on this CPU',
                    remark=f'no GPU at hand: `{ON_GPU}`')
    return add_units(rows)


def run(args):
    """Rows of the scenario."""
    init_default_scope('mmpose')
    rounds = args.rounds or (2 if args.quick else 11)
    images = args.inference_images and media.images_of(args.inference_images)
    if not images:
        count = 2 if args.quick else 12
        make_standin(args.work / 'standin', num_train=1, num_val=1, num_test=1, num_mpii=8, num_coco=8 * count,
                     num_workers=1, progress=False)
        images = sorted((args.work / 'standin' / 'coco' / 'val2017').iterdir())
    rows = network_rows(args, images, rounds)
    model, batch = args.inference_model or STANDIN, min(args.inference_batch, len(images))
    inferencers = {'one image a call, two passes': (build_inferencer(model, args.device, flip_batched=False), 1),
                   f'{batch} images a batch': (build_inferencer(model, args.device), batch)}
    if has_fast_bfloat16():
        fast = build_inferencer(model, args.device, autocast='bfloat16')
        inferencers[f'{batch} images, bfloat16, channels last'] = (fast, batch)
    calls = {name: (lambda inferencer=inferencer, size=size: people_of(inferencer, images, size), len(images))
             for name, (inferencer, size) in inferencers.items()}
    inferencer, size = list(inferencers.values())[-1]
    calls['the same, drawn'] = (lambda: people_of(inferencer, images, size, drawn=True), len(images))
    rows += add_units(compare(f'image to mm, {args.device}', calls, rounds, unit='image', judge='wall',
                              check=same_within(TOLERANCE_MM)))
    for name, (inferencer, size) in inferencers.items():
        def all_images(inferencer=inferencer, size=size):
            people_of(inferencer, images, size, drawn=True)
        rows += stage_rows(name, measure_stages(inferencer, all_images, args.device), len(images), args.device)
    return rows


def plot(rows, figure):
    """Rates above, shares of the stages below."""
    above, below = figure.subplots(2)
    timed = [row for row in rows if 'wall_ratio' in row][::-1]
    clock = 'wall' if timed[0]['case'].endswith('cuda') else 'cpu'
    above.barh(range(len(timed)), [row[f'{clock}_ratio'][1] for row in timed], color='#0072B2')
    above.set_yticks(range(len(timed)), [f'{row["contestant"]} (a {row["unit"]})' for row in timed], fontsize=7)
    above.set_xlabel(f'times as fast as the first of its kind, {clock} time', fontsize=8)
    kinds = list(dict.fromkeys(row['case'] for row in rows if row['case'].startswith('stages')))[::-1]
    for place, kind in enumerate(kinds):
        left = 0.0
        for number, stage in enumerate(STAGES):
            share = next(row['share'] for row in rows if row['case'] == kind and row['contestant'] == stage)
            below.barh(place, share, left=left, color=f'C{number}', label=stage if place == 0 else None)
            left += share
    below.set_yticks(range(len(kinds)), [kind.removeprefix('stages, ') for kind in kinds], fontsize=7)
    below.set_xlabel('share of the time, %, with drawing', fontsize=8)
    below.legend(ncols=len(STAGES), fontsize=7, frameon=False, loc='upper center', bbox_to_anchor=(.5, 1.25))
