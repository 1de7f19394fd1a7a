"""Writing output files so that a stopped run never leaves half of one behind, and reading arrays back."""
import contextlib
import json
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np


@contextlib.contextmanager
def replace_when_done(path):
    """Give a temporary name to write to; it takes the place of ``path`` when the block ends without an error.

    The temporary name keeps the suffix, because ``np.savez`` and matplotlib choose the format by it.

    Args:
        path (str | Path): final name; missing folders are made.

    Yields:
        Path: the name to write to, in the same folder, so that the rename is atomic.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_arrays(path, what, required, remedy):
    """Read the arrays of an npz file, without running any code that may be in it.

    Args:
        path (str | Path): file.
        what (str): what it should be, for messages, such as 'H80K index'.
        required (Iterable[str]): arrays that it must have.
        remedy (str): what to do if there is no such file, for messages.

    Returns:
        dict[str, np.ndarray]: all of its arrays.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no npz, is damaged, or lacks an array.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{what} {path}: no such file; {remedy}')
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    # AttributeError and TypeError: the array of an npy file
    except (ValueError, OSError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f'{what} {path}: not readable as an npz file ({error}); {remedy}') from error
    absent = [name for name in required if name not in arrays]
    if absent:
        raise ValueError(f'{what} {path} has no {", ".join(absent)}, only {", ".join(sorted(arrays))}; {remedy}')
    return arrays


def write_json_lines_list(path, items):
    """Write a JSON list with one item a line: valid JSON, and still readable by people and by ``diff``."""
    text = ',\n'.join(json.dumps(item) for item in items)
    with replace_when_done(path) as temporary:
        temporary.write_text(f'[\n{text}\n]\n' if text else '[]\n')
