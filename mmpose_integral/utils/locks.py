"""Locks of files. The system releases a lock when its process ends, also after ``kill -9``.

Nothing is locked on a file system without locks, and on Windows.
"""
import contextlib
import errno
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from mmpose_integral.utils.errors import ExpectedError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = '.lock'
"""File that stands for the lock of its folder. It is never removed, because another process may wait for it."""

_held: set[int] = set()


def _close_in_child() -> None:
    """Leave the locks to the parent process. Its workers live for some seconds longer and would keep them."""
    for file in _held:
        os.close(file)
    _held.clear()


if fcntl:
    os.register_at_fork(after_in_child=_close_in_child)


class InUseError(ExpectedError, OSError):
    """Another process works in a folder."""


@contextlib.contextmanager
def lock_file(path: str | Path, in_use: Callable[[str], str] | None = None) -> Iterator[None]:
    """Hold the lock of a file.

    Args:
        path: File that only serves as a lock; the file and missing parent folders are made.
        in_use: Function from the process that holds the lock, such as '7 on host', to the message of the error. None
            waits for that process.

    Raises:
        InUseError: If another process holds the lock, and ``in_use`` is given.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    _held.add(file)
    try:
        try:
            _flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if in_use else 0))
        except BlockingIOError:
            raise InUseError(in_use and in_use(os.pread(file, 200, 0).decode(errors='replace'))) from None
        os.truncate(file, 0)
        os.pwrite(file, f'{os.getpid()} on {socket.gethostname()}'.encode(), 0)
        yield
    finally:
        if file in _held:  # it is closed already in a child of this process
            _held.discard(file)
            os.close(file)


def lock_folder(folder: str | Path, work: str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of a folder into which only one process may write; the folder is made if it does not exist.

    Args:
        folder: Folder of the products.
        work: Name of the work for the error message, such as 'training'.

    Raises:
        InUseError: If another process holds the lock; the message names folder and process.
    """
    return lock_file(Path(folder) / LOCK_NAME, lambda holder: (
        f'{folder} is in use by another {work}, process {holder}. Each would overwrite the files of the other: wait '
        'for its end, or choose another folder'))


def empty_folder(folder: str | Path) -> None:
    """Delete the content of a folder whose lock this process holds; the lock stays."""
    for path in Path(folder).iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK_NAME:
            path.unlink()


@contextlib.contextmanager
def share_folder(folder: str | Path, when_alone: Callable[[], None] | None = None) -> Iterator[None]:
    """Share a folder with all other processes that call this function for it.

    Args:
        folder: Existing folder.
        when_alone: Function that is called first if no other process shares the folder; it is not called without locks.
    """
    if fcntl is None:
        yield
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        if when_alone is not None:
            with contextlib.suppress(BlockingIOError):
                if _flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    when_alone()
        _flock(file, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


def _flock(file: int, operation: int) -> bool:
    """Lock a file descriptor; return False on a file system without locks.

    Raises:
        BlockingIOError: If ``operation`` has ``LOCK_NB``, and another process holds the lock.
    """
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF):
            raise
        return False
    return True
