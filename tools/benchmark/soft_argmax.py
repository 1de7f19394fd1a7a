"""Soft-argmax, forward and backward.

Baseline: softmax over the flattened volume, then three sums against the grids, as the paper's equation reads, in eager
torch and the logits' own type up to float32. Beside it the same under torch.compile, and the project's backends. The
gradient is held against float64 (largest difference over the largest gradient); memory is what a forward and backward
pass take beyond logits and their gradient. Bytes: the floor is one read forward, one read and one write backward; its
share of the bandwidth is against a copy of the logits in the same run.
"""
import torch
from measure import ResultsDiffer, compare

from mmpose_integral.ops import axis_grid, soft_argmax_3d
from mmpose_integral.ops.soft_argmax import BACKENDS

TITLE = 'Soft-argmax, forward and backward'
PACKAGES = ('torch', )
PLAIN, COMPILED, COPY = 'softmax and three sums', 'the same, torch.compile', 'copy of the logits'
COLUMNS = dict(case='logits', contestant='how', wall_us='wall, us', cpu_us='CPU, us', wall_ratio='times as fast, wall',
               cpu_ratio='times as fast, CPU', extra_mb='extra memory, MB', grad_error='gradient error',
               bandwidth_percent='of copy bandwidth, %')
FAST_ENOUGH, MEMORY_SHARE, ERROR_SHARE = 4, 1 / 3, 2
ROUNDING = 1e-6  # of float32 statistics, beside the largest gradient
DTYPES = dict(float32=torch.float32, bfloat16=torch.bfloat16, float16=torch.float16)
SMALL, LARGE = [2, 18, 24, 32, 24], [16, 18, 72, 96, 72]


def add_arguments(parser):
    parser.add_argument('--soft-argmax-shape', type=int, nargs=5, metavar=tuple('BKDHW'),
                        help=f'default: {SMALL} on a CPU, {LARGE} on a GPU')
    parser.add_argument('--soft-argmax-dtypes', nargs='+', choices=DTYPES, default=['float32', 'bfloat16'])
    parser.add_argument('--soft-argmax-no-compile', action='store_true', help='leave torch.compile out')


def plain(logits):
    """(B, K, D, H, W) -> (B, K, 3), x, y, z: a softmax over the volume and three sums, float32 statistics."""
    probability = logits.flatten(2).softmax(-1, dtype=torch.float32).view_as(logits)
    marginals = (probability.sum((2, 3)), probability.sum((2, 4)), probability.sum((3, 4)))
    return torch.stack([(p * axis_grid(p.shape[-1], device=p.device)).sum(-1) for p in marginals], -1)


def run(args):
    """Rows of each type of logits."""
    device = torch.device(args.device)
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda: torch finds no GPU here')
    shape = [1, 3, 8, 10, 6] if args.quick else args.soft_argmax_shape or (LARGE if args.device == 'cuda' else SMALL)
    rows = []
    for dtype in args.soft_argmax_dtypes:
        rows += rows_of(shape, DTYPES[dtype], device, args)
    return rows


def contestants_of(device, args):
    """Functions of logits, the baseline first."""
    functions = {PLAIN: plain}
    if not args.soft_argmax_no_compile and not args.quick:
        functions[COMPILED] = torch.compile(plain, dynamic=False)
    for name in BACKENDS:
        if name != 'triton' or device.type == 'cuda':
            functions[name] = lambda logits, name=name: soft_argmax_3d(logits, name)
    return functions


def rows_of(shape, dtype, device, args):
    """Rows of one type of logits: times, memory, errors, bandwidth."""
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(shape, generator=generator) * 3).to(device, dtype).requires_grad_()
    weight = torch.randn(*shape[:2], 3, generator=generator).to(device)
    functions = contestants_of(device, args)
    passes = {name: lambda function=function: one_pass(function, logits, weight)
              for name, function in functions.items()}
    exact = one_pass(lambda volume: soft_argmax_3d(volume, 'reference'), logits.detach().double().requires_grad_(),
                     weight.double())
    errors = {name: gradient_error(call(), exact) for name, call in passes.items()}

    def check(_, found):
        error = gradient_error(found, exact)
        if error > ERROR_SHARE * errors[PLAIN] + ROUNDING:
            raise ResultsDiffer(f'gradient error {error:.2g}, that of eager torch is {errors[PLAIN]:.2g}')
        return error

    case = f'{str(dtype).removeprefix("torch.")}, {"x".join(map(str, shape))}'
    wall = device.type == 'cuda'
    fastest = 'triton' if wall else 'eager'
    passes[COPY] = lambda: finish(logits.detach().clone())
    rows = compare(case, passes, args.rounds or (2 if args.quick else 15), warmup=3,
                   check=lambda expected, found: None if isinstance(found, torch.Tensor) else check(expected, found))
    memory = {name: extra_memory(call, logits) for name, call in passes.items()} if wall else {}
    return [*(describe(row, errors, memory, rows[-1], wall) for row in rows),
            *target_rows(case, rows, errors, memory, fastest, on_gpu=wall)]


def describe(row, errors, memory, copy, wall):
    """Add memory, gradient error and share of bandwidth to a row."""
    clock = 'wall_us' if wall else 'cpu_us'
    passes = 2 if row['contestant'] == COPY else 3  # reads and writes of the volume at the least
    rate = passes / row[clock][1] / (2 / copy[clock][1])
    row.update(extra_mb=memory.get(row['contestant']), grad_error=errors.get(row['contestant']),
               bandwidth_percent=100 * rate, volume_reads_and_writes=passes, difference=None)
    return row


def target_rows(case, rows, errors, memory, name, on_gpu):
    """Rows for the summary: time, extra memory and gradient error of the default backend."""
    row = next(row for row in rows if row['contestant'] == name)
    slow, middle, fast = row['wall_ratio' if on_gpu else 'cpu_ratio']
    error = errors[name] / max(errors[PLAIN], 1e-30)
    small_enough = errors[name] <= ERROR_SHARE * errors[PLAIN] + ROUNDING
    goals = [(f'>= {FAST_ENOUGH}x time on a GPU', f'{middle:.1f}x ({slow:.1f}-{fast:.1f})', middle >= FAST_ENOUGH),
             (f"gradient error <= {ERROR_SHARE}x eager's", f'{error:.2f}x', small_enough)]
    if memory:
        share = memory[name] / max(memory[PLAIN], 1e-9)
        goals.append(('<= 1/3 extra memory', f'{share:.2f}', share <= MEMORY_SHARE))
    rows = [dict(case=case, contestant=name, target=target, measured=measured, met=met)
            for target, measured, met in goals]
    if not on_gpu:
        rows[0].update(met=None, remark='measured on a CPU; the target is for a GPU')
    return rows


def finish(result):
    """Wait for the GPU."""
    if result.is_cuda:
        torch.cuda.synchronize()
    return result


def one_pass(function, logits, weight):
    """Forward and backward; gives the coordinates and the gradient of the logits."""
    logits.grad = None
    coordinates = function(logits)
    coordinates.backward(weight.to(coordinates.dtype))
    finish(logits.grad)
    return coordinates.detach(), logits.grad


def gradient_error(found, exact):
    """Largest difference of the gradients over the largest exact one."""
    return float((found[1].double() - exact[1]).abs().max() / exact[1].abs().max())


def extra_memory(call, logits):
    """MB that a pass takes at its peak beyond the logits and their gradient (CUDA)."""
    logits.grad = None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    logits.grad = None
    gradient = logits.numel() * logits.element_size()
    return max(torch.cuda.max_memory_allocated() - before - gradient, 0) / 1e6
