"""Check of the places where a command writes, before it begins its work.

Commands declare their outputs by the types of their arguments, ``output_file()`` or ``output_folder``. A result that
cannot be written is then reported at once, and not after hours.
"""
import argparse
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mmpose_integral.utils.errors import ExpectedError

PICTURES = ('.png', '.jpg', '.jpeg')
"""Endings of the pictures that commands write."""


class OutputError(ExpectedError, OSError):
    """A place where a command has to write cannot be written to."""


def check_writable(path: str | Path, folder: bool = False) -> None:
    """Check that a file, or files in a folder, can be written; missing folders are not made yet.

    Args:
        path: File or folder, which need not exist.
        folder: Whether it is a folder.

    Raises:
        OutputError: If it cannot be written; the message says what is in the way.
    """
    path = Path(path)
    if not folder and path.is_dir():
        raise OutputError(f'{path} cannot be written: it is a folder, the name of a file is expected')
    place = next(place for place in [*([path] if folder else []), *path.absolute().parents] if os.path.lexists(place))
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise OutputError(f'{path} cannot be written: {place}: {error.strerror}; choose another place, or correct '
                          'this one') from None


def check_originals(outputs: Iterable[str | Path], originals: Iterable[str | Path]) -> None:
    """Check that no output would replace one of the files that are read, or another output; links are resolved.

    Raises:
        OutputError: If one would; the message names it.
    """
    kept, written = {os.path.realpath(path) for path in originals}, set[str]()
    for path in outputs:
        place = os.path.realpath(path)
        if place in kept or place in written:
            raise OutputError(f'{path} would replace {"an input" if place in kept else "another output"} of this call; '
                              'choose another folder or name for the output')
        written.add(place)


def check_arguments(args: argparse.Namespace, *outputs: str) -> None:
    """Run :func:`check_originals` for a command: no output may replace a file that another argument names.

    Args:
        args: Arguments of the command.
        outputs: Names of those of them that are outputs; they may be None.
    """
    values = vars(args)
    check_originals(_paths_in([values[name] for name in outputs]),
                    _paths_in([value for name, value in values.items() if name not in outputs]))


def _paths_in(value: Any) -> Iterator[str | Path]:
    """All texts and paths in lists of lists."""
    if isinstance(value, (str, Path)):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _paths_in(part)


def output_file(*suffixes: str, of: Callable[[str], str | Path] = str) -> Callable[[str], str | Path]:
    """Type of an argument that names a file to write.

    Args:
        suffixes: Endings that the name may have, such as '.json'; none for any.
        of: Type of the value, str or Path.

    Returns:
        Function from the text of the argument to the value. It raises OutputError, or ArgumentTypeError for another
        ending.
    """
    def file(text: str) -> str | Path:
        if suffixes and not text.lower().endswith(suffixes):
            raise argparse.ArgumentTypeError(f'a name that ends in {" or ".join(suffixes)} expected, got {text}')
        check_writable(text)
        return of(text)

    return file


def output_folder(text: str) -> Path:
    """Type of an argument that names a folder to write into; OutputError if that is not possible."""
    check_writable(text, folder=True)
    return Path(text)
