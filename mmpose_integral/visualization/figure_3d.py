"""People in mm as a Plotly figure that can be rotated with the mouse. This module needs plotly.

Frames: *camera axes* x right, y down, z away (mm). Plotly's third axis points upwards, and the scene rotates about it.
The figure's (x, y, z) axes therefore show the people's (x, z, y), with the third axis reversed. The numbers are those
of the camera axes, and people stand upright.
"""
import numpy as np
import plotly.graph_objects as go

from ..structures.skeleton import JOINT_NAMES, side_color
from .room import FLOOR, GRID, WALL
from .scene_3d import arrange_people
from .skeleton_drawing import as_people, bones_to_draw, joint_color, per_joint
from .view_3d import Box, fit_box, resolve_view

_SIDES = {side_color(JOINT_NAMES.index(joint)): name
          for joint, name in (('root', 'middle'), ('left_hip', 'left'), ('right_hip', 'right'))}
# Distance of the viewpoint from the room's centre, in room diagonals. The view is aimed below the centre, by a share of
# the room's longest side, so that the labels of the floor fit in the figure.
_DISTANCE, _LOWER = 1.2, 0.07


def draw_figure_3d(people, *, scores=None, score_thr=0.3, std=None, positions=None, view=(-25, 12), headroom=1.0,
                   height=560):
    """Draw an interactive 3D view of people, with equal axes in mm.

    Each person has one line trace per side (blue left, vermilion right, grey middle) and one trace of joints named
    ``person <index>``. Hovering over a joint shows its name, its x, y, z relative to the person's root, and their
    standard deviation. Several people stand side by side, because a root-centred skeleton has no position.
    The camera keeps the user's viewpoint when one figure replaces another (``uirevision``).

    Args:
        people (np.ndarray): ([N,] 18, 3) mm, camera axes x right, y down, z away; root at the origin. Non-finite joints
            are left out. N = 0 gives an empty room.
        scores (np.ndarray | None): ([N,] 18); joints below ``score_thr`` are hollow.
        score_thr (float): Threshold of the scores.
        std (np.ndarray | None): ([N,] 18, 3) mm along x, y, z.
        positions (np.ndarray | None): (N,) left-to-right order of several people, such as their x in the image.
        view (str | tuple): Initial viewpoint, see ``view_3d``.
        headroom (float): Size of the room relative to the people. It can keep the room the same while one person is
            shown at different sizes.
        height (int): Height of the figure, px; its width is that of the page.

    Returns:
        plotly.graph_objects.Figure: Figure with coordinates as plain lists, camera axes in mm.

    Raises:
        ValueError: If a shape or the view is not one of the above, or ``headroom`` is not a positive number.
    """
    if not (np.isfinite(headroom) and headroom > 0):
        raise ValueError(f'headroom: a positive number expected, got {headroom}')
    people = np.zeros((0, len(JOINT_NAMES), 3)) if not len(people) else as_people(people, 'people', (3,))
    sure = per_joint(scores, people, 'scores', 1.0) >= score_thr
    std = None if std is None else per_joint(std, people, 'std', 0.0)
    placed = arrange_people(people, (0, 0), positions=positions)[0]
    known = np.isfinite(people).all(axis=-1)
    figure = go.Figure(layout=_layout(_room(placed[known], headroom, len(people) < 2), resolve_view(view), height))
    if not len(people):
        # Without a trace, Plotly would draw a 2D plot. An invisible trace keeps the room and the user's camera.
        figure.add_scatter3d(x=[0], y=[0], z=[0], mode='markers', opacity=0, hoverinfo='skip', showlegend=False,
                             name='nobody')
    for n in range(len(people)):
        _add_bones(figure, placed[n], known[n], n)
        _add_joints(figure, n, placed[n], people[n], known[n], sure[n], None if std is None else std[n])
    return figure


def _css(color):
    return f'rgb({color[0]}, {color[1]}, {color[2]})'


def _axes(points):
    """Coordinates of a trace from points (M, 3) mm, rounded to 0.01 mm to keep the page small."""
    x, y, z = np.round(points, 2).T.tolist()
    return dict(x=x, y=z, z=y)


def _add_bones(figure, points, known, person):
    """Add one trace per side: bones as pairs of points with a gap after each."""
    sides = {}
    for bone in bones_to_draw(known):
        sides.setdefault(joint_color(*bone), []).append(bone)
    for color, bones in sorted(sides.items(), key=lambda item: _SIDES[item[0]]):
        axes = {name: [value for pair in zip(values[::2], values[1::2], strict=True) for value in (*pair, None)]
                for name, values in _axes(points[np.ravel(bones)]).items()}
        figure.add_scatter3d(**axes, mode='lines', line=dict(color=_css(color), width=8), hoverinfo='skip',
                             name=_SIDES[color], legendgroup=_SIDES[color], showlegend=person == 0)


def _add_joints(figure, person, placed, own, known, sure, std):
    """Add all known joints of a person; the hover text is relative to the person's root."""
    joints = np.flatnonzero(known)
    values = own[joints] if std is None else np.concatenate([own, std], axis=1)[joints]
    spread = [''] * 3 if std is None else [f' \u00b1 %{{customdata[{i}]:.0f}}' for i in (3, 4, 5)]
    lines = [f'{axis} %{{customdata[{i}]:.0f}}{spread[i]} mm' for i, axis in enumerate('xyz')]
    figure.add_scatter3d(
        **_axes(placed[joints]), mode='markers', name=f'person {person}', showlegend=False,
        marker=dict(size=5, color=[_css(joint_color(joint)) for joint in joints],
                    symbol=['circle' if sure[joint] else 'circle-open' for joint in joints]),
        text=[JOINT_NAMES[joint].replace('_', ' ') for joint in joints], customdata=np.round(values, 2).tolist(),
        hovertemplate='<br>'.join([f'<b>%{{text}}</b>, person {person}', *lines]) + '<extra></extra>')


def _room(points, headroom, square):
    """Box around people at their largest size, with the floor below their feet at the current size."""
    box = fit_box(points * headroom, square=square)
    floor = points[:, 1].max(initial=0.0) if len(points) else box.high[1]
    # The lowest joints, the ankles, are above the ground, and Plotly cuts off markers at the ends of an axis.
    floor += 0.2 * box.step
    return Box(box.low + (0, floor - box.high[1], 0), np.array([box.high[0], floor, box.high[2]]), box.step)


def _layout(box, view, height):
    """Layout of a room: ranges, equal scales, viewpoint, muted colours."""
    sides = (box.high - box.low) / (box.high - box.low).max()
    azimuth, elevation = np.radians(view)
    toward = np.array([np.cos(elevation) * np.sin(azimuth), -np.cos(elevation) * np.cos(azimuth), np.sin(elevation)])
    eye = _DISTANCE * np.linalg.norm(sides) * toward
    common = dict(dtick=box.step, gridcolor=_css(GRID), zeroline=False, showspikes=False, showbackground=True)
    scene = dict(
        xaxis=dict(title='x, right (mm)', range=[box.low[0], box.high[0]], backgroundcolor=_css(WALL), **common),
        yaxis=dict(title='z, away (mm)', range=[box.low[2], box.high[2]], backgroundcolor=_css(WALL), **common),
        zaxis=dict(title='y, down (mm)', range=[box.high[1], box.low[1]], backgroundcolor=_css(FLOOR), **common),
        aspectmode='manual', aspectratio=dict(zip('xzy', sides, strict=True)),
        camera=dict(eye=dict(zip('xyz', eye, strict=True)), up=dict(x=0, y=0, z=1),
                    center=dict(x=0, y=0, z=-_LOWER)), dragmode='turntable')
    return dict(template='none', scene=scene, height=height, autosize=True, margin=dict(l=0, r=0, t=0, b=0),
                uirevision='people', legend=dict(x=0.01, y=0.01, xanchor='left', yanchor='bottom'))
