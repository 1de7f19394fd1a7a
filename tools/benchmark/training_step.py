"""Training steps of a config, plain and fast, from crops in memory to new weights.

Baseline: float32, contiguous and eager, with a softmax and three sums for the integral and torch's Adam. Each crop is
copied to the device and normalised by itself, and the loss is read after each step. Convolutions use torch's defaults,
TF32 on GPUs that have it. Candidates: the same config after mmpose_integral.engine.make_fast. All start from the same
weights and use the same batch.

With --training-step-profile, further rows give the time per kind of work: that of the operators themselves, without the
operators that they call, on the GPU if one is used, else on the processor.
"""
import argparse
import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from measure import ResultsDiffer, Row, compare, gpu_peak_bytes
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch.profiler import ProfilerActivity, profile

import mmpose_integral  # noqa: F401  registers everything
from mmpose_integral.engine import make_fast, stacked_collate
from mmpose_integral.utils.files import replace_when_done

TITLE = 'Training step'
PACKAGES = ('torch', 'mmpose', 'mmengine')
COLUMNS = dict(case='what', contestant='how', wall_ms='wall, ms per step', cpu_ms='CPU, ms per step',
               share='share of the time, %', wall_ratio='times as fast, wall', cpu_ratio='times as fast, CPU',
               memory_mib='peak memory without weights, MiB', difference='relative difference of the first loss')
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
BY_DEVICE = dict(cpu='quickstart/integral_r18_standin.py', cuda='integral_r152_h80k.py')
LOSS_TOLERANCE = 0.02  # bfloat16 rounds to 2^-9, and first losses are 10 or more
# Kind of work by parts of an operator's name; the first match counts.
KINDS = {
    'batch norm': ('batch_norm', 'batchnorm', 'bn_fw', 'bn_bw'),
    'convolutions': ('conv', 'xmma', 'gemm', 'cutlass', 'fprop', 'dgrad', 'wgrad'),
    'ReLU, pooling': ('relu', 'clamp_min', 'threshold', 'max_pool'),
    'optimizer': ('adam', 'optimizer', 'addcdiv', 'addcmul', 'lerp', 'foreach', 'sqrt', 'multi_tensor'),
    'integral (kernels; on a CPU exp, sums, products)': (
        'softargmax', 'expectation_kernel', 'gradient_kernel', 'exp_', 'softmax', 'sum', 'amax', 'mul', 'sub',
        'mv', 'bmm', '::mm', 'addmm'),
    'copies, conversions, filling': (
        'copy', 'clone', '::cat', 'catarray', 'stack', 'memcpy', 'memset', 'fill', 'zero', 'reorder', 'flip',
        'contiguous'),
    'other': ('',),
}


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--training-step-config', metavar='FILE',
                        help="config of the model (default: the paper's system on a GPU, the quickstart's on a CPU)")
    parser.add_argument('--training-step-batch', type=int, default=16, help='crops per step (default: 16)')
    parser.add_argument('--training-step-each-part', action='store_true', help='add the parts of --fast one by one')
    parser.add_argument('--training-step-profile', metavar='FOLDER', type=Path,
                        help='add rows for each kind of work, and write traces for chrome://tracing to this folder')


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of the contestants, and of their kinds of work."""
    init_default_scope('mmpose')
    path = args.training_step_config or CONFIGS / BY_DEVICE[args.device]
    on_gpu = args.device == 'cuda'
    batch = 4 if args.quick else args.training_step_batch
    steps = 10 if on_gpu and not args.quick else 1
    trainers = {name: Trainer(cfg, args.device, batch, steps)
                for name, cfg in contestants(path, args.training_step_each_part, on_gpu).items()}
    width, height = trainers['plain'].cfg.model.head.decoder.input_size
    benchmark = torch.backends.cudnn.benchmark
    try:
        rows = compare(f'{Path(path).stem}, {batch} x {width}x{height}, {args.device}',
                       {name: (trainer, steps) for name, trainer in trainers.items()},
                       args.rounds or (2 if args.quick else 15), unit='step', warmup=2,
                       targets=dict(fast=3) if on_gpu else None, check=same_loss, judge='wall')
    finally:
        torch.backends.cudnn.benchmark = benchmark
    for row, trainer in zip(rows, trainers.values(), strict=True):
        yield dict(row, memory_mib=gpu_peak_bytes(trainer.step) / 2**20 if on_gpu else None)
    if args.training_step_profile:
        for name, trainer in trainers.items():
            yield from profile_rows(name, trainer, args.training_step_profile)


def contestants(path: str | Path, each_part: bool, compiled: bool) -> dict[str, Config]:
    """Configs by name, the baseline first; with ``each_part``, each one adds a part to the one before it."""
    own = Config.fromfile(path)
    own.model.backbone.init_cfg = None
    own.default_hooks = {}  # some hooks are parts of the fast training, which adds them again
    own.env_cfg.cudnn_benchmark = False
    own.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(own.optim_wrapper.optimizer))
    own.optim_wrapper.optimizer.pop('fused', None)
    fast = make_fast(copy.deepcopy(own), compiled=compiled)
    result = dict(plain=copy.deepcopy(own))
    if own.model.head.type == 'Integral3DHead':
        result['plain'].model.head.backend = 'reference'
    if each_part:
        low = copy.deepcopy(own)
        low.optim_wrapper.type = fast.optim_wrapper.type
        last = copy.deepcopy(low)
        last.default_hooks = dict(channels_last=dict(type='ChannelsLastHook'))
        last.model.data_preprocessor = fast.model.data_preprocessor
        fused = copy.deepcopy(last)
        fused.optim_wrapper = fast.optim_wrapper
        result.update({'own integral': own, '+ bfloat16': low, '+ channels last, batch in one copy': last,
                       '+ fused Adam': fused})
    if compiled:
        result['fast, not compiled'] = copy.deepcopy(fast)
        result['fast, not compiled'].default_hooks.pop('compile')
    return dict(result, fast=fast)


def make_batch(count: int, input_size: tuple[int, int], joints: int,
               collate: Callable[[list], dict]) -> tuple[dict, list[InstanceData]]:
    """A batch as a data loader gives it, and the labels of each sample, which are set before each step."""
    rng = np.random.default_rng(0)
    items = [dict(inputs=torch.from_numpy(rng.integers(0, 256, (3, *input_size[::-1]), np.uint8)),
                  data_samples=PoseDataSample(metainfo=dict(input_size=input_size))) for _ in range(count)]
    labels = [InstanceData(keypoint_labels=torch.from_numpy(rng.uniform(.1, .9, (1, joints, 3)).astype(np.float32)),
                           keypoint_weights=torch.ones(1, joints, 3)) for _ in range(count)]
    return collate(items), labels


class Trainer:
    """A model with its optimizer, hooks and batch, built as mmengine's Runner builds them; a call runs ``steps``."""

    def __init__(self, cfg: Config, device: str, batch_size: int, steps: int) -> None:
        torch.manual_seed(0)
        self.cfg, self.device, self.steps = cfg, torch.device(device), steps
        head = cfg.model.head
        self.model = MODELS.build(copy.deepcopy(cfg.model))
        self.model.init_weights()
        if hasattr(self.model.head, 'final_layer'):
            # The volumes of a new model are almost flat, and would hide differences of the layers before them.
            torch.nn.init.normal_(self.model.head.final_layer.weight, std=0.1)
        self.model.to(self.device).train()
        self.optim_wrapper = build_optim_wrapper(self.model, copy.deepcopy(cfg.optim_wrapper))
        runner = SimpleNamespace(model=self.model)
        for hook in [HOOKS.build(cfg.default_hooks[name]) for name in ('channels_last', 'compile')
                     if name in cfg.default_hooks]:
            hook.before_run(runner)
            hook.before_train(runner)
        self.batch, self.labels = make_batch(
            batch_size, tuple(head.decoder.input_size), head.num_joints,
            stacked_collate if 'collate_fn' in cfg.train_dataloader else pseudo_collate)
        if self.device.type == 'cuda':
            inputs = self.batch['inputs']
            self.batch['inputs'] = inputs.pin_memory() if 'collate_fn' in cfg.train_dataloader else [
                crop.pin_memory() for crop in inputs]

    def step(self) -> torch.Tensor:
        """Run one training step; returns its loss."""
        for sample, labels in zip(self.batch['data_samples'], self.labels, strict=True):
            sample.gt_instance_labels = labels.clone()
        return self.model.train_step(dict(self.batch), self.optim_wrapper)['loss'].detach()

    def __call__(self) -> float:
        """Run all steps; returns the first loss. Without the fast hooks, each loss is read at once."""
        torch.backends.cudnn.benchmark = self.cfg.env_cfg.cudnn_benchmark
        deferred = 'runtime_info' in self.cfg.default_hooks
        losses = [self.step() if deferred else self.step().item() for _ in range(self.steps)]
        if self.device.type == 'cuda':
            torch.cuda.synchronize()
        return float(losses[0])


def same_loss(expected: float, found: float) -> float:
    """Relative difference of the first losses; raises ResultsDiffer beyond the tolerance."""
    difference = abs(found - expected) / abs(expected)
    if not difference <= LOSS_TOLERANCE:
        raise ResultsDiffer(f'first loss {found:.4g}, {expected:.4g} expected')
    return difference


def profile_rows(name: str, trainer: Trainer, folder: Path) -> list[Row]:
    """One row per kind of work, from five calls after the timed ones."""
    on_gpu = trainer.device.type == 'cuda'
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiler:
        for _ in range(5):
            trainer()
    with replace_when_done(folder / f'{re.sub("[^a-z0-9]+", "_", name)}.json') as temporary:
        profiler.export_chrome_trace(str(temporary))
    micros = dict.fromkeys(KINDS, 0.0)
    for event in profiler.key_averages():
        # On a GPU, the operators that launch kernels are listed with the kernels' time again.
        if not event.key.startswith(('ProfilerStep', 'Optimizer.')) and not (
                on_gpu and event.device_type == torch.autograd.DeviceType.CPU):
            micros[kind_of(event.key)] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    return [{'case': f'profile, {name}', 'contestant': kind, 'share': 100 * us / sum(micros.values()),
             'wall_ms' if on_gpu else 'cpu_ms': us / 1e3 / 5 / trainer.steps} for kind, us in micros.items()]


def kind_of(operator: str) -> str:
    """Kind of work of an operator."""
    return next(kind for kind, parts in KINDS.items() if any(part in operator.lower() for part in parts))
