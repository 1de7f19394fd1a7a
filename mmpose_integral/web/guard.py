"""Checks of each request before gradio handles it: host, origin, route, size, and whose files and sessions it names.

Gradio alone serves each file of its upload folder to everybody who has the path, answers other origins with
credentials, and accepts any host name, any number of files per upload and JSON of any size.
"""
import ipaddress
import json
import re
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .visitors import Visitors, give_cookie, visitor_of

_LOCAL = ('localhost', '127.0.0.1', '::1')
_ALL_ADDRESSES = {'0.0.0.0', '::'}  # nosec B104 # compared with, not served on
_API = '/gradio_api/'
_PAGE = {'/', '/config', '/theme.css', '/favicon.ico', '/manifest.json', '/robots.txt', '/login', '/logout'}
_PAGE_FOLDERS = ('/assets/', '/static/', '/svelte/')
_CALLS = {'queue/join', 'run/predict'}
_OTHER_ROUTES = {'upload_progress', 'startup-events', 'app_id'}
_NO_ROUTE = 'The page does not use this address.'
# A call of this page has about 600 bytes.
_MAX_CALL = 65_536
# Multipart headers around the photo.
_UPLOAD_OVERHEAD = 16_384
# Uploads are kept for an hour; so many photos of the largest size are the most that they take on the disk.
_PHOTOS_PER_HOUR = 100


class Guard:
    """ASGI middleware around gradio's app; a refused request is answered with one sentence, as JSON.

    Args:
        app: App that handles the requests which are not refused.
        visitors: Record of files and sessions; uploads are added to it.
        names: Host names and addresses under which the page is served, see :func:`served_names`.
        proxied: Those of the names whose pages may have another port, because a proxy serves them.
        functions: Numbers of the functions that the page calls.
        has_room: Whether a session may get more answers.
        max_bytes: Largest size of a photo.
        folder: Gradio's folder of uploads.
    """

    def __init__(self, app: ASGIApp, *, visitors: Visitors, names: Collection[str], proxied: Collection[str],
                 functions: Collection[int], has_room: Callable[[str], bool], max_bytes: int, folder: Path) -> None:
        self.app, self.visitors, self.names, self.proxied = app, visitors, names, proxied
        self.functions, self.has_room, self.max_bytes, self.folder = functions, has_room, max_bytes, folder
        self._uploads: deque[tuple[float, int]] = deque()  # time and size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            check_host(request.headers, self.names, self.proxied)
            receive, passed_on = await self._admit(request, send)
        except HTTPException as refused:
            # The connection is closed, because the rest of a large request was not read.
            response = JSONResponse(dict(detail=refused.detail), refused.status_code, {'Connection': 'close'})
            await response(scope, receive, send)
            return
        except ClientDisconnect:
            return
        try:
            await self.app(scope, receive, passed_on)
        except Exception as error:  # Starlette has answered with status 500, and raises for the log.
            place = traceback.extract_tb(error.__traceback__)[-1]
            print(f'web demo: {request.method} {scope["path"][:80]!r} failed at {Path(place.filename).name}:'
                  f'{place.lineno}: {error!r:.300}', file=sys.stderr)

    async def _admit(self, request: Request, send: Send) -> tuple[Receive, Send]:
        """Return what the app receives from and sends to.

        Raises:
            HTTPException: If the request is refused.
        """
        path, visitor = request.scope['path'], visitor_of(request.cookies)
        name, receive = path.removeprefix(_API), request.receive
        if request.method == 'POST' and name != 'upload':
            body = await _read(request)
            receive = _repeat(body, receive)
            if name in _CALLS:
                self._check_call(body, visitor)
        if name == path:
            if path not in _PAGE and not path.startswith(_PAGE_FOLDERS):
                raise HTTPException(404, _NO_ROUTE)
            return receive, give_cookie(send) if path == '/' and not visitor else send
        if name == 'upload':
            self._check_upload(request, visitor)
            # The answer is read here, so it must not be compressed.
            request.scope['headers'] = [each for each in request.scope['headers'] if each[0] != b'accept-encoding']
            return receive, self._record_upload(visitor, send)
        if name.startswith('file='):
            if not self.visitors.owns(visitor, name.removeprefix('file=')):
                raise HTTPException(403, 'This file was not sent by you or made for you.')
        elif name == 'queue/data' or name.startswith('heartbeat/'):
            session = request.query_params.get('session_hash', '') if name == 'queue/data' else name[10:]
            self._check_session(visitor, session)
        elif name not in _CALLS | _OTHER_ROUTES:
            raise HTTPException(404, _NO_ROUTE)
        return receive, send

    def _check_call(self, body: bytes, visitor: str) -> None:
        """Check that a JSON body calls a function of the page in a session of the visitor."""
        try:
            call = json.loads(body)
        except (ValueError, RecursionError):
            call = None
        if not isinstance(call, dict) or not isinstance(call.get('data'), list) or not (
                isinstance(call.get('fn_index'), int) and call['fn_index'] in self.functions):
            raise HTTPException(422, 'This is not a call that the page makes.')
        self._check_session(visitor, call.get('session_hash'))
        if not self.has_room(call['session_hash']):
            raise HTTPException(429, 'Read the answers to your earlier calls first.')

    def _check_session(self, visitor: str, session: object) -> None:
        if not isinstance(session, str) or not 0 < len(session) <= 64:
            raise HTTPException(422, 'session_hash: a text of 1 to 64 characters expected.')
        if not self.visitors.claim(visitor, session):
            raise HTTPException(403, 'This session is not yours. The page needs cookies; load it again.')

    def _check_upload(self, request: Request, visitor: str) -> None:
        """Check the size before anything is read, and count it; an upload has one photo."""
        if not visitor:
            raise HTTPException(403, 'The page needs cookies; load it again.')
        text = request.headers.get('content-length', '')
        if not re.fullmatch('[0-9]{1,15}', text):
            raise HTTPException(411, 'The size of an upload must be given.')
        size, now = int(text), time.monotonic()
        if size > self.max_bytes + _UPLOAD_OVERHEAD:
            raise HTTPException(413, f'At most {self.max_bytes / 1e6:g} MB are accepted.')
        size = max(size, self.max_bytes // 100)  # so that the number of uploads is limited, too
        while self._uploads and self._uploads[0][0] < now - 3600:
            self._uploads.popleft()
        if size + sum(taken for _, taken in self._uploads) > _PHOTOS_PER_HOUR * self.max_bytes:
            raise HTTPException(503, 'Too many photos were sent in the last hour; try again later.')
        self._uploads.append((now, size))
        # Gradio leaves the file of an upload that was broken off.
        for path in self.folder.glob('tmp*'):
            if path.is_file() and path.stat().st_mtime < time.time() - 3600:
                path.unlink(missing_ok=True)

    def _record_upload(self, visitor: str, send: Send) -> Send:
        """Return a ``send`` that records the paths of gradio's answer, a JSON list, before the visitor gets them."""
        body, status = b'', 0

        async def record(message: Message) -> None:
            nonlocal body, status
            status = message.get('status', status)
            body += message.get('body', b'')
            if status == 200 and message['type'] == 'http.response.body' and not message.get('more_body', False):
                for path in json.loads(body):
                    self.visitors.add(visitor, path)
            await send(message)
        return record


def served_names(host: str, more: Iterable[str] = ()) -> set[str]:
    """Return the host names of a page: those of this machine, its address, and further ones such as a proxy's."""
    names = {*_LOCAL, host.strip('[]').lower(), *(name.lower() for name in more)}
    return names | {socket.gethostname().lower()} if names & _ALL_ADDRESSES else names


def check_host(headers: Headers, names: Collection[str], proxied: Collection[str] = ()) -> None:
    """Check that a request was sent to this page, and by this page if it names its origin.

    A page of another site can be given this machine's address by its name server (DNS rebinding); the browser then
    sends the name of that site. An IP address cannot be redirected, so each one is accepted if the page is served at
    all addresses of the machine.

    Raises:
        HTTPException: If the ``Host`` is unknown (status 400), or the ``Origin`` is another site (403).
    """
    hosts = headers.getlist('host')
    name = _host_name('//' + hosts[0]) if len(hosts) == 1 else ''
    if name not in names and not (set(names) & _ALL_ADDRESSES and _is_address(name)):
        raise HTTPException(400, 'The page is not served under this host name. Its owner can add the name with '
                            '--trusted-host.')
    for origin in headers.getlist('origin'):
        if origin.partition('://')[2].lower() != hosts[0].lower() and _host_name(origin) not in proxied:
            raise HTTPException(403, 'Other sites must not use this page.')


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ''
    except ValueError:
        return ''


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


async def _read(request: Request) -> bytes:
    body = b''
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_CALL:
            raise HTTPException(413, f'At most {_MAX_CALL} bytes are accepted.')
    return body


def _repeat(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that starts with a body that was already read."""
    messages: list[Message] = [dict(type='http.request', body=body, more_body=False)]

    async def again() -> Message:
        return messages.pop() if messages else await receive()
    return again
