"""Errors that a user can foresee and cure, and text that is safe to print on a terminal."""
import errno
import re
import urllib.error
from typing import Any

import numpy as np
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
    and tabs are kept. Passwords in addresses are hidden.
    """
    return ''.join(char if char.isprintable() or char in '\n\t' else char.encode('unicode_escape').decode()
                   for char in without_password(str(text)))


def without_password(text: str) -> str:
    """Text with ``***`` for the password of each address in it, as in rtsp://name:***@camera."""
    return re.sub(r'(\w://[^\s/:@]*:)[^\s/]+(?=@)', r'\1***', text)


def in_line(text: object, length: int = 200) -> str:
    """Text from a file, or of another library, for a message: in one line and no longer than ``length``."""
    shown = printable(text).replace('\n', '\\n').replace('\t', ' ')
    return shown if len(shown) <= length else f'{shown[:length]}...'


def reason_of(error: BaseException) -> str:
    """The reason of an error in one line, with its type unless that is one of those for a wrong argument."""
    reason = _without_traceback(str(error.args[0] if error.args else error).strip())
    reason = in_line(reason.splitlines()[0].split('. Please check whether')[0], 300) if reason else ''
    if isinstance(error, KeyError) and len(reason.split()) < 2:
        return f'{reason} is unknown or missing'
    name = type(error).__name__
    return reason if reason and isinstance(error, (ValueError, KeyError)) else f'{name}: {reason}' if reason else name


def to_numbers(value: Any, name: str) -> np.ndarray:
    """Convert a value to an array of float64, or raise ValueError with the name of the argument."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f'{name}: numbers expected, got {printable(value)[:80]!r}') from None


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
    text = _without_traceback(text)
    return printable(f'{text}; {remedy}' if remedy else text)


def _without_traceback(text: str) -> str:
    """The message of an error of a loading process, whose text is a traceback; the text of any other error."""
    if not text.startswith('Caught '):
        return text
    return re.sub(r'.*\n[\w.]+: (\[Errno \d+\] )?', '', text.strip(), flags=re.DOTALL)
