"""Soft-argmax, forward and backward.

Baseline: softmax over the flattened volume, then three sums against the grids, as in the paper's equation, in eager
torch with float32 statistics. Candidates: the same under torch.compile, and the project's backends. The gradient error
is the largest difference from float64 over the largest gradient. Extra memory is the peak of both passes without the
logits and their gradient. The share of the copy bandwidth counts the bytes that both passes need at least: the logits
are read twice, and their gradient is written once. The bandwidth is that of a copy of the logits in the same run.
"""
import argparse
from collections.abc import Callable, Iterator

import torch
from measure import ResultsDiffer, Row, compare, gpu_peak_bytes

from mmpose_integral.ops import axis_grid, soft_argmax_3d
from mmpose_integral.ops.soft_argmax import BACKENDS

TITLE = 'Soft-argmax, forward and backward'
PACKAGES = ('torch', )
PLAIN, COMPILED = 'softmax and three sums', 'the same, torch.compile'
COLUMNS = dict(case='logits', contestant='how', wall_us='wall, us', cpu_us='CPU, us', wall_ratio='times as fast, wall',
               cpu_ratio='times as fast, CPU', copy_share='share of the copy bandwidth, %',
               extra_mb='extra memory, MB', grad_error='gradient error')
SPEED, MEMORY_SHARE, ERROR_SHARE = 4, 1 / 3, 2
ROUNDING = 1e-6  # of float32 statistics, as a share of the largest gradient
DTYPES = dict(float32=torch.float32, bfloat16=torch.bfloat16)
SMALL, LARGE = [2, 18, 24, 32, 24], [16, 18, 72, 96, 72]


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--soft-argmax-shape', type=int, nargs=5, metavar=tuple('BKDHW'),
                        help=f'shape of the logits (default: {SMALL} on a CPU, {LARGE} on a GPU)')
    parser.add_argument('--soft-argmax-no-compile', action='store_true', help='leave out torch.compile')


def plain(logits: torch.Tensor) -> torch.Tensor:
    """(B, K, D, H, W) -> (B, K, 3), x, y, z: a softmax over the volume and three sums, with float32 statistics."""
    probability = logits.flatten(2).softmax(-1, dtype=torch.float32).view_as(logits)
    marginals = (probability.sum((2, 3)), probability.sum((2, 4)), probability.sum((3, 4)))
    return torch.stack([(p * axis_grid(p.shape[-1], device=p.device)).sum(-1) for p in marginals], -1)


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of each type of logits: times, memory and errors."""
    on_gpu = args.device == 'cuda'
    shape = [1, 3, 8, 10, 6] if args.quick else args.soft_argmax_shape or (LARGE if on_gpu else SMALL)
    functions = {PLAIN: plain}
    if not args.soft_argmax_no_compile and not args.quick:
        functions[COMPILED] = torch.compile(plain, dynamic=False)
    for name in BACKENDS:
        if name != 'triton' or on_gpu:
            functions[name] = lambda logits, name=name: soft_argmax_3d(logits, name)
    for dtype in DTYPES:
        generator = torch.Generator().manual_seed(0)
        logits = (torch.randn(shape, generator=generator) * 3).to(args.device, DTYPES[dtype]).requires_grad_()
        weight = torch.randn(*shape[:2], 3, generator=generator).to(args.device)
        passes = {name: lambda function=function, logits=logits, weight=weight: gradient(function, logits, weight)
                  for name, function in functions.items()}
        case = f'{dtype}, {"x".join(map(str, shape))}'
        errors = gradient_errors(case, passes, logits, weight)
        rows = compare(case, passes, args.rounds or (2 if args.quick else 15), warmup=3, judge='wall',
                       targets={'triton': SPEED})
        # The logits and the gradient of the call before are in use already, and a call replaces that gradient.
        memory = {name: gpu_peak_bytes(call) / 1e6 for name, call in passes.items()} if on_gpu else {}
        copy_us = copy_micros(logits)
        for row in rows:
            name = row['contestant']
            yield dict(row, copy_share=100 * 1.5 * copy_us / row['wall_us'][1], grad_error=errors[name],
                       extra_mb=memory.get(name))
        if on_gpu:
            share = memory['triton'] / max(memory[PLAIN], 1e-9)
            yield dict(case=case, contestant='triton', target='<= 1/3 extra memory', measured=f'{share:.2f}',
                       met=share <= MEMORY_SHARE)


def gradient_errors(case: str, passes: dict[str, Callable], logits: torch.Tensor,
                    weight: torch.Tensor) -> dict[str, float]:
    """Error of each contestant's gradient; raises ResultsDiffer if one is far beyond the baseline's own error."""
    exact = gradient(lambda volume: soft_argmax_3d(volume, 'reference'), logits.detach().double().requires_grad_(),
                     weight.double())
    errors = {name: float((call().double() - exact).abs().max() / exact.abs().max()) for name, call in passes.items()}
    for name, error in errors.items():
        if not error <= ERROR_SHARE * errors[PLAIN] + ROUNDING:
            raise ResultsDiffer(f'{case}: gradient error of {name} {error:.2g}, that of {PLAIN} is {errors[PLAIN]:.2g}')
    return errors


def copy_micros(logits: torch.Tensor) -> float:
    """Median time of a copy of the logits, microseconds: one reading and one writing of all bytes."""
    source = logits.detach()
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)
        if source.is_cuda:
            torch.cuda.synchronize()

    return compare('copy', {'copy': copy}, 15, warmup=3)[0]['wall_us'][1]


def gradient(function: Callable, logits: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Gradient of the logits by a forward and a backward pass; the device has finished."""
    logits.grad = None
    coordinates = function(logits)
    coordinates.backward(weight.to(coordinates.dtype))
    if logits.is_cuda:
        torch.cuda.synchronize()
    return logits.grad
