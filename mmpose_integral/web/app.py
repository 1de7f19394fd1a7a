"""A web page for one photo at a time: boxes and skeleton, a 3D view to turn, a slider for the bone length, JSON.

Needs gradio and plotly (the extra ``demo``); nothing else of the package imports this module. The network runs
once a picture; its answer stays in the visitor's session, and the slider rescales it.
"""
import math
import secrets
from functools import partial
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np
from gradio.components.plot import PlotData

from mmpose_integral.apis.media import read_picture
from mmpose_integral.structures.bone_length import resolve_bone_length
from mmpose_integral.web.answer import at_bone_length, describe, draw_picture, draw_view, to_json
from mmpose_integral.web.photo_check import check_photo

_SLIDER = (3000, 6000)
# Every 10 minutes what is older than an hour goes: uploads, pictures, JSON files, answers.
_CLEAN_EVERY_S, _KEEP_S = 600, 3600
_QUEUE = 16
# A new value makes gr.Plot build its view anew, which forgets the camera and holds on to a WebGL context. So it gets
# one value for the life of the page, and this puts every later figure into it, seen from where the user has turned it
# by now: what Plotly keeps itself is the camera at the end of the drag, before the view has glided to a halt.
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


def build_app(inferencer, model_note='', max_size_mb=20, examples=()):
    """The page.

    Args:
        inferencer (MMPoseInferencer): of an image-based 3D model, with its detector.
        model_note (str): Markdown under the title: which model answers, and what it is good for.
        max_size_mb (float): largest file that is accepted, MB of 10^6 bytes.
        examples (Sequence[str | Path]): pictures that the page offers.

    Returns:
        gr.Blocks: to be launched by :func:`launch_app`.
    """
    default = resolve_bone_length(dataset_meta=inferencer.inferencer.model.dataset_meta)
    lowest, largest = min(_SLIDER[0], math.floor(default)), max(_SLIDER[1], math.ceil(default))
    with gr.Blocks(title='3D pose in mm', analytics_enabled=False, delete_cache=(_CLEAN_EVERY_S, _KEEP_S)) as app:
        gr.Markdown(f'# 3D pose in millimetres\n{model_note}')
        parts = _lay_out(lowest, default, largest)
        # Of the photo's events, input comes once a picture; change comes twice where one replaces another.
        events = [parts.photo.input, parts.whole.input]
        if len(examples):
            offered = gr.Examples([[str(path)] for path in examples], parts.photo, label='Examples',
                                  cache_examples=False)
            events.append(offered.load_input_event.success)
        _connect(parts, events, partial(_analyse, inferencer, default, int(max_size_mb * 1e6)), largest)
    return app.queue(max_size=_QUEUE)


class _Parts(NamedTuple):
    """Components of the page; ``answer`` is the session's people at the default length, ``figure`` Plotly's JSON."""
    photo: gr.Image
    whole: gr.Checkbox
    picture: gr.Image
    length: gr.Slider
    table: gr.Markdown
    download: gr.DownloadButton
    figure: gr.Textbox
    answer: gr.State


def _lay_out(lowest, default, largest):
    """Photo and picture on the left, 3D view, slider, table and download on the right."""
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
    """What happens when: a photo is cleared, analysed, shown; the slider shows again; a figure is drawn."""
    shown = [parts.figure, parts.table, parts.download]
    show = dict(fn=partial(_show, largest, Path(parts.download.GRADIO_CACHE)), inputs=[parts.answer, parts.length],
                outputs=shown, show_progress='hidden', api_visibility='private')
    for event in events:
        event(partial(_clear, largest), None, [parts.answer, parts.picture, *shown], api_visibility='private').then(
            analyse, [parts.photo, parts.whole], [parts.answer, parts.picture], preprocess=False, concurrency_limit=1,
            concurrency_id='network', api_visibility='private').then(**show)
    parts.length.change(**show, trigger_mode='always_last')
    parts.figure.change(None, parts.figure, None, js=_DRAW)


def launch_app(app, host='127.0.0.1', port=7860, auth=None, max_size_mb=20, block=True):
    """Serve the page from this machine alone: no tunnel, no statistics, nothing from elsewhere on the page.

    Args:
        app (gr.Blocks): of :func:`build_app`.
        host (str): address to listen at.
        port (int): free.
        auth (tuple[str, str], optional): name and password that visitors have to give.
        max_size_mb (float): larger uploads are cut off while they arrive.
        block (bool): return when Ctrl-C has stopped the server; else at once, and ``app.close()`` stops it.

    Returns:
        str: the page's address.

    Raises:
        OSError: the port is taken.
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
    """What was shown goes before the network starts, so that no answer stands beside another picture."""
    return None, None, draw_view([], largest), '', gr.DownloadButton(value=None, interactive=False)


def _analyse(inferencer, bone_length, max_bytes, upload, whole):
    """(people at the default length, picture) of an upload; the one place where the network runs.

    The upload comes as gradio's dict (``preprocess=False``): made ready by gr.Image, a file that is no photo would end
    in a traceback, and a photo in a copy without its EXIF data.
    """
    if not upload:
        return None, None
    path = str(upload['path'])
    try:
        check_photo(path, max_bytes)
        # An array, not the path: inferencers choose by a file's name what to do with it.
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
    """(3D view, table, JSON) at a bone length; ``cache`` is the folder that gradio serves and cleans."""
    if people is None:
        return draw_view([], largest), '', gr.DownloadButton(value=None, interactive=False)
    people = at_bone_length(people, bone_length)
    # Under a name that nobody else can guess.
    folder = cache / secrets.token_hex(16)
    folder.mkdir(parents=True)
    path = folder / f'pose_{folder.name[:8]}.json'
    path.write_text(to_json(people))
    return draw_view(people, largest), describe(people), gr.DownloadButton(value=str(path), interactive=True)
