"""Types of arguments for argparse that are numbers; their messages name the range that is expected."""
import argparse
import math


def positive(text: str) -> float:
    """A positive finite number."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f'a positive number expected, got {text}')
    return number


def finite(text: str) -> float:
    """A finite number."""
    if not math.isfinite(float(text)):
        raise argparse.ArgumentTypeError(f'a finite number expected, got {text}')
    return float(text)


def not_negative(text: str) -> float:
    """A finite number of at least 0."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f'a number of at least 0 expected, got {text}')
    return number


def share(text: str) -> float:
    """A number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f'a number from 0 to 1 expected, got {text}')
    return number


def at_least_zero(text: str) -> int:
    """A whole number of at least 0."""
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f'at least 0 expected, got {text}')
    return int(text)


def at_least_one(text: str) -> int:
    """A whole number of at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f'at least 1 expected, got {text}')
    return int(text)


def seed(text: str) -> int:
    """A seed of random draws, for which numpy accepts up to 32 bits."""
    if not 0 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError(f'0 to {2**32 - 1} expected, got {text}')
    return int(text)
