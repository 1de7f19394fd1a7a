"""Training steps of a config, plain and fast, from crops in memory to new weights.

The baseline is the paper's method plainly written: float32, contiguous, eager, softmax and three sums for the integral,
torch's Adam (a loop over the weights on a CPU, several at a time on a GPU), each crop copied to the device and
normalised by itself, the loss read after each step. Convolutions use torch's defaults, TF32 on GPUs that have it. The
candidates are what mmpose_integral.engine.make_fast makes of the same config. All start from the same weights and see
the same batch.

With --training-step-profile, further rows say what the steps' time is spent on. It is that of the operators themselves,
without what they call: of the processor, or of the GPU where one is used.
"""
import copy
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from measure import ResultsDiffer, compare
from mmengine.config import Config
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
COLUMNS = dict(case='what', contestant='how', wall_ms='wall, ms a step', cpu_ms='CPU, ms a step',
               share='share of the time, %', wall_ratio='times as fast, wall', cpu_ratio='times as fast, CPU',
               memory_mib='peak memory, MiB', difference='first loss differs by, relative')
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
BY_DEVICE = dict(cpu='quickstart/integral_r18_standin.py', cuda='integral_r152_h80k.py')
TARGET = 3
# bfloat16 rounds to 2^-9; first losses of 10 and more are far beyond the noise of that.
LOSS_TOLERANCE = 0.02
# Kind of work by parts of an operator's name; the first that fits counts.
KINDS = {
    'batch norm': ('batch_norm', 'batchnorm', 'bn_fw', 'bn_bw'),
    'convolutions': ('conv', 'xmma', 'gemm', 'cutlass', 'fprop', 'dgrad', 'wgrad'),
    'ReLU, pooling': ('relu', 'clamp_min', 'threshold', 'max_pool'),
    'optimizer': ('adam', 'optimizer', 'addcdiv', 'addcmul', 'lerp', 'foreach', 'sqrt', 'multi_tensor'),
    'integral (kernels; on a CPU exp, sums, products)': (
        'softargmax', 'moments', 'combine_kernel', 'gradient_kernel', 'exp_', 'softmax', 'sum', 'amax', 'mul', 'sub',
        'mv', 'bmm', '::mm', 'addmm'),
    'copies, conversions, filling': (
        'copy', 'clone', '::cat', 'catarray', 'stack', 'memcpy', 'memset', 'fill', 'zero', 'reorder', 'flip',
        'contiguous'),
    'other': ('',),
}


def add_arguments(parser):
    """Options of this scenario."""
    parser.add_argument('--training-step-config', metavar='FILE', help="default: the paper's system on a GPU, the "
                        "quickstart's on a CPU")
    parser.add_argument('--training-step-batch', type=int, default=16, help='crops a step')
    parser.add_argument('--training-step-steps', type=int, help='steps a timed call (default: 10 on a GPU, else 1)')
    parser.add_argument('--training-step-each-part', action='store_true', help='add the parts one by one')
    parser.add_argument('--training-step-profile', metavar='FOLDER', type=Path,
                        help="say where the time goes, and write traces for chrome://tracing there")


def make_plain(cfg):
    """The config with torch's own Adam, in float32, and with the reference integral."""
    cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(cfg.optim_wrapper.optimizer))
    cfg.optim_wrapper.optimizer.pop('fused', None)
    if cfg.model.head.type == 'Integral3DHead':
        cfg.model.head.backend = 'reference'
    return cfg


def contestants(path, each_part, compiled):
    """Configs by name, baseline first; with ``each_part`` every one adds something to the one before."""
    plain = make_plain(Config.fromfile(path))
    plain.model.backbone.init_cfg = None
    plain.default_hooks = {}  # hooks that are parts of the fast path; contestants bring their own
    plain.env_cfg.cudnn_benchmark = False
    own = copy.deepcopy(plain)
    own.model.head.pop('backend', None)
    fast = make_fast(copy.deepcopy(own), compiled=compiled)
    result = dict(plain=plain)
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
        eager = copy.deepcopy(fast)
        eager.default_hooks.pop('compile')
        result['fast, not compiled'] = eager
    result['fast'] = fast
    return result


def make_batch(count, input_size, joints, stacked, pinned, seed=0):
    """What a data loader hands over, and the labels to put back into it before each step.

    Returns:
        tuple[dict, list[tuple]]: batch, and labels and weights of each sample, (1, K, 3).
    """
    rng = np.random.default_rng(seed)
    crops = [torch.from_numpy(rng.integers(0, 256, (3, *input_size[::-1]), np.uint8)) for _ in range(count)]
    samples = [PoseDataSample(metainfo=dict(input_size=input_size)) for _ in range(count)]
    labels = [(torch.from_numpy(rng.uniform(.1, .9, (1, joints, 3)).astype(np.float32)), torch.ones(1, joints, 3))
              for _ in range(count)]
    items = [dict(inputs=crop, data_samples=sample) for crop, sample in zip(crops, samples, strict=True)]
    batch = stacked_collate(items) if stacked else dict(inputs=crops, data_samples=samples)
    if pinned:
        inputs = batch['inputs']
        batch['inputs'] = inputs.pin_memory() if stacked else [crop.pin_memory() for crop in inputs]
    return batch, labels


class Trainer:
    """A model with its optimizer, hooks and batch, as mmengine's Runner would put them together.

    Args:
        cfg (mmengine.Config): One of :func:`contestants`.
        device (str): Device of the training.
        batch_size (int): Number of crops per step.
        steps (int): Number of steps per call.
    """

    def __init__(self, cfg, device, batch_size, steps):
        torch.manual_seed(0)
        self.cfg, self.device, self.steps = cfg, torch.device(device), steps
        self.deferred = 'runtime_info' in cfg.default_hooks
        self.model = MODELS.build(copy.deepcopy(cfg.model))
        self.model.init_weights()
        if hasattr(self.model.head, 'final_layer'):
            # the volumes of a fresh model are flat: their integral is the middle, whatever the layers compute
            torch.nn.init.normal_(self.model.head.final_layer.weight, std=0.1)
        self.model.to(self.device).train()
        self.optim_wrapper = build_optim_wrapper(self.model, copy.deepcopy(cfg.optim_wrapper))
        runner = SimpleNamespace(model=self.model)
        for name in ('channels_last', 'compile'):
            if name in cfg.default_hooks:
                hook = HOOKS.build(cfg.default_hooks[name])
                hook.before_run(runner)
                hook.before_train(runner)
        head = cfg.model.head
        self.batch, self.labels = make_batch(
            batch_size, tuple(head.decoder.input_size), head.num_joints, 'collate_fn' in cfg.train_dataloader,
            self.device.type == 'cuda')

    def step(self):
        """One training step; returns its losses as tensors."""
        for sample, (labels, weights) in zip(self.batch['data_samples'], self.labels, strict=True):
            sample.gt_instance_labels = InstanceData(keypoint_labels=labels, keypoint_weights=weights)
        return self.model.train_step(dict(self.batch), self.optim_wrapper)

    def __call__(self):
        """Some steps; returns the first one's loss. The plain way reads each loss as soon as it is launched."""
        torch.backends.cudnn.benchmark = self.cfg.env_cfg.cudnn_benchmark
        losses = []
        for _ in range(self.steps):
            loss = self.step()['loss'].detach()
            losses.append(loss if self.deferred else loss.item())
        if self.device.type == 'cuda':
            torch.cuda.synchronize()
        return float(losses[0])

    def peak_memory(self):
        """MiB that one step takes at most beside weights and optimizer, on a GPU; else None."""
        if self.device.type != 'cuda':
            return None
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        self.step()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20


def same_loss(expected, found):
    """Relative difference of the first losses; raises ResultsDiffer."""
    difference = abs(found - expected) / abs(expected)
    if not difference <= LOSS_TOLERANCE:
        raise ResultsDiffer(f'first loss {found:.4g}, {expected:.4g} expected')
    return difference


def run(args):
    """Rows of the scenario."""
    init_default_scope('mmpose')
    path = args.training_step_config or CONFIGS / BY_DEVICE[args.device]
    on_gpu = args.device == 'cuda'
    batch = 4 if args.quick else args.training_step_batch
    steps = args.training_step_steps or (10 if on_gpu and not args.quick else 1)
    rounds = args.rounds or (2 if args.quick else 15)
    trainers = {name: Trainer(cfg, args.device, batch, steps)
                for name, cfg in contestants(path, args.training_step_each_part, on_gpu).items()}
    width, height = next(iter(trainers.values())).cfg.model.head.decoder.input_size
    benchmark = torch.backends.cudnn.benchmark
    try:
        rows = compare(f'{Path(path).stem}, {batch} x {width}x{height}, {args.device}',
                       {name: (trainer, steps) for name, trainer in trainers.items()}, rounds, unit='step', warmup=2,
                       target=dict(fast=TARGET) if on_gpu else None, check=same_loss, judge='wall')
    finally:
        torch.backends.cudnn.benchmark = benchmark
    for row, trainer in zip(rows, trainers.values(), strict=True):
        row.update(memory_mib=trainer.peak_memory())
    if args.training_step_profile:
        for name, trainer in trainers.items():
            rows += profile_rows(name, trainer, args.training_step_profile)
    return rows


def profile_rows(name, trainer, folder):
    """One row per kind of work, from five calls after the timed ones."""
    on_gpu = trainer.device.type == 'cuda'
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiler:
        for _ in range(5):
            trainer()
    with replace_when_done(folder / f'{re.sub("[^a-z0-9]+", "_", name)}.json') as temporary:
        profiler.export_chrome_trace(str(temporary))
    micros = dict.fromkeys(KINDS, 0.0)
    for event in profiler.key_averages():
        # On a GPU the operators that launch kernels are listed with the kernels' time again.
        if not event.key.startswith(('ProfilerStep', 'Optimizer.')) and not (
                on_gpu and event.device_type == torch.autograd.DeviceType.CPU):
            micros[kind_of(event.key)] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    return [{'case': f'profile, {name}', 'contestant': kind, 'share': 100 * us / sum(micros.values()),
             'wall_ms' if on_gpu else 'cpu_ms': us / 1e3 / 5 / trainer.steps} for kind, us in micros.items()]


def kind_of(operator):
    """Kind of work of an operator."""
    return next(kind for kind, parts in KINDS.items() if any(part in operator.lower() for part in parts))
