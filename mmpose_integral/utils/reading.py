"""Reading of files that may come from others: regular files only, and never more than a stated size.

A named pipe in the place of a file would be waited for without end, and a link to ``/dev/zero`` or a small archive may
have any amount of content.
"""
import contextlib
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmpose_integral.utils.errors import ExpectedError, in_line

MAX_BYTES = 2**30
"""Largest file that is read as a whole. The largest ones of a usual data set have less than a tenth of this."""

MAX_RATIO, FREE_BYTES = 100, 2**26
"""Largest size of the unpacked content of an archive, divided by its own; content up to the second number is allowed.

Archives of real poses unpack to about three times their size, those of zeros to a thousand times.
"""

_KINDS = {stat.S_IFDIR: 'a folder', stat.S_IFIFO: 'a named pipe', stat.S_IFSOCK: 'a socket', stat.S_IFCHR: 'a device',
          stat.S_IFBLK: 'a device'}


class UnreadableFile(ExpectedError, ValueError):
    """A file that is not read, because it is of another kind or too large.

    Attributes:
        reason (str): The rest of a sentence that begins with the name of the file.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f'{path} {reason}')
        self.reason = reason


def check_regular(path: str | Path, what: str = 'file') -> int:
    """Return the size of a file, bytes; ``what`` is its kind for the error message, such as 'config file'.

    Raises:
        FileNotFoundError: If there is no such file.
        UnreadableFile: If it is a folder, a named pipe, a socket or a device.
    """
    state = os.stat(path)
    if not stat.S_ISREG(state.st_mode):
        raise UnreadableFile(path, f'is {_KINDS.get(stat.S_IFMT(state.st_mode), "of an unknown kind")}; expected: '
                                   f'{what}')
    return state.st_size


def check_size(path: str | Path, what: str = 'file', max_bytes: int = MAX_BYTES) -> None:
    """Check a file that another library will read as a whole; errors are those of :func:`read_limited`."""
    if check_regular(path, what) > max_bytes:
        raise UnreadableFile(path, _too_large(max_bytes))


def read_limited(path: str | Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a whole file.

    Raises:
        OSError: If there is no such file, or it cannot be read.
        UnreadableFile: If it is no regular file, or has more than ``max_bytes``.
    """
    check_size(path, max_bytes=max_bytes)
    with open(path, 'rb') as file:
        content = file.read(max_bytes + 1)  # the size that the system reports may be too small, as for files of /proc
    if len(content) > max_bytes:
        raise UnreadableFile(path, _too_large(max_bytes))
    return content


def read_json(path: str | Path, max_bytes: int = MAX_BYTES) -> Any:
    """Read a JSON file.

    Raises:
        OSError, UnreadableFile: As :func:`read_limited`, and UnreadableFile if the content is not JSON.
    """
    try:
        return parse_json(read_limited(path, max_bytes))
    except UnreadableFile:
        raise
    except ValueError as error:
        raise UnreadableFile(path, f'is not JSON: {error}') from None


def read_json_object(path: str | Path) -> dict[str, Any]:
    """Read a JSON file that holds an object, such as the settings of an earlier run; errors as :func:`read_json`."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UnreadableFile(path, f'holds a {type(content).__name__}, an object with names and values is expected; '
                                   'delete it if it is of an earlier run')
    return content


def parse_json(content: bytes | str, **options: Any) -> Any:
    """Parse JSON; ValueError also for lists in lists that are nested deeper than Python can read.

    ``options`` are those of ``json.loads``.
    """
    try:
        return json.loads(content, **options)
    except RecursionError:
        raise ValueError('it is nested too deeply') from None


@contextlib.contextmanager
def open_archive(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP archive that has passed :func:`check_archive`.

    Raises:
        OSError: If there is no such file, or it cannot be read.
        UnreadableFile: If it is no regular file, no archive, or one whose content is not unpacked.
    """
    check_regular(path)
    try:
        archive = zipfile.ZipFile(path)
    except OSError:
        raise
    except Exception as error:  # damaged data can raise nearly any exception
        raise UnreadableFile(path, f'is no ZIP archive that can be read: {in_line(error)}') from error
    with archive:
        check_archive(archive, path)
        yield archive


def check_archive(archive: zipfile.ZipFile, path: str | Path) -> None:
    """Check that the content of an archive can be unpacked without using up the memory.

    Raises:
        UnreadableFile: If the content is much larger than the file, or compressed by a method of which Python's decoder
            has no limit.
    """
    members = archive.infolist()
    other = [member.filename for member in members
             if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
    if other:
        raise UnreadableFile(path, f'has members that are not compressed by the usual method, first '
                                   f'{in_line(other[0])}; uncompressed or deflated ones are expected')
    unpacked = sum(member.file_size for member in members)
    if unpacked > FREE_BYTES + MAX_RATIO * os.path.getsize(path):
        raise UnreadableFile(path, f'would unpack to {unpacked / 1e6:.0f} MB, more than {MAX_RATIO} times its size; it '
                                   'is damaged, or made to use up the memory')


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str | Path, max_bytes: int) -> bytes:
    """Read a member of an archive that has passed :func:`check_archive`.

    Raises:
        UnreadableFile: If it has more than ``max_bytes``, or cannot be unpacked.
    """
    try:
        with archive.open(member) as file:
            content = file.read(max_bytes + 1)
    except Exception as error:  # damaged data can raise nearly any exception
        raise UnreadableFile(path, f'cannot be unpacked: {in_line(error)}') from error
    if len(content) > max_bytes:
        raise UnreadableFile(path, _too_large(max_bytes))
    return content


def _too_large(max_bytes: int) -> str:
    return f'has more than {max_bytes / 1e6:g} MB, and is not read'
