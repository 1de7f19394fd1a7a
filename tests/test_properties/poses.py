"""Strategies of hypothesis for poses: a random body, whose joints are moved by the strategy."""
import hypothesis.extra.numpy as arrays
import numpy as np
from hypothesis import strategies as st

NUM_JOINTS = 18
BODY = np.random.default_rng(0).normal(0, (250, 500, 250), (NUM_JOINTS, 3))
BODY -= BODY[:1]


def numbers(low, high):
    """Numbers of a range, in steps that float32 can hold."""
    return st.floats(low, high, width=32)


def array(shape, size):
    """Arrays of numbers of at most this size."""
    return arrays.arrays(np.float64, shape, elements=numbers(-size, size), fill=st.nothing())


bodies = array(BODY.shape, 100).map(lambda moves: BODY + moves - moves[:1])
"""(18, 3) mm, root at the origin."""

masks = st.sets(st.integers(0, NUM_JOINTS - 1), min_size=8).map(
    lambda used: np.isin(np.arange(NUM_JOINTS), list(used)).astype(np.float64))
"""(18,) weights of 0 and 1, at least eight of which are 1."""

orders = st.permutations(range(NUM_JOINTS)).map(np.array)
