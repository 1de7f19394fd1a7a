"""Types for argparse, whose error messages name the argument and the values that are expected."""
import argparse
import math

from mmpose_integral.structures.bone_length import check_bone_length
from mmpose_integral.utils.outputs import output_file, output_folder


def positive(text: str) -> float:
    """A positive finite number."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f'a positive number expected, got {text}')
    return number


def bone_length_mm(text: str) -> float:
    """A total bone length, mm."""
    try:
        check_bone_length(float(text), 'total bone length')
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return float(text)


def finite(text: str) -> float:
    """A finite number."""
    if not math.isfinite(float(text)):
        raise argparse.ArgumentTypeError(f'a finite number expected, got {text}')
    return float(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f'a number from 0 to 1 expected, got {text}')
    return number


def submission(text: str) -> str:
    """A submission to write: a ZIP archive or a folder; OutputError if that is not possible."""
    return str((output_file() if text.lower().endswith('.zip') else output_folder)(text))


def at_least_one(text: str) -> int:
    """A whole number of at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f'at least 1 expected, got {text}')
    return int(text)
