"""A web page for one photo at a time: boxes and skeleton, a rotatable 3D view, a slider for the bone length, JSON.

This module needs gradio and plotly (the extra ``demo``); no other module of the package imports it. The network runs
once per picture. Its result is kept in the visitor's session, and the slider rescales it.
"""
import math
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np
from gradio.components.plot import PlotData

from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.apis.media import read_picture
from mmpose_integral.structures.bone_length import resolve_bone_length
from mmpose_integral.web.answer import at_bone_length, describe, draw_picture, draw_view, to_json
from mmpose_integral.web.photo_check import check_photo

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
              examples: Sequence[str | Path] = ()) -> gr.Blocks:
    """Build the page.

    Args:
        inferencer: Inferencer of an image-based 3D model, with its detector.
        model_note: Markdown text below the title, about the model and its use.
        max_size_mb: Largest file that is accepted, MB of 10^6 bytes.
        examples: Pictures that the page offers.

    Returns:
        App for :func:`launch_app`.
    """
    default = resolve_bone_length(dataset_meta=inferencer.inferencer.model.dataset_meta)
    lowest, largest = min(_SLIDER[0], math.floor(default)), max(_SLIDER[1], math.ceil(default))
    with gr.Blocks(title='3D pose in mm', analytics_enabled=False, delete_cache=(_CLEAN_EVERY_S, _KEEP_S)) as app:
        gr.Markdown(f'# 3D pose in millimetres\n{model_note}')
        parts = _lay_out(lowest, default, largest)
        # The photo's input event fires once per picture; its change event fires twice when a picture is replaced.
        events = [parts.photo.input, parts.whole.input]
        if len(examples):
            offered = gr.Examples([[str(path)] for path in examples], parts.photo, label='Examples',
                                  cache_examples=False)
            events.append(offered.load_input_event.success)
        _connect(parts, events, partial(_analyse, inferencer, default, int(max_size_mb * 1e6)), largest)
    return app.queue(max_size=_QUEUE)


class _Parts(NamedTuple):
    """Components of the page; ``answer`` holds the session's people at the default length, ``figure`` Plotly's JSON."""
    photo: gr.Image
    whole: gr.Checkbox
    picture: gr.Image
    length: gr.Slider
    table: gr.Markdown
    download: gr.DownloadButton
    figure: gr.Textbox
    answer: gr.State


def _lay_out(lowest, default, largest):
    """Create the components: photo and picture on the left; 3D view, slider, table and download on the right."""
    with gr.Row():
        with gr.Column():
            photo = gr.Image(label='Photo', sources=['upload', 'webcam', 'clipboard'], type='filepath', image_mode=None,
                             elem_id='photo', height=380, buttons=[])
            whole = gr.Checkbox(label='the picture shows one person: do without the detector', elem_id='whole')
            picture = gr.Image(label='Boxes and joints', format='jpeg', interactive=False, elem_id='picture',
                               height=480, buttons=['download', 'fullscreen'])
        with gr.Column():
            gr.Plot(PlotData(type='plotly', plot=draw_view([], largest)), label='3D, mm; drag to turn',
                    elem_id='view_3d')
            length = gr.Slider(lowest, largest, default, step=1, elem_id='bone_length', label='Bone length, mm',
                               info='of all 17 bones of a person together; a photo alone does not tell the size')
            table = gr.Markdown(elem_id='people')
            download = gr.DownloadButton('Download JSON', interactive=False, elem_id='download')
    figure, answer = gr.Textbox(visible='hidden'), gr.State(None, time_to_live=_KEEP_S)
    return _Parts(photo, whole, picture, length, table, download, figure, answer)


def _connect(parts, events, analyse, largest):
    """Connect the events: a new photo clears, analyses and shows; the slider shows again; a new figure is drawn."""
    shown = [parts.figure, parts.table, parts.download]
    show = dict(fn=partial(_show, largest, Path(parts.download.GRADIO_CACHE)), inputs=[parts.answer, parts.length],
                outputs=shown, show_progress='hidden', api_visibility='private')
    for event in events:
        event(partial(_clear, largest), None, [parts.answer, parts.picture, *shown], api_visibility='private').then(
            analyse, [parts.photo, parts.whole], [parts.answer, parts.picture], preprocess=False, concurrency_limit=1,
            concurrency_id='network', api_visibility='private').then(**show)
    parts.length.change(**show, trigger_mode='always_last')
    parts.figure.change(None, parts.figure, None, js=_DRAW)


def launch_app(app: gr.Blocks, host: str = '127.0.0.1', port: int = 7860, auth: tuple[str, str] | None = None,
               max_size_mb: float = 20, block: bool = True) -> str:
    """Serve the page from this machine alone, without a tunnel, statistics, or external resources on the page.

    Args:
        app: App from :func:`build_app`.
        host: Network address of the server.
        port: Free port.
        auth: Name and password that visitors must enter.
        max_size_mb: Size limit of uploads, MB; larger ones are aborted during the upload.
        block: Whether to return only after Ctrl-C; otherwise the function returns at once, and ``app.close()`` stops
            the server.

    Returns:
        URL of the page.

    Raises:
        OSError: If the port is taken.
    """
    fonts = dict(font=['system-ui', 'sans-serif'], font_mono=['ui-monospace', 'monospace'])
    url = app.launch(
        server_name=host, server_port=port, auth=auth, max_file_size=int(max_size_mb * 1e6), share=False,
        theme=gr.themes.Default(**fonts), ssr_mode=False, run_history=False, enable_monitoring=False, mcp_server=False,
        pwa=False, footer_links=[], quiet=True, prevent_thread_lock=True)[1]
    if block:
        print(f'Serving at {url} , Ctrl-C stops it.', flush=True)
        app.block_thread()
    return url


def _clear(largest):
    """Clear the page before the network starts, so that no result is shown beside another picture."""
    return None, None, draw_view([], largest), '', gr.DownloadButton(value=None, interactive=False)


def _analyse(inferencer, bone_length, max_bytes, upload, whole):
    """Run the network on an upload; return people at the default length, and the picture.

    The upload is gradio's dict (``preprocess=False``). The preprocessing of gr.Image would fail with a traceback for a
    file that is no photo, and would remove a photo's EXIF data.
    """
    if not upload:
        return None, None
    path = str(upload['path'])
    try:
        check_photo(path, max_bytes)
        # The inferencer gets an array, because it treats a path by the file's name, for example as a video.
        image = read_picture(path).image
        boxes = np.array([[0, 0, *image.shape[1::-1]]], dtype=np.float32) if whole else None
        people = list(inferencer(image, bboxes=boxes, bone_length=bone_length))[0]['predictions'][0]
    except FileNotFoundError:
        raise gr.Error('The photo is no longer here; send it again.', print_exception=False) from None
    except ValueError as error:
        raise gr.Error(str(error).replace(path, 'The photo'), print_exception=False) from None
    if not people:
        gr.Warning('Nobody found in this picture.')
    return people, draw_picture(np.ascontiguousarray(image[..., ::-1]), people)


def _show(largest, cache, people, bone_length):
    """Return 3D view, table and JSON at a bone length; ``cache`` is the folder that gradio serves and cleans."""
    if people is None:
        return draw_view([], largest), '', gr.DownloadButton(value=None, interactive=False)
    people = at_bone_length(people, bone_length)
    # The random folder name cannot be guessed by other visitors.
    folder = cache / secrets.token_hex(16)
    folder.mkdir(parents=True)
    path = folder / f'pose_{folder.name[:8]}.json'
    path.write_text(to_json(people))
    return draw_view(people, largest), describe(people), gr.DownloadButton(value=str(path), interactive=True)
