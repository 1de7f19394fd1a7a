"""Visitors of the page: who they are, and which files and sessions are theirs."""
import re
import secrets
from collections.abc import Iterable, Mapping

from starlette.types import Message, Send

COOKIE = 'pose_visitor'
# Number of recorded files, and of recorded sessions; 100,000 files take about 30 MB.
_MAX_RECORDS = 100_000


class Visitors:
    """Record of which files and sessions belong to which visitor; the oldest entries are forgotten.

    A visitor is the random value of a cookie.
    """

    def __init__(self) -> None:
        self._public: set[str] = set()
        self._files: dict[tuple[str, str], None] = {}
        self._sessions: dict[str, str] = {}

    def add(self, visitor: str, path: str) -> None:
        """Record that a file was sent by, or made for, a visitor."""
        _remember(self._files, (visitor, path), None)

    def publish(self, paths: Iterable[str]) -> None:
        """Record files that belong to everybody, such as the examples."""
        self._public.update(paths)

    def owns(self, visitor: str, path: str) -> bool:
        """Tell whether a visitor may read a file, without a look at the file system."""
        return path in self._public or (visitor, path) in self._files

    def claim(self, visitor: str, session: str) -> bool:
        """Give a session to the first visitor who names it; return whether it is this visitor's."""
        owner = self._sessions.get(session, visitor)
        if visitor and owner == visitor:
            _remember(self._sessions, session, visitor)
        return bool(visitor) and owner == visitor


def visitor_of(cookies: Mapping[str, str]) -> str:
    """Return the visitor, or an empty text if the cookie is absent or was not made by this page."""
    value = cookies.get(COOKIE, '')
    return value if re.fullmatch('[0-9a-f]{32}', value) else ''


def give_cookie(send: Send) -> Send:
    """Return an ASGI ``send`` that adds the cookie; browsers do not send it with requests from other sites' pages."""
    cookie = f'{COOKIE}={secrets.token_hex(16)}; HttpOnly; SameSite=Lax; Path=/'

    async def with_cookie(message: Message) -> None:
        if message['type'] == 'http.response.start':
            message = dict(message, headers=[*message['headers'], (b'set-cookie', cookie.encode())])
        await send(message)
    return with_cookie


def _remember(record: dict, key: object, value: object) -> None:
    """Put an entry at the end of a record, and drop the oldest if there are too many."""
    record.pop(key, None)
    record[key] = value
    if len(record) > _MAX_RECORDS:
        del record[next(iter(record))]
