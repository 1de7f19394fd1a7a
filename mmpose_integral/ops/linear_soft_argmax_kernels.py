"""Triton kernels of :mod:`linear_soft_argmax_triton`: logits are made a tile at a time, in registers.

Rows are the K * D rows of the weights, whatever joint they belong to, and columns the pixels: a tile is a product of
both over the channels, and D needs no padding. DTYPE is the type of sums and statistics, OPERAND that of what is
multiplied. Offsets within one image fit 32 bits, those of images are 64 bits.
"""
import triton
import triton.language as tl


@triton.jit
def _product(features, weight, rows, pixels, channels, num_rows, num_pixels, stride_c, stride_p, ROWS: tl.constexpr,
             PIXELS: tl.constexpr, CHANNELS: tl.constexpr, DTYPE: tl.constexpr, OPERAND: tl.constexpr,
             PRECISION: tl.constexpr):
    total = tl.zeros((ROWS, PIXELS), DTYPE)
    lanes = tl.arange(0, CHANNELS)
    for start in range(0, channels, CHANNELS):
        channel = start + lanes
        left = tl.load(weight + rows[:, None] * channels + channel[None, :],
                       mask=(rows < num_rows)[:, None] & (channel < channels)[None, :], other=0.0)
        right = tl.load(features + channel[:, None] * stride_c + pixels[None, :] * stride_p,
                        mask=(channel < channels)[:, None] & (pixels < num_pixels)[None, :], other=0.0)
        total = tl.dot(left.to(OPERAND), right.to(OPERAND), total, input_precision=PRECISION, out_dtype=DTYPE)
    return total


@triton.jit
def moments_kernel(features, weight, bias, parts, stride_n, stride_c, stride_p, channels, num_rows, num_pixels,
                    width, span, ROWS: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
                    DTYPE: tl.constexpr, OPERAND: tl.constexpr, PRECISION: tl.constexpr):
    part, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    offset = tl.load(bias + rows, mask=rows < num_rows, other=0.0).to(DTYPE)
    peak = tl.full((ROWS, ), float('-inf'), DTYPE)
    mass = tl.zeros((ROWS, ), DTYPE)
    mean_x, mean_y, square_x, square_y = mass, mass, mass, mass
    for start in range(part * span, tl.minimum(part * span + span, num_pixels), PIXELS):
        pixels = start + tl.arange(0, PIXELS)
        logits = _product(features + image * stride_n, weight, rows, pixels, channels, num_rows, num_pixels, stride_c,
                          stride_p, ROWS, PIXELS, CHANNELS, DTYPE, OPERAND, PRECISION) + offset[:, None]
        logits = tl.where((pixels < num_pixels)[None, :], logits, float('-inf'))
        top = tl.maximum(peak, tl.max(logits, 1))
        level = tl.where(top == float('-inf'), 0.0, top)  # a row of -inf weighs nothing, instead of NaN
        chance = tl.exp(logits - level[:, None])
        here = tl.sum(chance, 1)
        # A tile may lie so far below the peak that its mass is 0 or has no inverse; its mean does not matter then.
        inverse = 1.0 / tl.where(here < 1e-30, 1.0, here)
        # Deviations from the tile's own mean: the squares of coordinates would drown those of a sharp peak.
        x, y = (pixels % width).to(DTYPE)[None, :], (pixels // width).to(DTYPE)[None, :]
        here_x, here_y = tl.sum(chance * x, 1) * inverse, tl.sum(chance * y, 1) * inverse
        shrink = tl.exp(peak - level)
        before = mass * shrink
        mass = before + here
        share = here / tl.where(mass == 0.0, 1.0, mass)
        step_x, step_y = here_x - mean_x, here_y - mean_y
        x, y = x - here_x[:, None], y - here_y[:, None]
        square_x = square_x * shrink + tl.sum(chance * x * x, 1) + step_x * step_x * before * share
        square_y = square_y * shrink + tl.sum(chance * y * y, 1) + step_y * step_y * before * share
        mean_x += step_x * share
        mean_y += step_y * share
        peak = top
    out = parts + (image * tl.num_programs(1) + part) * 6 * num_rows + rows
    inside = rows < num_rows
    tl.store(out, peak, mask=inside)
    tl.store(out + num_rows, mass, mask=inside)
    tl.store(out + 2 * num_rows, mean_x, mask=inside)
    tl.store(out + 3 * num_rows, mean_y, mask=inside)
    tl.store(out + 4 * num_rows, square_x, mask=inside)
    tl.store(out + 5 * num_rows, square_y, mask=inside)


@triton.jit
def _axis(mass, total, place, square, out, std, step):
    mean = tl.sum(mass * place) / total
    away = place - mean
    tl.store(out, mean * step)
    tl.store(std, tl.sqrt(tl.sum(square + mass * away * away) / total) * step)


@triton.jit
def join_kernel(parts, lse, mean, std, steps, count, depth, num_rows, ENTRIES: tl.constexpr):
    joint, image = tl.program_id(0), tl.program_id(1).to(tl.int64)
    entry = tl.arange(0, ENTRIES)
    inside, cell = entry < count * depth, entry % depth
    base = parts + (image * count + entry // depth) * 6 * num_rows + joint * depth + cell
    peaks = tl.load(base, mask=inside, other=float('-inf'))
    peak = tl.max(peaks)
    shrink = tl.where(inside, tl.exp(peaks - peak), 0.0)
    mass = tl.load(base + num_rows, mask=inside, other=0.0) * shrink
    total = tl.sum(mass)
    volume = image * tl.num_programs(0) + joint
    tl.store(lse + volume, peak + tl.log(total))
    x, y = (tl.load(base + 2 * num_rows, mask=inside, other=0.0), tl.load(base + 3 * num_rows, mask=inside, other=0.0))
    square_x = tl.load(base + 4 * num_rows, mask=inside, other=0.0) * shrink
    square_y = tl.load(base + 5 * num_rows, mask=inside, other=0.0) * shrink
    out, spread = mean + volume * 3, std + volume * 3
    _axis(mass, total, x, square_x, out, spread, tl.load(steps))
    _axis(mass, total, y, square_y, out + 1, spread + 1, tl.load(steps + 1))
    _axis(mass, total, cell.to(mass.dtype), mass * 0.0, out + 2, spread + 2, tl.load(steps + 2))


@triton.jit
def _gradient_tile(features, weight, terms, rows, pixels, channels, num_rows, num_pixels, width, stride_c, stride_p,
                   ROWS: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr, DTYPE: tl.constexpr,
                   OPERAND: tl.constexpr, PRECISION: tl.constexpr):
    inside = rows < num_rows
    shift = tl.load(terms + rows, mask=inside, other=0.0)
    column = tl.load(terms + num_rows + rows, mask=inside, other=0.0)
    slope_x = tl.load(terms + 2 * num_rows + rows, mask=inside, other=0.0)
    slope_y = tl.load(terms + 3 * num_rows + rows, mask=inside, other=0.0)
    logits = _product(features, weight, rows, pixels, channels, num_rows, num_pixels, stride_c, stride_p, ROWS, PIXELS,
                      CHANNELS, DTYPE, OPERAND, PRECISION)
    x, y = (pixels % width).to(DTYPE), (pixels // width).to(DTYPE)
    slope = column[:, None] + slope_x[:, None] * x[None, :] + slope_y[:, None] * y[None, :]
    grad = tl.exp(logits + shift[:, None]) * slope
    return tl.where(inside[:, None] & (pixels < num_pixels)[None, :], grad, 0.0)


@triton.jit
def features_kernel(features, weight, terms, grad, stride_n, stride_c, stride_p, grad_n, grad_c, grad_p, channels,
                     num_rows, num_pixels, width, ROWS: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
                     OUT: tl.constexpr, DTYPE: tl.constexpr, OPERAND: tl.constexpr, PRECISION: tl.constexpr):
    image = tl.program_id(2).to(tl.int64)
    pixels = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    own = tl.program_id(1) * OUT + tl.arange(0, OUT)
    total = tl.zeros((OUT, PIXELS), DTYPE)
    for start in range(0, num_rows, ROWS):
        rows = start + tl.arange(0, ROWS)
        tile = _gradient_tile(features + image * stride_n, weight, terms + image * 4 * num_rows, rows, pixels,
                              channels, num_rows, num_pixels, width, stride_c, stride_p, ROWS, PIXELS, CHANNELS, DTYPE,
                              OPERAND, PRECISION)
        left = tl.load(weight + rows[None, :] * channels + own[:, None],
                       mask=(rows < num_rows)[None, :] & (own < channels)[:, None], other=0.0)
        total = tl.dot(left.to(OPERAND), tile.to(OPERAND), total, input_precision=PRECISION, out_dtype=DTYPE)
    tl.store(grad + image * grad_n + own[:, None] * grad_c + pixels[None, :] * grad_p,
             total.to(grad.dtype.element_ty), mask=(own < channels)[:, None] & (pixels < num_pixels)[None, :])


@triton.jit
def weights_kernel(features, weight, terms, grad_weight, grad_bias, stride_n, stride_c, stride_p, channels, num_rows,
                    num_pixels, width, tiles, blocks, span, ROWS: tl.constexpr, PIXELS: tl.constexpr,
                    CHANNELS: tl.constexpr, OUT: tl.constexpr, DTYPE: tl.constexpr, OPERAND: tl.constexpr,
                    PRECISION: tl.constexpr):
    part = tl.program_id(2).to(tl.int64)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    own = tl.program_id(1) * OUT + tl.arange(0, OUT)
    total = tl.zeros((ROWS, OUT), DTYPE)
    total_bias = tl.zeros((ROWS, ), DTYPE)
    for index in range(tl.program_id(2) * span, tl.minimum(tl.program_id(2) * span + span, tiles)):
        image = (index // blocks).to(tl.int64)
        pixels = index % blocks * PIXELS + tl.arange(0, PIXELS)
        tile = _gradient_tile(features + image * stride_n, weight, terms + image * 4 * num_rows, rows, pixels,
                              channels, num_rows, num_pixels, width, stride_c, stride_p, ROWS, PIXELS, CHANNELS, DTYPE,
                              OPERAND, PRECISION)
        total_bias += tl.sum(tile, 1)
        right = tl.load(features + image * stride_n + own[None, :] * stride_c + pixels[:, None] * stride_p,
                        mask=(own < channels)[None, :] & (pixels < num_pixels)[:, None], other=0.0)
        total = tl.dot(tile.to(OPERAND), right.to(OPERAND), total, input_precision=PRECISION, out_dtype=DTYPE)
    inside = rows < num_rows
    tl.store(grad_weight + part * num_rows * channels + rows[:, None] * channels + own[None, :], total,
             mask=inside[:, None] & (own < channels)[None, :])
    if tl.program_id(1) == 0:
        tl.store(grad_bias + part * num_rows + rows, total_bias, mask=inside)
