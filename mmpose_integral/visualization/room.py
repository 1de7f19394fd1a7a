"""The room round 3D people: floor, far walls, ticks and names of the axes, scale bar."""
from functools import lru_cache

import numpy as np

from .canvas import FAINT, WHITE, blank, draw_segments, fill_polygon, put_text, text_size
from .view_3d import Box, make_view, nice_step

FLOOR, WALL, GRID = (241, 243, 246), (249, 250, 251), (221, 225, 230)
# A plane within about 3 degrees of the line of sight is a sliver: not drawn.
_EDGE_ON = 0.05
_AXIS_NAMES = ('x, right', 'y, down', 'z, away')


def text_px(height, factor=1.0):
    """Font size that suits a panel of a height; small panels get relatively larger letters."""
    return max(9, int(round((4 + 0.018 * height) * factor)))


def label_margins(height):
    """Left, top, right, bottom px round the room that title, ticks and names need on a panel of a height."""
    size, title = text_px(height, 0.85), text_px(height, 1.15)
    return 5.0 * size + 0.03 * height, 2.0 * title, 1.5 * size + 0.02 * height, 3.4 * size + 0.02 * height


def empty_room(box, view, size, perspective=True, unit='mm', horizontal=True, background=WHITE):
    """A room without people; one that was drawn before, as in a video, is copied.

    Args:
        box (Box): mm.
        view (tuple): azimuth, elevation in degrees.
        size (tuple): width, height of the panel, px.
        perspective (bool): see :func:`make_view`.
        unit (str): of the labels.
        horizontal (bool): label x and z too, not the height alone.
        background (tuple): RGB.

    Returns:
        tuple[np.ndarray, View]: (height, width, 3) uint8 RGB, the caller's own, and the view that shows it.
    """
    corners = tuple(box.low.tolist()), tuple(box.high.tolist())
    panel, camera = _drawn_room(corners, box.step, view, tuple(size), perspective, unit, horizontal, tuple(background))
    return panel.copy(), camera


# A video has one room a view; a panel of a 1080 px picture takes 1 MB.
@lru_cache(maxsize=16)
def _drawn_room(corners, step, view, size, perspective, unit, horizontal, background):
    box = Box(*map(np.array, corners), step)
    camera = make_view(box, view, size, perspective, label_margins(size[1]))
    panel = blank(size, background)
    draw_room(panel, box, camera)
    label_axes(panel, box, camera, unit, horizontal)
    return panel, camera


class SteadyRooms:
    """Keeps a video's rooms still: each only ever grows, one for every view.

    Two people are shown another way than one (see ``scene_3d.arrange_people``); once there were two, it stays so.
    """

    def __init__(self):
        self.forget()

    def forget(self):
        """Start afresh, for another video."""
        self._boxes, self._several = {}, False

    def note_several(self, several):
        """Whether there ever were two people; the first time forgets the rooms of one."""
        if several and not self._several:
            self._boxes, self._several = {}, True
        return self._several

    def grow(self, view, box):
        """The view's room so far, grown to hold ``box``."""
        old = self._boxes.get(view, box)
        # Grid lines of the larger room; whoever comes nearer must not change them.
        new = Box(np.minimum(old.low, box.low), np.maximum(old.high, box.high), max(old.step, box.step))
        self._boxes[view] = new
        return new


def _plane_grid(box, fixed, value, axes):
    """Grid lines (N, 2, 3) on the plane where coordinate ``fixed`` is ``value``; lines cross each of ``axes``."""
    lines = []
    for along, across in (axes, axes[::-1]):
        for tick in box.ticks(across):
            ends = np.zeros((2, 3))
            ends[:, fixed], ends[:, across], ends[:, along] = value, tick, (box.low[along], box.high[along])
            lines.append(ends)
    return np.array(lines).reshape(-1, 2, 3)


def _far_wall(box, camera, axis):
    """Of the two walls across ``axis`` the one behind the people; None where they are seen edge-on."""
    facing = camera.rotation[2, axis]
    return None if abs(facing) < _EDGE_ON else (box.high if facing > 0 else box.low)[axis]


def draw_room(panel, box, camera):
    """Floor, and the upright walls that the onlooker sees from inside."""
    for fixed, axes in ((0, (1, 2)), (2, (0, 1)), (1, (0, 2))):
        value = box.high[1] if fixed == 1 else _far_wall(box, camera, fixed)
        if value is None or abs(camera.rotation[2, fixed]) < _EDGE_ON:
            continue
        a, b = axes
        corner = np.zeros((4, 3))
        corner[:, fixed] = value
        corner[:, a] = np.array([box.low[a], box.high[a], box.high[a], box.low[a]])
        corner[:, b] = np.array([box.low[b], box.low[b], box.high[b], box.high[b]])
        fill_polygon(panel, camera.project(corner)[0], FLOOR if fixed == 1 else WALL)
        draw_segments(panel, camera.project(_plane_grid(box, fixed, value, axes))[0], GRID, 1)


def label_axes(panel, box, camera, unit, horizontal=True):
    """Ticks and names on the box edges nearest the onlooker; an axis seen end-on is left out."""
    size, reach = text_px(panel.shape[0], 0.85), 0.014 * panel.shape[0]
    for axis in (0, 1, 2) if horizontal else (1,):
        edge = _front_edge(box, camera, axis)
        if edge is None:
            continue
        ends, outward = edge
        ticks = box.ticks(axis)
        texts = [f'{tick:.6g}'.replace('-', '\u2212') for tick in ticks]
        at = np.repeat(ends[:1], len(ticks), axis=0)
        at[:, axis] = ticks
        xy = camera.project(at)[0]
        side = 'm' if abs(outward[0]) < 0.3 else 'r' if outward[0] < 0 else 'l'
        anchor = side + ('m' if abs(outward[1]) < 0.3 else 't')
        widest = max((text_size(text, size)[0] for text in texts), default=0)
        needed = (1.5 if axis == 1 else 2.2) * size if side != 'm' else 1.25 * widest
        spacing = np.abs(np.diff(xy, axis=0)).max() if len(ticks) > 1 else np.inf
        every = max(1, int(np.ceil(needed / max(spacing, 1e-6))))
        draw_segments(panel, np.stack([xy, xy + 0.5 * reach * outward], axis=1), FAINT, 1)
        for tick, text, point in zip(ticks, texts, xy, strict=True):
            # Counting the shown ticks from zero keeps the origin labelled.
            if round(tick / box.step) % every == 0:
                put_text(panel, text, point + reach * outward, size, FAINT, anchor)
        _name_axis(panel, f'{_AXIS_NAMES[axis]} ({unit})', camera.project(ends)[0], outward, anchor, size, widest)


def _name_axis(panel, name, ends, outward, anchor, size, widest):
    """The axis' name beyond its tick labels, along the axis where that stands upright."""
    clear = 2.1 * size if anchor[0] == 'm' else 1.2 * widest + 1.5 * size
    if anchor == 'rm':
        clear = widest + 1.9 * size
    place = ends.mean(axis=0) + clear * outward
    if anchor == 'rm':
        # Long tick labels must not push it off the panel.
        place[0] = max(place[0], text_size(name, size)[1] + 1)
    put_text(panel, name, place, size, FAINT, anchor, upright=anchor == 'rm')


def _front_edge(box, camera, axis):
    """Ends (2, 3) mm of the edge to label and the direction (2,) off the box, or None if the axis is seen end-on."""
    others = [other for other in range(3) if other != axis]
    best, best_rank = None, -np.inf
    for pick in np.ndindex(2, 2):
        ends = np.stack([box.low, box.high])
        for other, side in zip(others, pick, strict=True):
            ends[:, other] = (box.low, box.high)[side][other]
        xy, _ = camera.project(ends)
        # The height goes to the leftmost upright of a wall, the others to the lowest edge of the floor: planes that
        # are drawn, so that ticks meet grid lines.
        if axis == 1 and not any(_far_wall(box, camera, other) == ends[0, other] for other in others):
            continue
        if axis != 1 and ends[0, 1] != box.high[1]:
            continue
        rank = -xy[:, 0].mean() if axis == 1 else xy[:, 1].mean() - 1e-3 * xy[:, 0].mean()
        if rank > best_rank:
            best, best_rank = (ends, xy), rank
    if best is None:
        return None
    ends, xy = best
    along = xy[1] - xy[0]
    if np.linalg.norm(along) < 0.2 * _extent(box, camera):
        return None
    normal = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    return ends, normal * np.where((xy.mean(axis=0) - camera.offset) @ normal < 0, -1.0, 1.0)


def _extent(box, camera):
    """Larger side of the box's picture, px."""
    return float(np.ptp(camera.project(box.corners())[0], axis=0).max())


def draw_scale_bar(panel, box, camera, unit):
    """A bar in the top right corner, true at the depth of the room's centre.

    Returns:
        tuple: left, top, right, bottom px of bar and text.
    """
    height, width = panel.shape[:2]
    length = nice_step(box.high[1] - box.low[1], 3)
    size, right, y = text_px(height, 0.85), width - 0.03 * height, 0.038 * height
    left = right - camera.scale * length
    bar = np.array([[(left, y), (right, y)], [(left, y - 3), (left, y + 3)], [(right, y - 3), (right, y + 3)]])
    draw_segments(panel, bar, FAINT, 1)
    wide, high = put_text(panel, f'{length:.6g} {unit}', (left - 0.012 * height, y), size, FAINT, 'rm')
    return left - 0.012 * height - wide, y - high / 2, right, y + high / 2
