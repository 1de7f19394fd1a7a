"""The room around people in 3D: floor, far walls, ticks and names of the axes, scale bar."""
from functools import lru_cache

import numpy as np

from .canvas import FAINT, WHITE, blank, draw_segments, fill_polygon, put_text, text_size
from .view_3d import Box, make_view, nice_step

FLOOR, WALL, GRID = (241, 243, 246), (249, 250, 251), (221, 225, 230)
# A plane within about 3 degrees of the line of sight is not drawn.
_EDGE_ON = 0.05
_AXIS_NAMES = ('x, right', 'y, down', 'z, away')


def text_px(height: int, factor: float = 1.0) -> int:
    """Font size, px, for a panel of the given height; small panels have relatively larger letters."""
    return max(9, int(round((4 + 0.018 * height) * factor)))


def label_margins(height: int) -> tuple[float, float, float, float]:
    """Margins around the room for title, ticks and names: left, top, right, bottom px, by the panel's height."""
    size, title = text_px(height, 0.85), text_px(height, 1.15)
    return 5.0 * size + 0.03 * height, 2.0 * title, 1.5 * size + 0.02 * height, 3.4 * size + 0.02 * height


def empty_room(box, view, size, perspective=True, unit='mm', horizontal=True, background=WHITE):
    """Draw a room without people; recently drawn rooms, as in a video, are copied from a cache.

    Args:
        box (Box): Room, mm.
        view (tuple): Azimuth and elevation in degrees.
        size (tuple): Width and height of the panel, px.
        perspective (bool): Whether the view has a mild perspective, see :func:`make_view`.
        unit (str): Unit of the labels.
        horizontal (bool): Whether to label x and z in addition to the height.
        background (tuple): RGB colour of the background.

    Returns:
        tuple[np.ndarray, View]: (height, width, 3) uint8 RGB, a copy that may be drawn on, and the view.
    """
    corners = tuple(box.low.tolist()), tuple(box.high.tolist())
    panel, camera = _drawn_room(corners, box.step, view, tuple(size), perspective, unit, horizontal, tuple(background))
    return panel.copy(), camera


# A video has one room per view; a panel of a 1080 px picture takes 1 MB.
@lru_cache(maxsize=16)
def _drawn_room(corners, step, view, size, perspective, unit, horizontal, background):
    box = Box(*map(np.array, corners), step)
    camera = make_view(box, view, size, perspective, label_margins(size[1]))
    panel = blank(size, background)
    draw_room(panel, box, camera)
    label_axes(panel, box, camera, unit, horizontal)
    return panel, camera


class SteadyRooms:
    """The rooms of a video, one per view; a room can grow but never shrinks.

    Several people are arranged in another way than one (see ``scene_3d.arrange_people``). After the first frame with
    several people, their arrangement is kept.
    """

    def __init__(self):
        self.forget()

    def forget(self):
        """Remove all rooms, for another video."""
        self._boxes, self._several = {}, False

    def note_several(self, several):
        """Return whether any frame had several people; the first such frame removes the rooms for one person."""
        if several and not self._several:
            self._boxes, self._several = {}, True
        return self._several

    def grow(self, view, box):
        """Enlarge the room of a view so that it contains ``box``, and return it."""
        old = self._boxes.get(view, box)
        # The grid step never decreases, so that the grid lines do not change when people come nearer.
        new = Box(np.minimum(old.low, box.low), np.maximum(old.high, box.high), max(old.step, box.step))
        self._boxes[view] = new
        return new


def _plane_grid(box, fixed, value, axes):
    """Grid lines (N, 2, 3) on the plane where coordinate ``fixed`` is ``value``, along both ``axes``."""
    lines = []
    for along, across in (axes, axes[::-1]):
        for tick in box.ticks(across):
            ends = np.zeros((2, 3))
            ends[:, fixed], ends[:, across], ends[:, along] = value, tick, (box.low[along], box.high[along])
            lines.append(ends)
    return np.array(lines).reshape(-1, 2, 3)


def _far_wall(box, camera, axis):
    """Coordinate of the wall behind the people, of the two across ``axis``; None if they are seen edge-on."""
    facing = camera.rotation[2, axis]
    return None if abs(facing) < _EDGE_ON else (box.high if facing > 0 else box.low)[axis]


def draw_room(panel, box, camera):
    """Draw the floor, and the vertical walls behind the people."""
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
    """Draw ticks and names on the nearest edges of the box; an axis seen end-on is left out."""
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
            # Ticks are counted from zero, so that the origin is always labelled.
            if round(tick / box.step) % every == 0:
                put_text(panel, text, point + reach * outward, size, FAINT, anchor)
        _name_axis(panel, f'{_AXIS_NAMES[axis]} ({unit})', camera.project(ends)[0], outward, anchor, size, widest)


def _name_axis(panel, name, ends, outward, anchor, size, widest):
    """Write the name of an axis beyond its tick labels; the name of a vertical axis is vertical."""
    clear = 2.1 * size if anchor[0] == 'm' else 1.2 * widest + 1.5 * size
    if anchor == 'rm':
        clear = widest + 1.9 * size
    place = ends.mean(axis=0) + clear * outward
    if anchor == 'rm':
        # The name stays on the panel even if tick labels are long.
        place[0] = max(place[0], text_size(name, size)[1] + 1)
    put_text(panel, name, place, size, FAINT, anchor, upright=anchor == 'rm')


def _front_edge(box, camera, axis):
    """Ends (2, 3) mm of the edge to label, and the direction (2,) away from the box; None for an axis seen end-on."""
    others = [other for other in range(3) if other != axis]
    best, best_rank = None, -np.inf
    for pick in np.ndindex(2, 2):
        ends = np.stack([box.low, box.high])
        for other, side in zip(others, pick, strict=True):
            ends[:, other] = (box.low, box.high)[side][other]
        xy, _ = camera.project(ends)
        # The height is labelled at the leftmost vertical edge of a drawn wall, the other axes at the lowest edge of the
        # floor. Ticks there meet the grid lines.
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
    """Larger side of the projected box, px."""
    return float(np.ptp(camera.project(box.corners())[0], axis=0).max())


def draw_scale_bar(panel, box, camera, unit):
    """Draw a scale bar in the top right corner, correct at the depth of the room's centre.

    Returns:
        tuple: Left, top, right, bottom px of bar and text.
    """
    height, width = panel.shape[:2]
    length = nice_step(box.high[1] - box.low[1], 3)
    size, right, y = text_px(height, 0.85), width - 0.03 * height, 0.038 * height
    left = right - camera.scale * length
    bar = np.array([[(left, y), (right, y)], [(left, y - 3), (left, y + 3)], [(right, y - 3), (right, y + 3)]])
    draw_segments(panel, bar, FAINT, 1)
    wide, high = put_text(panel, f'{length:.6g} {unit}', (left - 0.012 * height, y), size, FAINT, 'rm')
    return left - 0.012 * height - wide, y - high / 2, right, y + high / 2
