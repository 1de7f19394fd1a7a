"""A web page for one photo at a time: boxes and skeleton, a rotatable 3D view, a slider for the bone length, JSON.

This module needs gradio and plotly (the extra ``demo``); no other module of the package imports it. The network runs
once per picture. Its result is kept in the visitor's session, and the slider rescales it.
"""
import math
import secrets
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components.plot import PlotData
from PIL import Image, UnidentifiedImageError

from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.apis.pictures import read_picture
from mmpose_integral.structures.bone_length import resolve_bone_length
from mmpose_integral.utils.files import write_json

from .answer import People, at_bone_length, describe, draw_picture, draw_view
from .blocks import OwnBlocks, serve_guarded

_FORMATS = ('JPEG', 'PNG', 'WEBP', 'BMP')
# Such a picture takes 300 MB when it is decoded to 8-bit colour.
_MAX_PIXELS = 100_000_000
_SLIDER = (3000, 6000)
# Every 10 minutes, files and results older than an hour are deleted: uploads, pictures, JSON files.
_CLEAN_EVERY_S, _KEEP_S = 600, 3600
_QUEUE = 16
# A new value makes gr.Plot rebuild its view, which resets the camera and leaks a WebGL context. Therefore its value is
# set once, and this script draws every later figure into the existing view with the current camera. The camera that
# Plotly itself stores is that at the end of the drag, before the rotation has come to rest.
_DRAW = """async (text) => {
  for (let tries = 0; tries < 200; tries++) {
    const view = document.querySelector('#view_3d .js-plotly-plot');
    if (view && window.Plotly) {
      const figure = JSON.parse(text);
      const camera = view._fullLayout?.scene?._scene?.getCamera();
      if (camera) figure.layout.scene.camera = camera;
      await window.Plotly.react(view, figure.data, figure.layout, figure.config);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}"""


def build_app(inferencer: MMPoseInferencer, model_note: str = '', max_size_mb: float = 20,
              examples: Sequence[str | Path] = ()) -> OwnBlocks:
    """Build the page, an app for :func:`launch_app`.

    Args:
        inferencer: Inferencer of an image-based 3D model, with its detector.
        model_note: Markdown text below the title, about the model and its use.
        max_size_mb: Largest file that is accepted, MB of 10^6 bytes.
        examples: Pictures that the page offers.
    """
    with OwnBlocks(title='3D pose in mm', analytics_enabled=False, delete_cache=(_CLEAN_EVERY_S, _KEEP_S)) as app:
        gr.Markdown(f'# 3D pose in millimetres\n{model_note}')
        _Page(inferencer, int(max_size_mb * 1e6), [[str(path)] for path in examples])
    app.queue(max_size=_QUEUE, api_open=False)  # no call runs the network beside the queue
    return app


class _Page:
    """Components and events of the page: a new photo clears, analyses and shows; the slider shows again."""

    def __init__(self, inferencer: MMPoseInferencer, max_bytes: int, examples: list[list[str]]) -> None:
        self.inferencer, self.max_bytes = inferencer, max_bytes
        self.default = resolve_bone_length(dataset_meta=inferencer.inferencer.model.dataset_meta)
        self.largest = max(_SLIDER[1], math.ceil(self.default))
        self._lay_out()
        # The photo's input event fires once per picture; its change event fires twice when a picture is replaced.
        events = [self.photo.input, self.whole.input, self.focal.submit]
        if examples:
            offered = gr.Examples(examples, self.photo, label='Examples', cache_examples=False)
            events.append(offered.load_input_event.success)
        self._connect(events)

    def _lay_out(self) -> None:
        """Create the components: photo and picture on the left; 3D view, slider, table and download on the right."""
        with gr.Row():
            with gr.Column():
                self.photo = gr.Image(label='Photo', sources=['upload', 'webcam', 'clipboard'], type='filepath',
                                      image_mode=None, elem_id='photo', height=380, buttons=[])
                self.whole = gr.Checkbox(label='the picture shows one person: do not use the detector', elem_id='whole')
                self.focal = gr.Number(
                    label='Focal length, px', elem_id='focal', visible=self.inferencer.inferencer.perspective,
                    placeholder='from the EXIF data, or an assumed angle of view')  # without one, gradio shows 0
                self.picture = gr.Image(label='Boxes and joints', format='jpeg', interactive=False, elem_id='picture',
                                        height=480, buttons=['download', 'fullscreen'])
            with gr.Column():
                gr.Plot(PlotData(type='plotly', plot=draw_view([], self.largest)), label='3D, mm; drag to rotate',
                        elem_id='view_3d')
                self.length = gr.Slider(
                    min(_SLIDER[0], math.floor(self.default)), self.largest, self.default, step=1,
                    elem_id='bone_length', label='Bone length, mm',
                    info='total of all 17 bones of a person; a photo alone does not determine the size')
                self.table = gr.Markdown(elem_id='people')
                self.download = gr.DownloadButton('Download JSON', interactive=False, elem_id='download')
        self.figure = gr.Textbox(visible='hidden')  # Plotly's JSON
        self.answer = gr.State(None, time_to_live=_KEEP_S)  # the session's people at the default length
        # The number of a request is compared with that of the last one, in a list that all calls of a session share.
        self.request, self.latest = gr.Number(0, visible='hidden', elem_id='request'), gr.State([0])

    def _connect(self, events: list[Callable]) -> None:
        shown = [self.figure, self.table, self.download]
        # By default, gradio ignores the events of a photo that is sent while an earlier one is analysed.
        each: dict[str, Any] = dict(trigger_mode='always_last', api_visibility='private')
        show: dict[str, Any] = dict(fn=self._show, inputs=[self.answer, self.length], outputs=shown,
                                    show_progress='hidden', **each)
        for event in events:
            # The page is cleared first, so that no result is shown beside another picture.
            event(self._clear, self.latest, [self.request, self.answer, self.picture, *shown], **each).then(
                self._analyse, [self.photo, self.whole, self.focal, self.request, self.latest],
                [self.answer, self.picture], preprocess=False, concurrency_limit=1, concurrency_id='network',
                **each).then(**show)
        self.length.change(**show)
        self.figure.change(None, self.figure, None, js=_DRAW)

    def _clear(self, latest: list[int]) -> tuple:
        """Begin a request: return its number, and an empty page."""
        latest[0] += 1
        return (latest[0], None, None, *self._show(None, 0))

    def _analyse(self, upload: dict[str, Any] | None, whole: bool, focal_length: float | None, request: int,
                 latest: list[int]) -> tuple[People | None, np.ndarray | None] | dict[str, Any]:
        """Run the network on an upload; return people at the default length, and the picture.

        A message tells why there are none. Nothing is changed if the visitor has made another request meanwhile. No
        error is raised, because gradio would then forget that request.

        The upload is gradio's dict (``preprocess=False``). The preprocessing of gr.Image would fail with a traceback
        for a file that is no photo, and would remove a photo's EXIF data.
        """
        people, picture, message = None, None, ''
        if upload and request == latest[0]:
            path = str(upload['path'])
            try:
                check_photo(path, self.max_bytes)
                # The inferencer gets a frame, because it treats a path by the file's name, for example as a video.
                frame = read_picture(path)
                image = frame.image
                boxes = np.array([[0, 0, *image.shape[1::-1]]], dtype=np.float32) if whole else None
                results = self.inferencer(frame, bboxes=boxes, bone_length=self.default,
                                          focal_length=focal_length or None)
                people = next(results)['predictions'][0]
                picture = draw_picture(np.ascontiguousarray(image[..., ::-1]), people)
                message = '' if people else 'No person was detected in this picture.'
            except FileNotFoundError:
                message = 'The photo is no longer on the server; send it again.'
            except ValueError as error:
                message = str(error).replace(path, 'The photo')
        if request != latest[0]:
            return gr.skip()
        if message:
            gr.Warning(message)
        return people, picture

    def _show(self, people: People | None, bone_length: float) -> tuple[str, str, gr.DownloadButton]:
        """3D view, table and download of JSON at a bone length; all are empty without a result."""
        if people is None:
            return draw_view([], self.largest), '', gr.DownloadButton(value=None, interactive=False)
        people = at_bone_length(people, bone_length)
        # Gradio serves and cleans this folder; its random name cannot be guessed by other visitors.
        name = secrets.token_hex(16)
        path = Path(self.download.GRADIO_CACHE) / name / f'pose_{name[:8]}.json'
        write_json(path, people, indent=2)  # the format of the inferencer's files in pred_out_dir
        return draw_view(people, self.largest), describe(people), gr.DownloadButton(value=str(path), interactive=True)


def launch_app(app: OwnBlocks, host: str = '127.0.0.1', port: int = 7860, auth: tuple[str, str] | None = None,
               max_size_mb: float = 20, host_names: Sequence[str] = (), block: bool = True) -> str:
    """Serve an app from this machine alone, without a tunnel, statistics, or external resources on the page.

    Requests are refused if they name another host or come from the page of another site. A visitor, recognised by a
    cookie, can only read and process photos that this visitor sent, the examples, and the results for them.

    Args:
        app: App from :func:`build_app`.
        host, port: Network address of the server and a free port; OSError if it is taken.
        auth: Name and password that visitors must enter.
        max_size_mb: Size limit of an upload, MB; all uploads of an hour may have 100 times this size.
        host_names: Further host names of the page, for example that of a web server in front of it. The names of this
            machine and ``host`` are always accepted.
        block: Whether to return only after Ctrl-C; otherwise ``app.close()`` stops the server.

    Returns:
        URL of the page.
    """
    fonts = dict(font=['system-ui', 'sans-serif'], font_mono=['ui-monospace', 'monospace'])
    url = serve_guarded(
        app, host, host_names, int(max_size_mb * 1e6), server_port=port, auth=auth, share=False,
        theme=gr.themes.Default(**fonts), ssr_mode=False, run_history=False, enable_monitoring=False, mcp_server=False,
        pwa=False, footer_links=[], quiet=True, prevent_thread_lock=True)
    if block:
        print(f'Serving at {url} , Ctrl-C stops it.', flush=True)
        app.block_thread()
    return url


def check_photo(path: str | Path, max_bytes: int) -> None:
    """Check by its header that a file is a photo, whatever its name, and not too large to be decoded.

    Even a small file can declare a picture that fills the memory.

    Raises:
        ValueError: If the file is rejected; the message is meant for the visitor and does not contain the path.
    """
    if not Path(path).is_file():  # to open a named pipe would wait for its writer
        raise ValueError('This is not a file, or it is no longer on the server; send it again.')
    size = Path(path).stat().st_size
    if size > max_bytes:
        raise ValueError(f'The file has {size / 1e6:.1f} MB; at most {max_bytes / 1e6:.1f} MB are accepted.')
    too_large = f'At most {_MAX_PIXELS / 1e6:g} megapixels are accepted; make the picture smaller first.'
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)  # Pillow's own limit is lower
            with Image.open(path, formats=_FORMATS) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        raise ValueError(f'The picture is too large. {too_large}') from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise ValueError(f'This is not a readable picture; {", ".join(_FORMATS)} are accepted.') from None
    if width * height > _MAX_PIXELS:
        raise ValueError(f'The picture has {width} x {height} px. {too_large}')
