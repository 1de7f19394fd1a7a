"""Files behind addresses: file://, and http:// and https:// with limits for time and size."""
import base64
import contextlib
import http.client
import io
import re
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from mmpose_integral.utils.errors import without_password


class Limits(NamedTuple):
    """Limits of a download."""
    size: int
    """Largest number of bytes."""
    time_s: float
    """Longest time for the whole download, s."""


ANSWER_TIMEOUT_S = 20
"""Longest time without an answer or without further data, s."""
PICTURE_LIMITS = Limits(256 * 2**20, 120)
VIDEO_LIMITS = Limits(4 * 2**30, 3600)


def scheme_of(item: str) -> str:
    """Scheme of an address in lower case, such as 'http'; '' for the name of a file, also in the form file://."""
    found = re.match(r'([a-z][a-z0-9+.-]*)://', item, re.IGNORECASE)
    scheme = found[1].lower() if found else ''
    return '' if scheme == 'file' else scheme


def local_path(item: str) -> Path:
    """Path of a file, given by its name or as file://, where special characters may be escaped."""
    found = re.match(r'file://(localhost(?=/))?', item, re.IGNORECASE)
    return Path(urllib.parse.unquote(item[found.end():], errors='surrogateescape') if found else item)


def name_of_address(url: str) -> str:
    """File name in an address, without escapes and query."""
    return Path(urllib.parse.unquote(re.split(r'[?#]', url.split('://', 1)[1])[0])).name or 'address'


def read_address(url: str, limits: Limits = PICTURE_LIMITS) -> bytes:
    """Read the content behind an http or https address.

    Raises:
        OSError: If it cannot be read within the limits, is incomplete, or the scheme is another one.
    """
    file = io.BytesIO()
    _download(url, file, limits)
    return file.getvalue()


@contextlib.contextmanager
def fetched(url: str, limits: Limits) -> Iterator[Path]:
    """Yield a temporary file with the content behind an address; see :func:`read_address`."""
    with tempfile.NamedTemporaryFile(suffix=Path(name_of_address(url)).suffix) as file:
        _download(url, file, limits)
        file.flush()
        yield Path(file.name)


def content_type(url: str) -> str:
    """Type that the server states for an address, such as 'image/jpeg'; '' if there is none or no answer."""
    try:
        with _open(url) as answer:
            return answer.headers.get_content_type()
    except OSError:
        return ''  # who reads the address gets the reason


def _download(url: str, file: IO[bytes], limits: Limits) -> None:
    """Write the content behind an address to a file."""
    end, size = time.monotonic() + limits.time_s, 0
    with _open(url) as answer:
        kind, length = answer.headers.get_content_type(), answer.headers.get('Content-Length', '')
        if kind.startswith('multipart/'):
            raise OSError(f'{without_password(url)} is a live stream; give it alone, and under an address that does '
                          'not end as a file')
        with _named_errors(url):
            # read1 returns what has arrived, so that a slow server cannot hide the end of the time.
            while part := answer.read1(2**18):
                size += file.write(part)
                if size > limits.size:
                    raise OSError(f'more than {limits.size / 2**20:.0f} MiB; download it first, and give the file')
                if time.monotonic() > end:
                    raise OSError(f'not complete after {limits.time_s:.0f} s; download it first, and give the file')
            if length.isdecimal() and size < int(length):
                raise OSError(f'the connection ended after {size} of {length} bytes')


def escaped(url: str) -> str:
    """Escape blanks, umlauts and the like in an address as browsers do; OSError if it is no address."""
    with _named_errors(url):
        parts = urllib.parse.urlsplit(url)
        host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode('idna').decode()
        return parts._replace(netloc=host, fragment='', **{
            name: urllib.parse.quote(getattr(parts, name), safe="%/:=&?~+!$,;'@()*[]") for name in ('path', 'query')
        }).geturl()


def _open(url: str) -> http.client.HTTPResponse:
    """Ask for an address."""
    scheme = scheme_of(url)
    if scheme not in ('http', 'https'):
        raise OSError(f'{without_password(url)} cannot be read: addresses that begin with {scheme}:// are not '
                      'supported; download the file first, and give its name')
    parts = urllib.parse.urlsplit(escaped(url))
    account, _, host = parts.netloc.rpartition('@')
    request = urllib.request.Request(parts._replace(netloc=host).geturl(), headers={'User-Agent': 'mmpose_integral'})
    if account:
        secret = base64.b64encode(urllib.parse.unquote_to_bytes(account)).decode()
        request.add_unredirected_header('Authorization', f'Basic {secret}')  # for this host and no other
    with _named_errors(url):
        # Other schemes were refused above.
        answer = urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S)  # nosec B310
        if not isinstance(answer, http.client.HTTPResponse):
            raise OSError('the server redirects to an address of another kind')
        return answer


@contextlib.contextmanager
def _named_errors(url: str) -> Iterator[None]:
    """Turn all errors of a download into an OSError that names the address."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: of a port or host that is none
        raise OSError(f'{without_password(url)} cannot be read ({str(error) or type(error).__name__})') from error
