"""Profile training steps, plain and fast: where the time goes, as a table, and a trace for chrome://tracing.

The steps are those of the scenario training_step, with the same options. Times are those of the operators themselves,
without what they call: of the processor, or of the GPU where one is used.
"""
import argparse
import sys
import time
from pathlib import Path

import torch
import training_step
from mmengine.registry import init_default_scope
from timing import describe_machine, table
from torch.profiler import ProfilerActivity, profile

from mmpose_integral.preparation.files import replace_when_done

# Kind of work by parts of an operator's name; the first that fits counts.
KINDS = {
    'batch norm': ('batch_norm', 'batchnorm', 'bn_fw', 'bn_bw'),
    'convolutions': ('conv', 'xmma', 'gemm', 'cutlass', 'fprop', 'dgrad', 'wgrad'),
    'ReLU, pooling': ('relu', 'clamp_min', 'threshold', 'max_pool'),
    'optimizer': ('adam', 'optimizer', 'addcdiv', 'addcmul', 'lerp', 'foreach', 'sqrt', 'multi_tensor'),
    'integral (kernels; on a CPU exp, sums, products)': (
        'softargmax', 'moments', '_combine_kernel', '_gradient_kernel', 'exp_', 'softmax', 'sum', 'amax', 'mul', 'sub',
        'mv', 'bmm', '::mm', 'addmm'),
    'copies, conversions, filling': (
        'copy', 'clone', '::cat', 'catarray', 'stack', 'memcpy', 'memset', 'fill', 'zero', 'reorder', 'flip',
        'contiguous'),
}
OTHER = 'other'


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--threads', type=int, default=1, help='of torch (default: 1)')
    parser.add_argument('--steps', type=int, default=5, help='profiled steps, after three others')
    parser.add_argument('--top', type=int, default=12, help='operators in the second table')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark/profile'), help='folder of traces')
    training_step.add_arguments(parser)
    return parser.parse_args(args)


def kind_of(name):
    """Kind of work of an operator."""
    name = name.lower()
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), OTHER)


def self_time(event, on_gpu):
    """Microseconds of an operator itself."""
    return event.self_device_time_total if on_gpu else event.self_cpu_time_total


def profile_steps(trainer, steps, on_gpu, trace):
    """Profile; the trace is written as a file.

    Returns:
        tuple[list, float]: averaged events, and seconds that the steps took.
    """
    for _ in range(3):
        trainer()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    start = time.perf_counter()
    with profile(activities=activities) as profiler:
        for _ in range(steps):
            trainer()
    seconds = time.perf_counter() - start
    with replace_when_done(trace) as temporary:
        profiler.export_chrome_trace(str(temporary))
    # Only kernels occupy the GPU; the operators that launch them are listed with the same time again.
    events = [event for event in profiler.key_averages() if not event.key.startswith(('ProfilerStep', 'Optimizer.'))]
    if on_gpu:
        events = [event for event in events if event.device_type != torch.autograd.DeviceType.CPU]
    return events, seconds


def shares(events, on_gpu):
    """Microseconds by kind of work."""
    result = dict.fromkeys([*KINDS, OTHER], 0.0)
    for event in events:
        result[kind_of(event.key)] += self_time(event, on_gpu)
    return result


def main(args=None):
    """Run the tool; returns the kinds' times, us a step, by contestant."""
    args = parse_args(args)
    torch.set_num_threads(args.threads)
    init_default_scope('mmpose')
    on_gpu = args.device == 'cuda'
    path = args.training_step_config or training_step.CONFIGS / training_step.BY_DEVICE[args.device]
    configs = training_step.contestants(path, args.training_step_each_part, on_gpu)
    result = {}
    for name, cfg in configs.items():
        trainer = training_step.Trainer(cfg, args.device, args.training_step_batch, args.training_step_steps or 1)
        steps = args.steps * trainer.steps
        trace = args.out / f'{Path(path).stem}_{"".join(c if c.isalnum() else "_" for c in name)}.json'
        events, seconds = profile_steps(trainer, args.steps, on_gpu, trace)
        kinds = shares(events, on_gpu)
        total = sum(kinds.values())
        result[name] = {kind: us / steps for kind, us in kinds.items()}
        print(f'\n### {name}: {total / steps / 1e3:.1f} ms a step, '
              f'{100 * total / seconds / 1e6:.0f} % of the wall time; trace {trace.name}\n')
        rows = [(kind, f'{us / steps / 1e3:.2f}', f'{100 * us / total:.1f}') for kind, us in kinds.items()]
        print(table(rows, ('work', 'ms a step', '%')) + '\n')
        top = sorted(events, key=lambda event: -self_time(event, on_gpu))[:args.top]
        print(table([(event.key[:70], f'{self_time(event, on_gpu) / steps / 1e3:.2f}', f'{event.count / steps:g}')
                     for event in top], ('operator' if not on_gpu else 'kernel', 'ms a step', 'calls a step')))
        del trainer
    print(f'\n{describe_machine("torch", "mmpose")}')
    return result


if __name__ == '__main__':
    main()
    sys.exit(0)
