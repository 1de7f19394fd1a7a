"""Triton kernels of :mod:`soft_argmax_triton`: one read of the logits forward, one read and one write backward.

The forward kernel makes one pass with an online softmax. Each lane keeps its largest logit so far, and relative to it
the mass (sum of the weights) and the sums of the weighted positions. For the variance, a second pass sums the weighted
squared distances from the mean instead. Lanes are joined at the end of a program, and programs in torch. The backward
kernel recomputes the softmax from logits and log-sum-exp.

Memory bandwidth limits the speed, so the arithmetic must take less time than the reads. A lane reads a vector of 16
bytes at a time, which holds neighbours along the fastest axis. They share the other two coordinates, and only their sum
and their moment within the vector enter the lane's sums. Lanes are not synchronised before the end.

Axes 0, 1 and 2 of a volume are numbered by their stride, from the slowest to the fastest in memory.
"""
import triton
import triton.language as tl

FIELDS = tl.constexpr(4)  # values that a program of the forward kernel writes for its part of a volume


@triton.jit
def _read(base: tl.tensor, number: tl.tensor, s0: tl.tensor, s1: tl.tensor, s2: tl.tensor, N0: tl.constexpr,
          N1: tl.constexpr, N2: tl.constexpr, V: tl.constexpr, DTYPE: tl.constexpr,
          ) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Read vectors of one volume.

    Args:
        base: Pointer to the volume's first element.
        number: (ROWS,), numbers of the vectors within the volume, counted along axis 2, then 1, then 0.
        s0, s1: Strides of axes 0 and 1, in vectors.
        s2: Stride of axis 2, in elements; 1 where V > 1.
        N0, N1, N2: Numbers of cells along axes 0, 1 and 2.
        V: Number of elements of a vector, a divisor of N2.
        DTYPE: Type of the results, float32 or float64.

    Returns:
        Cell along each axis where the vectors begin, (ROWS,) each; offsets of the elements from ``base``, (ROWS, V);
        whether a vector is within the volume, (ROWS, 1); values, (ROWS, V), -inf outside the volume.
    """
    within = number % (N2 // V)
    a0, a1 = number // (N1 * (N2 // V)), (number // (N2 // V)) % N1
    offset = ((a0 * s0 + a1 * s1 + within * s2) * V)[:, None] + tl.arange(0, V)[None, :]
    inside = (number < N0 * N1 * (N2 // V))[:, None]
    value = tl.load(base + offset, mask=inside, other=float('-inf')).to(DTYPE)
    return a0.to(DTYPE), a1.to(DTYPE), (within * V).to(DTYPE), offset, inside, value


@triton.jit
def expectation_kernel(logits: tl.tensor, centre: tl.tensor, parts: tl.tensor, steps: tl.tensor, span: tl.tensor,
                       stride_b: tl.tensor, stride_k: tl.tensor, joints: tl.tensor, s0: tl.tensor, s1: tl.tensor,
                       s2: tl.tensor, P0: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, N0: tl.constexpr,
                       N1: tl.constexpr, N2: tl.constexpr, V: tl.constexpr, ROWS: tl.constexpr, DTYPE: tl.constexpr,
                       SQUARED: tl.constexpr) -> None:
    """Compute the expected distance of one part of one volume from a centre. Programs: (B * K, number of parts).

    Args:
        logits: Pointer to the logits, (B, K) volumes of any layout.
        centre: Pointer to the centres, (B * K, 3) as x, y, z, normalised.
        parts: Pointer to the result, (B * K, number of parts, FIELDS): log-sum-exp, and x, y, z, normalised.
        steps: Pointer to the distance of neighbouring cells along x, y, z, (3,), normalised.
        span: Number of vectors of a part, a multiple of ROWS.
        stride_b, stride_k: Strides of batch and joints, in vectors.
        joints: Number of joints, K.
        s0, s1, s2, N0, N1, N2, V, DTYPE: See :func:`_read`; other pointers than ``logits`` are to values of DTYPE.
        P0, P1, P2: Places of axes 0, 1 and 2: 0 for x, 1 for y, 2 for z.
        ROWS: Number of lanes, which is the number of vectors that a program reads in one step.
        SQUARED: Whether the distances are squared.
    """
    volume, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    base = logits + ((volume // joints) * stride_b + (volume % joints) * stride_k) * V
    t0, t1, t2 = tl.load(steps + P0), tl.load(steps + P1), tl.load(steps + P2)
    centre += volume * 3
    c0, c1, c2 = tl.load(centre + P0), tl.load(centre + P1), tl.load(centre + P2)
    along = tl.arange(0, V).to(DTYPE)[None, :] * t2
    peak, mass = tl.full((ROWS, ), float('-inf'), DTYPE), tl.zeros((ROWS, ), DTYPE)
    m0, m1, m2 = mass, mass, mass
    for first in range(part * span, tl.minimum(part * span + span, N0 * N1 * (N2 // V)), ROWS):
        a0, a1, a2, _, _, value = _read(base, first + tl.arange(0, ROWS), s0, s1, s2, N0, N1, N2, V, DTYPE)
        top = tl.maximum(peak, tl.max(value, 1))
        level = tl.where(top == float('-inf'), 0.0, top)  # all logits may have been -inf so far
        shrink, weight = tl.exp(peak - level), tl.exp(value - level[:, None])
        peak, total = top, tl.sum(weight, 1)
        d0, d1, d2 = a0 * t0 - c0, a1 * t1 - c1, a2 * t2 - c2
        if SQUARED:
            d0, d1 = d0 * d0, d1 * d1
            distance = d2[:, None] + along
            moment = tl.sum(weight * (distance * distance), 1)
        else:
            moment = total * d2 + tl.sum(weight * along, 1)
        mass = mass * shrink + total
        m0, m1, m2 = m0 * shrink + total * d0, m1 * shrink + total * d1, m2 * shrink + moment
    peak_of_all = tl.max(peak, 0)
    shrink = tl.exp(peak - tl.where(peak_of_all == float('-inf'), 0.0, peak_of_all))
    total = tl.sum(mass * shrink)
    total = tl.where(total == 0, 1.0, total)  # if all logits are -inf; the log-sum-exp is -inf then
    out = parts + (volume * tl.num_programs(1) + part) * FIELDS
    tl.store(out, peak_of_all + tl.log(total))
    tl.store(out + 1 + P0, tl.sum(m0 * shrink) / total)
    tl.store(out + 1 + P1, tl.sum(m1 * shrink) / total)
    tl.store(out + 1 + P2, tl.sum(m2 * shrink) / total)


@triton.jit
def gradient_kernel(logits: tl.tensor, mean: tl.tensor, lse: tl.tensor, grad_mean: tl.tensor, grad: tl.tensor,
                    steps: tl.tensor, stride_b: tl.tensor, stride_k: tl.tensor, joints: tl.tensor, s0: tl.tensor,
                    s1: tl.tensor, s2: tl.tensor, P0: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr,
                    N0: tl.constexpr, N1: tl.constexpr, N2: tl.constexpr, V: tl.constexpr, ROWS: tl.constexpr,
                    DTYPE: tl.constexpr) -> None:
    """Compute the gradient of ROWS vectors of one volume's logits. Programs: (B * K * blocks of ROWS vectors,).

    Args:
        mean: Pointer to the mean of the forward pass, (B * K, 3) as x, y, z, normalised.
        lse: Pointer to the log-sum-exp of the forward pass, (B * K,).
        grad_mean: Pointer to the gradient of the loss by the mean, (B * K, 3).
        grad: Pointer to the gradient to write, of the logits' type and layout.
        ROWS: Number of vectors of a program.
        logits, steps, stride_b, stride_k, joints, s0, s1, s2, P0, P1, P2, N0, N1, N2, V, DTYPE: See
            :func:`expectation_kernel`.
    """
    blocks: tl.constexpr = (N0 * N1 * (N2 // V) + ROWS - 1) // ROWS  # per volume; a grid's second axis ends at 65535
    volume, part = (tl.program_id(0) // blocks).to(tl.int64), tl.program_id(0) % blocks
    shift = ((volume // joints) * stride_b + (volume % joints) * stride_k) * V
    a0, a1, a2, offset, inside, value = _read(logits + shift, part * ROWS + tl.arange(0, ROWS), s0, s1, s2, N0, N1, N2,
                                              V, DTYPE)
    softmax = tl.exp(value - tl.load(lse + volume))
    mean += volume * 3
    grad_mean += volume * 3
    g0, g1, g2 = tl.load(grad_mean + P0), tl.load(grad_mean + P1), tl.load(grad_mean + P2)
    t2 = tl.load(steps + P2)
    slope = g0 * (a0 * tl.load(steps + P0) - tl.load(mean + P0))
    slope += g1 * (a1 * tl.load(steps + P1) - tl.load(mean + P1))
    slope += g2 * (a2 * t2 - tl.load(mean + P2))
    slope = slope[:, None] + (g2 * t2) * tl.arange(0, V).to(DTYPE)[None, :]
    tl.store(grad + shift + offset, (softmax * slope).to(grad.dtype.element_ty), mask=inside)
