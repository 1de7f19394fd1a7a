"""From the head's last features to x, y, z, forward and backward: with a volume and without one.

Baseline: the 1x1 convolution that writes the volume of logits, then soft_argmax_3d as 'auto' chooses it. "Plain" has a
softmax over the flattened volume and three sums instead, in eager torch and under torch.compile. The others are the
backends of linear_soft_argmax_3d, which never make the volume. Before anything is timed, gradients of features, weights
and bias are held against float64 on a small size (largest difference over the largest gradient, the worst of three).
Memory is what a forward and backward pass hold at their peak beyond arguments and gradients: on a GPU as its allocator
counts it, on a CPU the bytes of tensors as torch.profiler counts them, without a library's own scratch space. On a GPU
float32 is multiplied as TF32 by all, which is torch's default for convolutions.
"""
import contextlib

import torch
from measure import ResultsDiffer, compare, same_within
from soft_argmax import DTYPES, ERROR_SHARE, ROUNDING, plain
from torch.nn.functional import conv2d
from torch.profiler import ProfilerActivity, profile

from mmpose_integral.ops import linear_soft_argmax_3d, soft_argmax_3d

TITLE = 'Features to moments, forward and backward'
PACKAGES = ('torch', )
VOLUME, PLAIN, COMPILED = 'convolution and volume', 'convolution and volume, plain', 'the plain one, torch.compile'
CHUNKED, TRITON = 'no volume, chunked', 'no volume, triton'
COLUMNS = dict(case='features', contestant='how', wall_us='wall, us', cpu_us='CPU, us',
               wall_ratio='times as fast, wall', cpu_ratio='times as fast, CPU', memory_mb='memory, MB',
               grad_error='gradient error', difference='largest difference')
SMALL, LARGE, TWICE = [2, 18, 24, 32, 24, 256], [16, 18, 72, 96, 72, 256], [16, 18, 144, 192, 144, 256]
TINY = [1, 3, 8, 10, 6, 32]
MEMORY_SHARE = 1 / 3
SAME = dict(float32=1e-4, bfloat16=2e-2, float16=2e-3)  # coordinates: low precision rounds the logits
LAYOUTS = dict(contiguous=torch.contiguous_format, channels_last=torch.channels_last)


def add_arguments(parser):
    parser.add_argument('--features-to-moments-shape', type=int, nargs=6, metavar=tuple('BKDHWC'),
                        help=f'default: {SMALL} on a CPU, {LARGE} and {TWICE} on a GPU')
    parser.add_argument('--features-to-moments-dtypes', nargs='+', choices=DTYPES, default=['float32', 'bfloat16'])
    parser.add_argument('--features-to-moments-layouts', nargs='+', choices=LAYOUTS, default=list(LAYOUTS),
                        help='of the features: the fast path has channels last')
    parser.add_argument('--features-to-moments-no-compile', action='store_true', help='leave torch.compile out')


def run(args):
    """Rows of each shape, type and layout."""
    device = torch.device(args.device)
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda: torch finds no GPU here')
    shapes = [args.features_to_moments_shape] if args.features_to_moments_shape else \
        [LARGE, TWICE] if device.type == 'cuda' else [SMALL]
    rows = []
    with products_as_convolutions():
        for shape in [TINY] if args.quick else shapes:
            for dtype in args.features_to_moments_dtypes:
                for layout in args.features_to_moments_layouts:
                    rows += rows_of(shape, dtype, layout, device, args)
    return rows


@contextlib.contextmanager
def products_as_convolutions():
    """TF32 for products of matrices where convolutions have it; torch has a switch for each."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def contestants_of(joints, device, compiled):
    """Functions of features, weight and bias, the baseline first."""
    def volume(function):
        return lambda *leaves: function(conv2d(*leaves).unflatten(1, (joints, -1)))

    def fused(backend):
        return lambda *leaves: linear_soft_argmax_3d(*leaves, joints, backend)

    functions = {VOLUME: volume(soft_argmax_3d), PLAIN: volume(plain)}
    if compiled:
        functions[COMPILED] = torch.compile(volume(plain), dynamic=False)
    functions[CHUNKED] = fused('chunked')
    if device.type == 'cuda':
        functions[TRITON] = fused('triton')
    return functions


def make_problem(shape, dtype, layout, device):
    """Leaves (features, weight, bias) and the gradient of the coordinates; logits spread by about 3."""
    batch, joints, depth, height, width, channels = shape
    generator = torch.Generator().manual_seed(0)
    leaves = (torch.randn(batch, channels, height, width, generator=generator),
              torch.randn(joints * depth, channels, 1, 1, generator=generator) * 3 / channels**0.5,
              torch.randn(joints * depth, generator=generator))
    features, *others = (one.to(device, DTYPES[dtype]) for one in leaves)
    leaves = [one.requires_grad_() for one in (features.contiguous(memory_format=LAYOUTS[layout]), *others)]
    return leaves, torch.randn(batch, joints, 3, generator=generator).to(device)


def one_pass(function, leaves, weight):
    """Forward and backward; gives the coordinates, on the CPU."""
    for leaf in leaves:
        leaf.grad = None
    coordinates = function(*leaves)
    coordinates.backward(weight.to(coordinates.dtype))
    return coordinates.detach().double().cpu().numpy()  # which waits for a GPU


def gradient_errors(shape, dtype, layout, device):
    """Worst gradient error of each contestant on a small size; raises ResultsDiffer beyond twice the plain one's."""
    leaves, weight = make_problem(shape, dtype, layout, device)
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    one_pass(lambda *args: linear_soft_argmax_3d(*args, shape[1], 'reference'), exact, weight)
    errors = {}
    for name, function in contestants_of(shape[1], device, compiled=False).items():
        one_pass(function, leaves, weight)
        errors[name] = max(float((leaf.grad.double() - truth.grad).abs().max() / truth.grad.abs().max())
                           for leaf, truth in zip(leaves, exact, strict=True))
    for name, error in errors.items():
        if not error <= ERROR_SHARE * errors[PLAIN] + ROUNDING:
            raise ResultsDiffer(f'{dtype}, {layout}: gradient error of {name} {error:.2g}, that of {PLAIN} is '
                                f'{errors[PLAIN]:.2g}')
    return errors


def rows_of(shape, dtype, layout, device, args):
    """Rows of one shape, type and layout: times, memory, errors."""
    wall, joints = device.type == 'cuda', shape[1]
    compiled = not args.features_to_moments_no_compile and not args.quick
    errors = gradient_errors(TINY if args.quick else SMALL, dtype, layout, device)
    leaves, weight = make_problem(shape, dtype, layout, device)
    passes = {name: lambda function=function: one_pass(function, leaves, weight)
              for name, function in contestants_of(joints, device, compiled).items()}
    case = f'{dtype}, {layout.replace("_", " ")}, {"x".join(map(str, shape))}'
    rows = compare(case, passes, args.rounds or (2 if args.quick else 15), warmup=2, check=same_within(SAME[dtype]))
    memory = {name: extra_memory(call, leaves) for name, call in passes.items()}
    for row in rows:
        row.update(memory_mb=memory[row['contestant']], grad_error=errors.get(row['contestant']))
    return [*rows, *target_rows(case, rows, 'wall' if wall else 'cpu')]


def target_rows(case, rows, clock):
    """Rows for the summary: time and memory without a volume against the baseline's."""
    result = []
    for row in rows:
        if row['contestant'] in (CHUNKED, TRITON):
            slow, middle, fast = row[f'{clock}_ratio']
            share = row['memory_mb'] / max(rows[0]['memory_mb'], 1e-9)
            result += [dict(case=case, contestant=row['contestant'], target=target, measured=measured, met=met)
                       for target, measured, met in (
                           ('as fast as with a volume', f'{middle:.2f}x ({slow:.2f}-{fast:.2f})', middle >= 1),
                           ('<= 1/3 of the memory', f'{share:.2f}', share <= MEMORY_SHARE))]
    return result


def extra_memory(call, leaves):
    """MB that a pass takes at its peak beyond its arguments and their gradients."""
    for leaf in leaves:
        leaf.grad = None
    if leaves[0].is_cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        peak = torch.cuda.max_memory_allocated() - before
    else:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
            call()
        peak = peak_of(record)
    return max(peak - sum(leaf.numel() * leaf.element_size() for leaf in leaves), 0) / 1e6


def peak_of(record):
    """Most bytes of tensors that lay on the CPU at once in a profile with memory, beyond those from before it."""
    now = peak = 0
    events = [event for event in record.profiler.kineto_results.events() if event.name() == '[memory]']
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak
