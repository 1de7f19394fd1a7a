"""Gradio's blocks, restricted to inputs that the page itself can send and to files of the visitor."""
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from gradio_client.utils import is_file_obj_with_meta
from starlette.applications import Starlette

from .guard import Guard, served_names
from .visitors import Visitors, visitor_of

# Sessions whose state is kept, and unread messages of one session.
_SESSIONS, _UNREAD = 1000, 50
# Larger focal lengths than this one, px, are refused, and so are NaN and infinity.
_LARGEST = 1e9
_WRONG = 'The request has inputs that this page does not send.'
_NO_PHOTO = 'The photo was not sent by you, or it is no longer on the server; send it again.'


class OwnBlocks(gr.Blocks):
    """Blocks that process a visitor's own files only.

    Gradio checks a path only if the request marks it as a file, and prints a traceback for inputs of a wrong type.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.visitors = Visitors()

    async def process_api(self, block_fn: Any, inputs: list[Any], state: Any = None, request: Any = None,
                          **kwargs: Any) -> dict[str, Any]:
        """Check and clean the inputs, call the function, and record the files of its answer as the visitor's.

        Raises:
            gr.Error: If the inputs are not such as the page sends, or a photo is not the visitor's.
        """
        visitor = visitor_of(request.cookies)
        if len(inputs) != len(block_fn.inputs):
            raise gr.Error(_WRONG, print_exception=False)
        inputs = [self._clean(block, value, visitor) for block, value in zip(block_fn.inputs, inputs, strict=True)]
        answer = await super().process_api(block_fn, inputs, state, request, **kwargs)
        for path in _paths(answer['data']):
            self.visitors.add(visitor, path)
        return answer

    def _clean(self, block: Any, value: Any, visitor: str) -> Any:
        """Return an input of a component; of a photo, no more than its path."""
        if not isinstance(block, gr.Image) or not isinstance(value, dict):
            if not _is_sent(block, value):
                raise gr.Error(_WRONG, print_exception=False)
            return value
        path = value.get('path')
        # Nothing is asked of the file system about a path that is not the visitor's.
        if not isinstance(path, str) or not self.visitors.owns(visitor, path) or not Path(path).is_file():
            raise gr.Error(_NO_PHOTO, print_exception=False)
        return dict(path=path, meta=dict(_type='gradio.FileData'))

    def has_room(self, session: str) -> bool:
        """Tell whether a session has read its answers; unread ones of the oldest sessions are deleted.

        Gradio would keep the answers for a client that never reads them.
        """
        queue = self._queue
        unread = queue.pending_messages_per_session
        running = {event.session_hash for event in queue.event_ids_to_events.values()}
        for old in [each for each in list(unread)[:-_SESSIONS] if each not in running]:
            del unread[old]
            queue.pending_event_ids_session.pop(old, None)
        return session not in unread or unread[session].qsize() <= _UNREAD


def serve_guarded(app: OwnBlocks, host: str, more_names: Collection[str], max_bytes: int, **kwargs: Any) -> str:
    """Launch an app behind a :class:`~mmpose_integral.web.guard.Guard`, and return its URL.

    Args:
        app: App to serve.
        host: Network address of the server.
        more_names: Further host names under which the page can be reached, for example that of a proxy.
        max_bytes: Largest size of a photo.
        **kwargs: Arguments of gradio's ``launch``.
    """
    @asynccontextmanager
    async def guard(server: Starlette) -> AsyncIterator[None]:
        # Around all of gradio's own middleware, which answers requests of other origins.
        server.middleware_stack = Guard(
            server.middleware_stack or server.build_middleware_stack(), visitors=app.visitors,
            names=served_names(host, more_names), proxied={name.lower() for name in more_names},
            has_room=app.has_room, max_bytes=max_bytes,
            functions={number for number, function in app.fns.items() if function.fn}, folder=Path(get_upload_folder()))
        yield

    app.visitors.publish(_paths(app.get_config_file()))
    return app.launch(server_name=host, max_file_size=max_bytes, state_session_capacity=_SESSIONS,
                      app_kwargs=dict(lifespan=guard), **kwargs)[1]


def _is_sent(block: Any, value: Any) -> bool:
    """Tell whether the page can send a value, other than a photo, for a component."""
    if isinstance(block, gr.State):
        return True  # kept by the server; the request's value is not used
    if isinstance(block, gr.Checkbox):
        return isinstance(value, bool)
    if value is None:
        return isinstance(block, (gr.Image, gr.Number))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(block, gr.Dataset):
        return isinstance(value, int) and 0 <= value < len(block.raw_samples)
    if isinstance(block, gr.Slider):
        return block.minimum <= value <= block.maximum
    return isinstance(block, gr.Number) and abs(value) < _LARGEST


def _paths(value: Any) -> Iterator[str]:
    """Yield the paths of all files in a value that gradio sends to the page."""
    if is_file_obj_with_meta(value):
        yield value['path']
    elif isinstance(value, (dict, list, tuple)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _paths(each)
