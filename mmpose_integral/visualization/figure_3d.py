"""People in mm as a Plotly figure that can be rotated with the mouse. This module needs plotly.

Frames: *camera axes* x right, y down, z away (mm). Plotly's third axis points upwards, and the scene rotates about it.
The figure's (x, y, z) axes therefore show the people's (x, z, y), with the third axis reversed. The numbers are those
of the camera axes, and people stand upright.
"""
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from mmpose_integral.structures.skeleton import JOINT_NAMES

from .canvas import Color
from .palette import SIDE_COLORS
from .room import FLOOR, GRID, WALL
from .scene_3d import place_beside
from .skeleton_drawing import as_people, bones_to_draw, joint_color, known_joints, per_joint
from .view_3d import AnyView, Box, fit_box, resolve_view, view_rotation

# Distance of the viewpoint from the room's centre, in room diagonals. The view is aimed below the centre, by a share of
# the room's longest side, so that the labels of the floor fit in the figure.
_DISTANCE, _LOWER = 1.2, 0.07


def draw_figure_3d(people: ArrayLike, *, scores: ArrayLike | None = None, score_thr: float = 0.3,
                   std: ArrayLike | None = None, positions: ArrayLike | None = None, view: AnyView = (-25, 12),
                   headroom: float = 1.0) -> go.Figure:
    """Draw an interactive 3D view of people, with equal axes in mm.

    Each person has one line trace per side (blue left, vermilion right, grey middle) and one trace of joints named
    ``person <index>``. Hovering over a joint shows its name, its x, y, z relative to the person's root, and their
    standard deviation. The camera keeps the user's viewpoint when one figure replaces another (``uirevision``).

    Args:
        people: ([N,] 18, 3) mm, root at the origin. Non-finite joints are left out. N = 0 gives an empty room.
        scores: ([N,] 18); joints below ``score_thr`` are hollow.
        std: ([N,] 18, 3) mm along x, y, z.
        positions: (N,) left-to-right order of several people, such as their x in the image.
        view: Initial viewpoint, see ``view_3d``.
        headroom: Size of the room relative to the people. It can keep the room the same while one person is shown at
            different sizes.

    Raises:
        ValueError: If a shape or the view is not one of the above, or ``headroom`` is not a positive number.
    """
    if not (np.isfinite(headroom) and headroom > 0):
        raise ValueError(f'headroom: a positive number expected, got {headroom}')
    people = as_people(people if len(np.asarray(people)) else np.zeros((0, len(JOINT_NAMES), 3)), 'people', (3,))
    sure = per_joint(scores, people, 'scores', 1.0) >= score_thr
    values = people if std is None else np.concatenate([people, per_joint(std, people, 'std', 0.0)], axis=2)
    placed, known = place_beside(people, (0, 0), positions).move(people), known_joints(people)
    figure = go.Figure(layout=_layout(_room(placed[known], headroom, len(people) < 2), resolve_view(view)))
    if not len(people):
        # Without a trace, Plotly would draw a 2D plot. An invisible trace keeps the room and the user's camera.
        figure.add_scatter3d(x=[0], y=[0], z=[0], mode='markers', opacity=0, hoverinfo='skip', name='nobody',
                             showlegend=False)
    for n in range(len(people)):
        _add_bones(figure, placed[n], known[n], n)
        _add_joints(figure, placed[n], known[n], n, values[n], sure[n])
    return figure


def _css(color: Color) -> str:
    return f'rgb({color[0]}, {color[1]}, {color[2]})'


def _axes(points: np.ndarray) -> dict[str, list[float]]:
    """Coordinates of a trace from points (M, 3) mm, rounded to 0.01 mm to keep the page small."""
    x, y, z = np.round(points, 2).T.tolist()
    return dict(x=x, y=z, z=y)


def _add_bones(figure: go.Figure, points: np.ndarray, known: np.ndarray, person: int) -> None:
    """Add one trace per side: bones as pairs of points with a gap after each."""
    for side, color in SIDE_COLORS.items():
        bones = [bone for bone in bones_to_draw(known) if joint_color(*bone) == color]
        if bones:
            axes = {name: [value for pair in zip(values[::2], values[1::2], strict=True) for value in (*pair, None)]
                    for name, values in _axes(points[np.ravel(bones)]).items()}
            figure.add_scatter3d(**axes, mode='lines', line=dict(color=_css(color), width=8), hoverinfo='skip',
                                 name=side, legendgroup=side, showlegend=person == 0)


def _add_joints(figure: go.Figure, points: np.ndarray, known: np.ndarray, person: int, values: np.ndarray,
                sure: np.ndarray) -> None:
    """Add all known joints of a person; the hover text has ``values``, (18, 3) mm, or (18, 6) with std."""
    joints = np.flatnonzero(known)
    spread = [f' \u00b1 %{{customdata[{i + 3}]:.0f}}' if values.shape[1] == 6 else '' for i in range(3)]
    lines = [f'{axis} %{{customdata[{i}]:.0f}}{spread[i]} mm' for i, axis in enumerate('xyz')]
    figure.add_scatter3d(
        **_axes(points[joints]), mode='markers', name=f'person {person}', showlegend=False,
        marker=dict(size=5, color=[_css(joint_color(joint)) for joint in joints],
                    symbol=['circle' if sure[joint] else 'circle-open' for joint in joints]),
        text=[JOINT_NAMES[joint].replace('_', ' ') for joint in joints],
        customdata=np.round(values[joints], 2).tolist(),
        hovertemplate='<br>'.join([f'<b>%{{text}}</b>, person {person}', *lines]) + '<extra></extra>')


def _room(points: np.ndarray, headroom: float, square: bool) -> Box:
    """Box around people at their largest size, with the floor below their feet at the current size."""
    box = fit_box(points * headroom, square=square)
    floor = points[:, 1].max(initial=0.0) if len(points) else box.high[1]
    # The lowest joints, the ankles, are above the ground, and Plotly cuts off markers at the ends of an axis.
    floor += 0.2 * box.step
    low, high = box.low, box.high
    return Box((low[0], low[1] + floor - high[1], low[2]), (high[0], floor, high[2]), box.step)


def _layout(box: Box, view: tuple[float, float]) -> dict[str, Any]:
    """Layout of a room: ranges, equal scales, viewpoint, muted colours."""
    sides = np.subtract(box.high, box.low)
    sides = sides / sides.max()
    x, y, z = -_DISTANCE * np.linalg.norm(sides) * view_rotation(*view)[2]
    common = dict(dtick=box.step, gridcolor=_css(GRID), zeroline=False, showspikes=False, showbackground=True)
    scene = dict(
        xaxis=dict(title='x, right (mm)', range=[box.low[0], box.high[0]], backgroundcolor=_css(WALL), **common),
        yaxis=dict(title='z, away (mm)', range=[box.low[2], box.high[2]], backgroundcolor=_css(WALL), **common),
        zaxis=dict(title='y, down (mm)', range=[box.high[1], box.low[1]], backgroundcolor=_css(FLOOR), **common),
        aspectmode='manual', aspectratio=dict(zip('xzy', sides, strict=True)),
        camera=dict(eye=dict(x=x, y=z, z=-y), up=dict(x=0, y=0, z=1), center=dict(x=0, y=0, z=-_LOWER)),
        dragmode='turntable')
    return dict(template='none', scene=scene, height=560, autosize=True, margin=dict(l=0, r=0, t=0, b=0),
                uirevision='people', legend=dict(x=0.01, y=0.01, xanchor='left', yanchor='bottom'))
