"""Errors that a user can foresee and cure, and text that is safe to print on a terminal."""
import errno
import re
import urllib.error

import torch

_REMEDIES = {
    errno.ENOSPC: 'make room on this disk, or choose a folder on another one',
    errno.EDQUOT: 'make room, or choose a folder on another disk',
    errno.EROFS: 'choose a folder on a disk that can be written to',
    errno.EACCES: 'choose another folder, or change its permissions',
    errno.EPERM: 'choose another folder, or change its permissions',
    errno.ENOTDIR: 'a part of this path is a file, a folder is expected',
    errno.EISDIR: 'this is a folder, a file is expected',
    errno.ENAMETOOLONG: 'choose a shorter name',
    errno.EMFILE: 'use fewer worker processes, or raise the limit (ulimit -n)',
}


class ExpectedError(Exception):
    """An error whose message says what was found, what was expected and what to do; it needs no traceback."""


def printable(text: object) -> str:
    """Text without control characters, with which a file name could change what a terminal shows.

    They are replaced by their codes, such as ``\\x1b``, and so are bytes of a file name that are no UTF-8. Line breaks
    and tabs are kept.
    """
    return ''.join(char if char.isprintable() or char in '\n\t' else char.encode('unicode_escape').decode()
                   for char in str(text))


def named(name: object, error: BaseException) -> str:
    """Message of a foreseen error that names the file; see :func:`explain`."""
    text = explain(error, (type(error), )) or ''
    return text if printable(name) in text else f'{printable(name)}: {text}'


def explain(error: BaseException, expected: tuple[type[BaseException], ...] = ()) -> str | None:
    """Message for an error that a user can foresee, safe to print; None for any other, which needs its traceback.

    Foreseeable are :class:`ExpectedError`, ``expected``, a GPU without enough memory, a download that fails, and the
    answers of the system for a full disk, a folder without write access and the like.
    """
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return 'the GPU has too little memory; a smaller batch size needs less'
    if isinstance(error, urllib.error.URLError):
        return printable(f'a file could not be fetched ({error}); where there is no network, give a local file')
    remedy = _REMEDIES.get(error.errno or 0) if isinstance(error, OSError) else None
    if remedy is None and not isinstance(error, (ExpectedError, PermissionError, *expected)):
        return None
    text = str(error)
    if isinstance(error, OSError) and error.strerror:  # str() would be "[Errno 28] No space left on device: 'x'"
        places = [str(place) for place in (error.filename, error.filename2) if place is not None]
        text = ': '.join([*places[-1:], error.strerror])
    if text.startswith('Caught '):  # of a loading process, whose text is a traceback
        text = re.sub(r'.*\n[\w.]+: (\[Errno \d+\] )?', '', text.strip(), flags=re.DOTALL)
    return printable(f'{text}; {remedy}' if remedy else text)
