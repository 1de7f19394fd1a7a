"""Types for argparse, whose error messages name the argument and the values that are expected."""
import argparse

from mmpose_integral.apis.model_zoo import check_alias
from mmpose_integral.structures.bone_length import check_bone_length
from mmpose_integral.utils.number_arguments import (
    at_least_one,
    at_least_zero,
    finite,
    not_negative,
    positive,
    seed,
    share,
)
from mmpose_integral.utils.outputs import output_file, output_folder

__all__ = ['alias_name', 'at_least_one', 'at_least_zero', 'bone_length_mm', 'finite', 'not_negative', 'positive',
           'seed', 'share', 'submission']


def bone_length_mm(text: str) -> float:
    """A total bone length, mm."""
    try:
        check_bone_length(float(text), 'total bone length')
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return float(text)


def submission(text: str) -> str:
    """A submission to write: a ZIP archive or a folder; OutputError if that is not possible."""
    return str((output_file() if text.lower().endswith('.zip') else output_folder)(text))


def alias_name(text: str) -> str:
    """A name that an alias may have."""
    try:
        return check_alias(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
