"""Writing of output files that are never left incomplete by a stopped run, and reading of arrays."""
import contextlib
import csv
import functools
import json
import math
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmpose_integral.utils.errors import in_line
from mmpose_integral.utils.locks import share_folder
from mmpose_integral.utils.reading import UnreadableFile, check_archive, check_regular

_TEMPORARY = re.compile(r'\..+\.\d+\.part(\.[^.]*)?')
_visited: set[str] = set()


@contextlib.contextmanager
def replace_when_done(path: str | Path, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary name to write to; it replaces ``path`` when the block ends without an error.

    The temporary name is in the same folder, so that the rename is atomic. It keeps the suffix, because ``np.savez``
    and matplotlib choose the format by it. The next process that writes into the folder removes temporary files that a
    killed one has left.

    Args:
        path: Final name of a file or folder; missing parent folders are made.
        durable: Whether the file also survives a crash of the machine.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}.part{path.suffix}')
    first = (folder := os.path.abspath(path.parent)) not in _visited
    _visited.add(folder)
    # Without another process that writes there, all temporary files are of killed ones.
    with share_folder(folder, functools.partial(_remove_unfinished, path.parent) if first else None):
        try:
            with named_in_errors(path):
                yield temporary
                if durable:  # a crash may keep the rename and lose data that was not yet on the disk
                    with open(temporary, 'r+b') as file:
                        os.fsync(file.fileno())
                _put_in_place(temporary, path)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary)
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def named_in_errors(path: str | Path) -> Iterator[None]:
    """Name a file in errors of the system that name none, as of a write to a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename a file or folder. A folder cannot replace another one, so that is removed after the new one is there."""
    old = path.with_name(f'.{path.name}.old')
    if not (temporary.is_dir() and path.is_dir()):
        os.replace(temporary, path)
        return
    if old.is_dir():  # of a process that was killed between the two renames
        shutil.rmtree(old)
    os.replace(path, old)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old)


def _remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of killed processes."""
    for path in [folder / name for name in os.listdir(folder) if _TEMPORARY.fullmatch(name)]:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def write_whole(path: str | Path, content: bytes | str, durable: bool = False) -> None:
    """Write a file, text as UTF-8, so that a kill at any moment leaves either the old or the new content.

    Bytes in the name of a file that are no UTF-8, which Python reads as surrogates, are written as they are. The other
    arguments are those of :func:`replace_when_done`.
    """
    with replace_when_done(path, durable) as temporary:
        temporary.write_bytes(content.encode(errors='surrogateescape') if isinstance(content, str) else content)


def write_json(path: str | Path, value: object, indent: int | None = 1) -> None:
    """Write a value as JSON; see :func:`write_whole`."""
    write_whole(path, json.dumps(value, indent=indent) + '\n')


def write_json_lines_list(path: str | Path, items: Iterable[object]) -> None:
    """Write a JSON list with one item per line, so that it is readable and works with ``diff``."""
    text = ',\n'.join(json.dumps(item) for item in items)
    write_whole(path, f'[\n{text}\n]\n' if text else '[]\n')


def write_rows(path: str | Path, columns: Iterable[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, UTF-8, with the names of the columns in its first line; it appears when it is complete.

    Spreadsheets run text that begins like a formula, and file names may come from others. Such text gets an apostrophe
    in front, with which they show it as text.
    """
    with replace_when_done(path) as temporary, open(temporary, 'w', newline='', encoding='utf-8',
                                                    errors='backslashreplace') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(columns)
        writer.writerows([_plain_cell(value) for value in row] for row in rows)


def _plain_cell(value: object) -> object:
    """Value of a CSV cell: text that a spreadsheet would take for a formula gets an apostrophe, numbers stay."""
    if not isinstance(value, str) or not value.startswith(('=', '+', '-', '@', '\t', '\r')):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def write_arrays(path: str | Path, **arrays: Any) -> None:
    """Write arrays as an npz file, which appears when it is complete."""
    with replace_when_done(path) as temporary:
        np.savez(temporary, **arrays)


@contextlib.contextmanager
def utf8_name(path: str | Path) -> Iterator[str]:
    """Yield a name of a file that libraries in C++ take: its own or, if that is no UTF-8, that of a temporary link.

    OpenCV crashes on a name whose bytes are no UTF-8. The file need not exist.
    """
    name = os.fspath(path)
    if name.isascii() or name == name.encode(errors='replace').decode():
        yield name
        return
    with tempfile.TemporaryDirectory() as folder:
        suffix = os.path.splitext(name)[1]
        link = os.path.join(folder, f'link{suffix if suffix.isascii() else ""}')
        os.symlink(os.path.abspath(name), link)
        yield link


def check_file(path: str | Path, what: str, remedy: str = '') -> None:
    """Check that a path is a regular file, or a URL.

    Args:
        path: File or URL.
        what: Kind of the file for error messages, such as 'config file'.
        remedy: Remedy for error messages.

    Raises:
        FileNotFoundError: If there is no such file.
        UnreadableFile: If it is a folder, a named pipe or a device.
    """
    if '://' in str(path):
        return
    try:
        check_regular(path, what)
    except UnreadableFile:
        raise
    except (OSError, ValueError):  # ValueError: a name with a null character
        raise FileNotFoundError(f'{path}: no such {what}{remedy and f"; {remedy}"}') from None


def read_arrays(path: str | Path, what: str, required: Iterable[str], remedy: str,
                load_objects: Callable[[bytes, str], Any] | None = None) -> dict[str, np.ndarray]:
    """Read the arrays of an npz file by name, without running any code that may be in it.

    Args:
        path: File to read.
        what: Kind of the file for error messages, such as 'H80K index'.
        required: Names of arrays that the file must have.
        remedy: Remedy for error messages.
        load_objects: Reader of arrays of objects, from the bytes of their pickle and a name for messages. With it, only
            the required arrays are read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no npz, is damaged, lacks an array, or has arrays of objects and there is no
            ``load_objects``; or if its arrays are larger than their content, or much larger than the file.
    """
    check_file(path, what, remedy)
    try:
        with zipfile.ZipFile(path) as file:
            check_archive(file, path)
            members = {member.filename.removesuffix('.npy'): member for member in file.infolist()}
            found = [*members]
            arrays = {name: _read_member(file, member, load_objects) for name, member in members.items()
                      if load_objects is None or name in required}
    except Exception as error:  # a damaged file can raise nearly any exception
        reason = error.reason if isinstance(error, UnreadableFile) else str(error) or type(error).__name__
        raise ValueError(f'{what} {path}: not readable as an npz file ({in_line(reason)}); {remedy}') from error
    absent = [name for name in required if name not in arrays]
    if absent:
        raise ValueError(f'{what} {path} has no {", ".join(absent)}, only {in_line(", ".join(sorted(found)))}; '
                         f'{remedy}')
    return arrays


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo,
                 load_objects: Callable[[bytes, str], Any] | None) -> np.ndarray:
    """Read an array. numpy alone would allocate as much memory as the header announces."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.hasobject and load_objects is not None:
            return load_objects(file.read(member.file_size), member.filename.removesuffix('.npy'))
        stored = member.file_size - file.tell()
        if not dtype.hasobject and (math.prod(shape) * dtype.itemsize != stored
                                    or max(shape, default=0) > max(stored, 1000)):
            raise ValueError(f'{member.filename} has {stored} bytes for an array of shape {shape} and type {dtype}')
        if dtype.kind == 'V':
            raise ValueError(f'{member.filename} is an array with fields')
        file.seek(0)
        return check_text(np.lib.format.read_array(file, allow_pickle=False))


def check_text(array: np.ndarray) -> np.ndarray:
    """Return an array of any type, or raise ValueError if it is one of text with numbers that are no characters.

    numpy accepts such an array, and raises a SystemError where its text is used.
    """
    if array.dtype.kind == 'U' and array.size:
        codes = np.frombuffer(array.tobytes(), np.dtype('u4').newbyteorder(array.dtype.byteorder))
        if codes.max() > sys.maxunicode:
            raise ValueError(f'text with a character of number {codes.max()}')
    return array


def check_rows(arrays: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]], where: str, remedy: str,
               texts: Sequence[str] = ()) -> None:
    """Raise ValueError unless each array has one row of the given shape per entry of ``frame_ids``, which are distinct.

    Names of ``shapes`` that are not in the file are skipped. Arrays hold numbers, those of ``texts`` text. ``where``
    and ``remedy`` are for the error message.
    """
    ids = arrays['frame_ids']
    if ids.ndim != 1 or ids.dtype.kind not in 'iu' or len(np.unique(ids)) < len(ids):
        raise ValueError(f'{where}: frame_ids: whole numbers expected, each of them once; {remedy}')
    for name, shape in shapes.items():
        expected, kinds = (*ids.shape, *shape), 'U' if name in texts else 'biuf'
        if name not in arrays:
            continue
        if arrays[name].shape != expected:
            raise ValueError(f'{where}: {name} of shape {expected} expected, got {arrays[name].shape}; {remedy}')
        if arrays[name].dtype.kind not in kinds:
            raise ValueError(f'{where}: {name}: {"text" if name in texts else "numbers"} expected, got '
                             f'{arrays[name].dtype}; {remedy}')


def match_rows(ids: np.ndarray, wanted: np.ndarray, path: str | Path) -> np.ndarray:
    """Find the rows (N,) of the N wanted frame ids in the ``ids`` of a file, so that ``ids[rows] == wanted``.

    Raises:
        ValueError: If one is missing; the message names ``path``.
    """
    wanted = np.asarray(wanted)
    order = np.argsort(ids)
    lacking = wanted[~np.isin(wanted, ids)]
    if len(lacking):
        raise ValueError(f'{path} has no entry for {len(lacking)} of {len(wanted)} frames, first {lacking[0]}; '
                         'make it again from the same index')
    return order[np.searchsorted(ids, wanted, sorter=order)]


def rounded(array: ArrayLike, decimals: int) -> Any:
    """Convert an array to a nested list of rounded values, and a single number to a float."""
    return np.round(np.asarray(array, dtype=np.float64), decimals).tolist()
