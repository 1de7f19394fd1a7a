"""Triton kernels of :mod:`soft_argmax_triton`: one read of the logits forward, one read and one write backward.

The forward kernel makes one pass with an online softmax. Each lane keeps its largest logit so far, and relative to it
the mass (sum of the weights) and the first and second moments of the weights. Moments are in cells, about the cell of
the largest logit: about the origin, the variance of a sharp peak would be lost in the rounding of squared coordinates.
If a larger logit is found, the moments are moved to its cell. Without variance, as in training, first moments about the
origin are sufficient. Lanes are joined at the end of a program, and programs by a second kernel. The backward kernel
recomputes the softmax from logits and log-sum-exp.

Memory bandwidth limits the speed, so the arithmetic must take less time than the reads. A lane reads a vector of 16
bytes at a time, which holds neighbours along the fastest axis. They share the other two coordinates, and only their sum
and their moments within the vector enter the lane's moments. Lanes are not synchronised before the end.

Axes 0, 1 and 2 of a volume are numbered by their stride, from the slowest to the fastest in memory.
"""
import triton
import triton.language as tl

# Number of values that a program of the forward kernel writes for its part of a volume: peak and mass, and for each of
# three axes the peak's cell, the first moment about it, and the second moment about the part's mean.
FIELDS = tl.constexpr(11)


@triton.jit
def _vectors(number: tl.tensor, s0: tl.tensor, s1: tl.tensor, s2: tl.tensor, N1: tl.constexpr, N2: tl.constexpr,
             V: tl.constexpr) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Compute the cells where vectors begin.

    Args:
        number: (ROWS,), numbers of the vectors within the volume, counted along axis 2, then 1, then 0.
        s0, s1: Strides of axes 0 and 1, in vectors.
        s2: Stride of axis 2, in elements; 1 where V > 1.
        N1, N2: Numbers of cells along axes 1 and 2.
        V: Number of elements of a vector, a divisor of N2.

    Returns:
        Cell along each axis, and offset from the volume's first element, in elements, (ROWS,) each.
    """
    within = number % (N2 // V)
    a0, a1 = number // (N1 * (N2 // V)), (number // (N2 // V)) % N1
    return a0, a1, within * V, (a0 * s0 + a1 * s1 + within * s2) * V


@triton.jit
def _moved(mass: tl.tensor, first: tl.tensor, second: tl.tensor,
           distance: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """Move the moments of a mass along one axis to another centre.

    Args:
        mass: (ROWS,), sum of the weights.
        first: (ROWS,), sum of the weights times the position about the old centre, in cells.
        second: (ROWS,), sum of the weights times the squared position about the old centre, in cells squared.
        distance: (ROWS,) or scalar, position of the new centre relative to the old one, in cells.

    Returns:
        First and second moment about the new centre, (ROWS,) each.
    """
    shifted = distance * mass
    return first - shifted, second - distance * (2 * first - shifted)


@triton.jit
def _store_joined(out: tl.tensor, mass: tl.tensor, centre: tl.tensor, first: tl.tensor, second: tl.tensor,
                  shrink: tl.tensor, best: tl.tensor, lanes: tl.tensor, axis: tl.constexpr) -> None:
    """Join the moments of all lanes along one axis and store them.

    Stored first moments are about the cell of the largest logit, second ones about the mean.

    Args:
        out: Pointer to the FIELDS of this program's part.
        mass: (ROWS,), sum of the weights, relative to the lane's largest logit.
        centre: (ROWS,), cell about which the moments are.
        first: (ROWS,), first moments, in cells.
        second: (ROWS,), second moments, in cells squared.
        shrink: (ROWS,), factor that makes a lane's weights relative to the largest logit of all lanes.
        best: Number of the lane that has the largest logit.
        lanes: (ROWS,), numbers of the lanes.
        axis: Number of the axis.
    """
    middle = tl.sum(tl.where(lanes == best, centre, 0))
    first, second = _moved(mass, first, second, (middle - centre).to(mass.dtype))
    of_all, total = tl.sum(first * shrink), tl.sum(mass * shrink)
    first, second = _moved(mass, first, second, of_all / tl.where(total > 0, total, 1.0))
    tl.store(out + 2 + axis, middle.to(mass.dtype))
    tl.store(out + 5 + axis, of_all)
    tl.store(out + 8 + axis, tl.sum(second * shrink))


@triton.jit
def moments_kernel(logits: tl.tensor, parts: tl.tensor, stride_b: tl.tensor, stride_k: tl.tensor, joints: tl.tensor,
                   span: tl.tensor, s0: tl.tensor, s1: tl.tensor, s2: tl.tensor, N0: tl.constexpr, N1: tl.constexpr,
                   N2: tl.constexpr, V: tl.constexpr, ROWS: tl.constexpr, DTYPE: tl.constexpr,
                   STD: tl.constexpr) -> None:
    """Compute peak, mass and moments of one part of one volume. Programs: (B * K, number of parts).

    Args:
        logits: Pointer to the logits, (B, K) volumes of any layout.
        parts: Pointer to the result, (B * K, number of parts, FIELDS) of type DTYPE; moments in cells, cells squared.
        stride_b, stride_k: Strides of batch and joints, in vectors.
        joints: Number of joints, K.
        span: Number of vectors of a part, a multiple of ROWS.
        s0, s1: Strides of axes 0 and 1, in vectors.
        s2: Stride of axis 2, in elements.
        N0, N1, N2: Numbers of cells along axes 0, 1 and 2.
        V: Number of elements of a vector.
        ROWS: Number of lanes, which is the number of vectors that a program reads in one step.
        DTYPE: Type of the statistics, float32 or float64.
        STD: Whether to compute second moments. Without it, they are 0, and first moments are about the origin.
    """
    volume, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    base = logits + ((volume // joints) * stride_b + (volume % joints) * stride_k) * V
    lanes, places = tl.arange(0, ROWS), tl.arange(0, V)
    steps = places.to(DTYPE)[None, :]
    peak = tl.full((ROWS, ), float('-inf'), DTYPE)
    c0, c1, c2 = tl.zeros((ROWS, ), tl.int32), tl.zeros((ROWS, ), tl.int32), tl.zeros((ROWS, ), tl.int32)
    mass = tl.zeros((ROWS, ), DTYPE)
    m0, m1, m2, q0, q1, q2 = mass, mass, mass, mass, mass, mass
    count: tl.constexpr = N0 * N1 * (N2 // V)
    for offset in range(part * span, tl.minimum(part * span + span, count), ROWS):
        number = offset + lanes
        a0, a1, a2, distance = _vectors(number, s0, s1, s2, N1, N2, V)
        value = tl.load(base + (distance[:, None] + places[None, :]), mask=(number < count)[:, None],
                        other=float('-inf')).to(DTYPE)
        largest = tl.max(value, 1)
        fresh = largest > peak
        top = tl.where(fresh, largest, peak)
        level = tl.where(top == float('-inf'), 0.0, top)  # all logits may have been -inf so far
        shrink = tl.exp(peak - level)
        weight = tl.exp(value - level[:, None])
        total, inner = tl.sum(weight, 1), tl.sum(weight * steps, 1)
        peak = top
        d0, d1, d2 = (a0 - c0).to(DTYPE), (a1 - c1).to(DTYPE), (a2 - c2).to(DTYPE)
        if STD:
            # Where a vector holds the largest logit so far, the old moments are moved to its cell. The distances d are
            # then from that cell.
            e0, e1, e2 = tl.where(fresh, d0, 0.0), tl.where(fresh, d1, 0.0), tl.where(fresh, d2, 0.0)
            d0, d1, d2 = d0 - e0, d1 - e1, d2 - e2
            c0, c1, c2 = tl.where(fresh, a0, c0), tl.where(fresh, a1, c1), tl.where(fresh, a2, c2)
            m0, q0 = _moved(mass, m0, q0, e0)
            m1, q1 = _moved(mass, m1, q1, e1)
            m2, q2 = _moved(mass, m2, q2, e2)
            inner2 = tl.sum(weight * (steps * steps), 1)
            q0, q1 = q0 * shrink + total * d0 * d0, q1 * shrink + total * d1 * d1
            q2 = q2 * shrink + (inner2 + d2 * (2 * inner + total * d2))
        mass = mass * shrink + total
        m0, m1, m2 = m0 * shrink + total * d0, m1 * shrink + total * d1, m2 * shrink + (inner + total * d2)
    peak_of_all = tl.max(peak, 0)
    shrink = tl.exp(peak - tl.where(peak_of_all == float('-inf'), 0.0, peak_of_all))
    best = tl.argmax(peak, 0)
    out = parts + (volume * tl.num_programs(1) + part) * FIELDS
    tl.store(out, peak_of_all)
    tl.store(out + 1, tl.sum(mass * shrink))
    _store_joined(out, mass, c0, m0, q0, shrink, best, lanes, 0)
    _store_joined(out, mass, c1, m1, q1, shrink, best, lanes, 1)
    _store_joined(out, mass, c2, m2, q2, shrink, best, lanes, 2)


@triton.jit
def combine_kernel(parts: tl.tensor, lse: tl.tensor, mean: tl.tensor, std: tl.tensor, count: tl.tensor,
                   steps: tl.tensor, P0: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr,
                   PARTS: tl.constexpr) -> None:
    """Join the parts of one volume. Programs: (B * K,).

    Args:
        parts: Pointer to the result of :func:`moments_kernel`, (B * K, count, FIELDS).
        lse: Pointer to the log-sum-exp to write, (B * K,).
        mean, std: Pointers to the mean and standard deviation to write, (B * K, 3) each as x, y, z, normalised.
        count: Number of parts of a volume.
        steps: Pointer to the distance of neighbouring cells along x, y, z, (3,), normalised.
        P0, P1, P2: Places of axes 0, 1 and 2: 0 for x, 1 for y, 2 for z.
        PARTS: ``count``, rounded up to a power of 2.
    """
    volume = tl.program_id(0).to(tl.int64)
    lanes = tl.arange(0, PARTS)
    inside = lanes < count
    base = parts + (volume * count + lanes) * FIELDS
    peaks = tl.load(base, mask=inside, other=float('-inf'))
    peak = tl.max(peaks)
    best = tl.argmax(peaks, 0)
    shrink = tl.where(inside, tl.exp(peaks - peak), 0.0)
    masses = tl.load(base + 1, mask=inside, other=0.0) * shrink
    mass = tl.sum(masses)
    tl.store(lse + volume, peak + tl.log(mass))
    for axis in tl.static_range(3):
        centres = tl.load(base + 2 + axis, mask=inside, other=0.0)
        first = tl.load(base + 5 + axis, mask=inside, other=0.0) * shrink
        second = tl.load(base + 8 + axis, mask=inside, other=0.0) * shrink
        centre = tl.sum(tl.where(lanes == best, centres, 0.0))
        means = centres - centre + first / tl.where(masses > 0, masses, 1.0)
        offset = tl.sum(means * masses) / mass
        variance = tl.sum(second + masses * (means - offset) * (means - offset)) / mass
        place = P0 if axis == 0 else (P1 if axis == 1 else P2)
        step = tl.load(steps + place)
        tl.store(mean + volume * 3 + place, (centre + offset) * step)
        tl.store(std + volume * 3 + place, tl.sqrt(tl.maximum(variance, 0.0)) * step)


@triton.jit
def gradient_kernel(logits: tl.tensor, lse: tl.tensor, mean: tl.tensor, grad_mean: tl.tensor, grad: tl.tensor,
                    steps: tl.tensor, stride_b: tl.tensor, stride_k: tl.tensor, joints: tl.tensor, s0: tl.tensor,
                    s1: tl.tensor, s2: tl.tensor, P0: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr,
                    N0: tl.constexpr, N1: tl.constexpr, N2: tl.constexpr, V: tl.constexpr, ROWS: tl.constexpr,
                    DTYPE: tl.constexpr) -> None:
    """Compute the gradient of ROWS vectors of one volume's logits. Programs: (B * K * blocks of ROWS vectors,).

    Args:
        logits: Pointer to the logits, (B, K) volumes of any layout.
        lse: Pointer to the log-sum-exp of the forward pass, (B * K,).
        mean: Pointer to the mean of the forward pass, (B * K, 3) as x, y, z, normalised.
        grad_mean: Pointer to the gradient of the loss by the mean, (B * K, 3).
        grad: Pointer to the gradient to write, of the logits' type and layout.
        steps: Pointer to the distance of neighbouring cells along x, y, z, (3,), normalised.
        stride_b, stride_k: Strides of batch and joints, in vectors.
        joints: Number of joints, K.
        s0, s1: Strides of axes 0 and 1, in vectors.
        s2: Stride of axis 2, in elements.
        P0, P1, P2: Places of axes 0, 1 and 2: 0 for x, 1 for y, 2 for z.
        N0, N1, N2: Numbers of cells along axes 0, 1 and 2.
        V: Number of elements of a vector.
        ROWS: Number of vectors of a program.
        DTYPE: Type of the statistics, float32 or float64.
    """
    blocks: tl.constexpr = (N0 * N1 * (N2 // V) + ROWS - 1) // ROWS  # per volume; a grid's second axis ends at 65535
    volume, part = (tl.program_id(0) // blocks).to(tl.int64), tl.program_id(0) % blocks
    shift = ((volume // joints) * stride_b + (volume % joints) * stride_k) * V
    number, places = part * ROWS + tl.arange(0, ROWS), tl.arange(0, V)
    a0, a1, a2, distance = _vectors(number, s0, s1, s2, N1, N2, V)
    cell = distance[:, None] + places[None, :]
    inside = (number < N0 * N1 * (N2 // V))[:, None]
    value = tl.load(logits + shift + cell, mask=inside, other=float('-inf')).to(DTYPE)
    softmax = tl.exp(value - tl.load(lse + volume))
    g0, g1, g2 = (tl.load(grad_mean + volume * 3 + P0), tl.load(grad_mean + volume * 3 + P1),
                  tl.load(grad_mean + volume * 3 + P2))
    step2 = tl.load(steps + P2)
    slope = g0 * (a0.to(DTYPE) * tl.load(steps + P0) - tl.load(mean + volume * 3 + P0))
    slope += g1 * (a1.to(DTYPE) * tl.load(steps + P1) - tl.load(mean + volume * 3 + P1))
    slope += g2 * (a2.to(DTYPE) * step2 - tl.load(mean + volume * 3 + P2))
    slope = slope[:, None] + (g2 * step2) * places.to(DTYPE)[None, :]
    tl.store(grad + shift + cell, (softmax * slope).to(grad.dtype.element_ty), mask=inside)
