"""What the tests of smoothing and tracking share."""
import numpy as np

RATE, CUTOFF = 30.0, 1.7


def alpha_of(rate, cutoff):
    """The paper's smoothing factor, written another way: 2 pi f / (rate + 2 pi f)."""
    return 2 * np.pi * cutoff / (rate + 2 * np.pi * cutoff)


def box(x, y=100.0, width=60.0, height=160.0):
    return [x, y, x + width, y + height]
