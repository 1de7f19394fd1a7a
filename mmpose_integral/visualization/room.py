"""The room around people in 3D: floor, far walls, ticks and names of the axes, scale bar."""
from collections.abc import Hashable
from functools import lru_cache

import numpy as np

from .canvas import FAINT, blank, draw_lines, fill_polygon, put_text, text_size
from .view_3d import Box, View, make_view, nice_step

FLOOR, WALL, GRID = (241, 243, 246), (249, 250, 251), (221, 225, 230)
# A plane within about 3 degrees of the line of sight is not drawn.
_EDGE_ON = 0.05
_AXIS_NAMES = ('x, right', 'y, down', 'z, away')


def text_px(height: int, factor: float = 1.0) -> int:
    """Font size, px, for a panel of the given height; small panels have relatively larger letters."""
    return max(9, int(round((4 + 0.018 * height) * factor)))


# A video has one room per view; a panel of a 1080 px picture takes 1 MB.
@lru_cache(maxsize=16)
def empty_room(box: Box, view: tuple[float, float], size: tuple[int, int], perspective: bool = True, unit: str = 'mm',
               horizontal: bool = True) -> tuple[np.ndarray, View]:
    """Draw a room without people on a panel of (width, height) px; recently drawn rooms come from a cache.

    ``horizontal`` is whether to label x and z in addition to the height. The result is (height, width, 3) uint8 RGB,
    which has to be copied before it is changed, and the view.
    """
    letters, rim = text_px(size[1], 0.85), 0.02 * size[1]
    margins = 5.0 * letters + 1.5 * rim, 2.0 * text_px(size[1], 1.15), 1.5 * letters + rim, 3.4 * letters + rim
    camera = make_view(box, view, size, perspective, margins)
    panel = blank(size)
    _draw_planes(panel, box, camera)
    for axis in (0, 1, 2) if horizontal else (1,):
        _label_axis(panel, box, camera, axis, unit)
    return panel, camera


class SteadyRooms:
    """The rooms of a video, one per view; a room can grow but never shrinks.

    Several people are placed in another way than one (see ``scene_3d.place_beside``). ``several`` is whether any frame
    had several people, who are then placed in this way to the end of the video.
    """

    def __init__(self) -> None:
        self._boxes: dict[Hashable, Box] = {}
        self.several = False

    def grow(self, view: Hashable, box: Box) -> Box:
        """Enlarge the room of a view and placement so that it contains ``box``, and return it."""
        old = self._boxes.get(view, box)
        # The grid step never decreases, so that the grid lines do not change when people come nearer.
        new = Box(tuple(map(min, old.low, box.low)), tuple(map(max, old.high, box.high)), max(old.step, box.step))
        self._boxes[view] = new
        return new


def _far_wall(box: Box, camera: View, axis: int) -> float | None:
    """Coordinate of the wall behind the people, of the two across ``axis``; None if they are seen edge-on."""
    facing = camera.rotation[2, axis]
    return None if abs(facing) < _EDGE_ON else float((box.high if facing > 0 else box.low)[axis])


def _draw_planes(panel: np.ndarray, box: Box, camera: View) -> None:
    """Draw the vertical walls behind the people and the floor, with their grids."""
    corners = box.corners()
    for fixed, axes in ((0, (1, 2)), (2, (0, 1)), (1, (0, 2))):
        value = _far_wall(box, camera, fixed)
        if value is None:
            continue
        value = box.high[1] if fixed == 1 else value
        plane = corners[corners[:, fixed] == value][[0, 1, 3, 2]]
        fill_polygon(panel, camera.project(plane)[0], FLOOR if fixed == 1 else WALL)
        lines = []
        for along, across in (axes, axes[::-1]):
            for tick in box.ticks(across):
                ends = np.full((2, 3), value)
                ends[:, across], ends[:, along] = tick, (box.low[along], box.high[along])
                lines.append(ends)
        draw_lines(panel, camera.project(np.reshape(lines, (-1, 2, 3)))[0], GRID, 1)


def _label_axis(panel: np.ndarray, box: Box, camera: View, axis: int, unit: str) -> None:
    """Draw ticks and the name of an axis on the nearest edge of the box; an axis seen end-on is left out."""
    edge = _front_edge(box, camera, axis)
    if edge is None:
        return
    ends, outward = edge
    size, reach, ticks = text_px(panel.shape[0], 0.85), 0.014 * panel.shape[0], box.ticks(axis)
    texts = [f'{tick:.6g}'.replace('-', '\u2212') for tick in ticks]
    widest = max((text_size(text, size)[0] for text in texts), default=0)
    at = np.repeat(ends[:1], len(ticks), axis=0)
    at[:, axis] = ticks
    xy = camera.project(at)[0]
    side = 'm' if abs(outward[0]) < 0.3 else 'r' if outward[0] < 0 else 'l'
    anchor = side + ('m' if abs(outward[1]) < 0.3 else 't')
    needed = (1.5 if axis == 1 else 2.2) * size if side != 'm' else 1.25 * widest
    spacing = np.abs(np.diff(xy, axis=0)).max() if len(ticks) > 1 else np.inf
    every = max(1, int(np.ceil(needed / max(spacing, 1e-6))))
    draw_lines(panel, np.stack([xy, xy + 0.5 * reach * outward], axis=1), FAINT, 1)
    for tick, text, point in zip(ticks, texts, xy, strict=True):
        # Ticks are counted from zero, so that the origin is always labelled.
        if round(tick / box.step) % every == 0:
            put_text(panel, text, point + reach * outward, size, FAINT, anchor)
    name, upright = f'{_AXIS_NAMES[axis]} ({unit})', anchor == 'rm'
    clear = widest + 1.9 * size if upright else 2.1 * size if side == 'm' else 1.2 * widest + 1.5 * size
    place = camera.project(ends)[0].mean(axis=0) + clear * outward
    if upright:
        # The name stays on the panel even if tick labels are long.
        place[0] = max(place[0], text_size(name, size)[1] + 1)
    put_text(panel, name, place, size, FAINT, anchor, upright=upright)


def _front_edge(box: Box, camera: View, axis: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Ends (2, 3) mm of the edge to label, and the direction (2,) away from the box; None for an axis seen end-on.

    The height is labelled at the leftmost vertical edge of a drawn wall, the other axes at the lowest edge of the
    floor. Ticks there meet the grid lines.
    """
    corners = box.corners()
    starts = corners[corners[:, axis] == box.low[axis]]
    if axis == 1:
        starts = starts[[_far_wall(box, camera, 0) == x or _far_wall(box, camera, 2) == z for x, _, z in starts]]
    else:
        starts = starts[starts[:, 1] == box.high[1]]
    edges = np.repeat(starts[:, None], 2, axis=1)
    edges[:, 1, axis] = box.high[axis]
    flat = camera.project(edges)[0]
    if not len(flat):
        return None
    x, y = flat.mean(axis=1).T
    best = np.argmax(-x if axis == 1 else y - 1e-3 * x)
    along, whole = flat[best, 1] - flat[best, 0], np.ptp(camera.project(corners)[0], axis=0).max()
    length = np.linalg.norm(along)
    if length < 0.2 * whole:
        return None
    normal = np.array([-along[1], along[0]]) / length
    return edges[best], normal * np.where((flat[best].mean(axis=0) - camera.offset) @ normal < 0, -1.0, 1.0)


def draw_scale_bar(panel: np.ndarray, box: Box, camera: View, unit: str) -> tuple[float, float, float, float]:
    """Draw a scale bar in the top right corner, correct at the depth of the room's centre.

    Returns:
        Left, top, right, bottom px of bar and text.
    """
    height, width = panel.shape[:2]
    length = nice_step(box.high[1] - box.low[1])
    size, right, y = text_px(height, 0.85), width - 0.03 * height, 0.038 * height
    left = right - camera.scale * length
    bar = np.array([[(left, y), (right, y)], [(left, y - 3), (left, y + 3)], [(right, y - 3), (right, y + 3)]])
    draw_lines(panel, bar, FAINT, 1)
    wide, high = put_text(panel, f'{length:.6g} {unit}', (left - 0.012 * height, y), size, FAINT, 'rm')
    return left - 0.012 * height - wide, y - high / 2, right, y + high / 2
