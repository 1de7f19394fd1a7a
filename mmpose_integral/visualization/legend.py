"""The strip below a picture: meaning of the colours, and the error."""
import numpy as np

from ..structures.skeleton import LEFT_COLOR, MIDDLE_COLOR, RIGHT_COLOR
from .canvas import FAINT, INK, blank, dash, draw_disc, draw_polyline, draw_segments, put_text, text_size


def legend_bar(width: int, height: int, with_truth: bool = False, caption: str = '', title: str = '') -> np.ndarray:
    """Draw a strip with the legend on the left and a caption on the right.

    Args:
        width: Width, px. If it is too small, less important entries are left out.
        height: Height, px.
        with_truth: Whether to explain the dashed true skeleton.
        caption: Right-aligned text, such as the error.
        title: Text before the legend.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    bar, size = blank((width, height)), max(9, int(0.46 * height))
    entries = [('title', title)] * bool(title) + [('left', 'left'), ('right', 'right'), ('middle', 'middle')]
    entries += [('solid', 'predicted'), ('dashed', 'truth')] * with_truth
    marks = dict(title=0.0, solid=1.3 * height, dashed=1.3 * height)

    def advance(kind, text):
        return marks.get(kind, 0.65 * height) + text_size(text, size, kind == 'title')[0] + 0.8 * height

    room = width - 0.5 * height - (text_size(caption, size, True)[0] + height if caption else 0.0)
    for expendable in ('middle', 'solid', 'title', 'dashed', 'left', 'right'):
        if sum(advance(*entry) for entry in entries) > room:
            entries = [entry for entry in entries if entry[0] != expendable]
    x = 0.5 * height
    for kind, text in entries:
        _draw_mark(bar, kind, x, height)
        color = INK if kind == 'title' else FAINT
        put_text(bar, text, (x + marks.get(kind, 0.65 * height), height / 2), size, color, 'lm', kind == 'title')
        x += advance(kind, text)
    put_text(bar, caption, (width - 0.5 * height, height / 2), size, INK, 'rm', bold=True)
    return bar


def _draw_mark(bar, kind, x, height):
    """Draw the legend symbol at x: a disc for a side, a line for prediction and truth."""
    start, end = np.array([x, height / 2]), np.array([x + height, height / 2])
    if kind == 'solid':
        draw_polyline(bar, np.stack([start, end]), MIDDLE_COLOR, 0.16 * height)
    elif kind == 'dashed':
        draw_segments(bar, dash(start, end, 0.22 * height, 0.16 * height), MIDDLE_COLOR, 0.08 * height)
    elif kind != 'title':
        color = dict(left=LEFT_COLOR, right=RIGHT_COLOR, middle=MIDDLE_COLOR)[kind]
        draw_disc(bar, start + (0.175 * height, 0), 0.175 * height, color)
