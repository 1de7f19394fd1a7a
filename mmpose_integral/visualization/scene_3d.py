"""3D skeletons on a white panel: floor grid, ticks and a scale bar in mm; the truth is drawn dashed."""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .canvas import WHITE, Color, dash, draw_disc, draw_lines, mix, put_tags, put_text, shade_ellipses
from .room import SteadyRooms, draw_scale_bar, empty_room, text_px
from .skeleton_drawing import as_people, bones_to_draw, head_places, joint_color, known_joints, per_joint
from .view_3d import AnyView, View, fit_box, resolve_view, view_rotation

_SHADOW: Color = (212, 216, 222)


class Placement(NamedTuple):
    """Positions of root-centred people in a room, and the view of the room."""
    rotation: np.ndarray  # (3, 3)
    shift: np.ndarray  # (N, 1, 3) mm
    view: tuple[float, float]  # azimuth and elevation, degrees

    def move(self, people: np.ndarray) -> np.ndarray:
        """Move people, or the truth of these people, (N, 18, 3) mm."""
        return people @ self.rotation.T + self.shift


def place_beside(people: np.ndarray, view: AnyView, positions: ArrayLike | None = None,
                 turn: bool | None = None) -> Placement:
    """Place people (N, 18, 3) mm side by side, because a root-centred skeleton has no position.

    A single person and the view are left unchanged. Several people are each rotated about the vertical instead of the
    view, so that the back wall is parallel to the panel and no person hides another.

    Args:
        positions: (N,) values that give the order from left to right, such as image x.
        turn: Whether to rotate people instead of the view; None does so for two or more.
    """
    azimuth, elevation = resolve_view(view)
    shift = np.zeros((len(people), 1, 3))
    if not (len(people) > 1 if turn is None else turn):
        return Placement(np.eye(3), shift, (azimuth, elevation))
    rotation = view_rotation(azimuth, 0)
    if len(people) > 1:
        x = np.ma.masked_invalid(people @ rotation[0])
        low, high = x.min(axis=1).filled(0.0), x.max(axis=1).filled(0.0)
        order = np.argsort(np.arange(len(people)) if positions is None else positions, kind='stable')
        gap = 0.25 * (high - low).mean()
        room = (high - low)[order] + gap
        shift[order, 0, 0] = np.cumsum(room) - room - (room.sum() - gap) / 2 - low[order]
    return Placement(rotation, shift, (0.0, elevation))


def place_at(roots: ArrayLike, view: AnyView, number: int) -> Placement:
    """Place ``number`` people at their positions, (N, 3) mm, relative to the mean; NaN for one that is not finite."""
    roots = np.asarray(roots, np.float64)
    if roots.shape != (number, 3):
        raise ValueError(f'roots: shape ({number}, 3) expected, got {roots.shape}')
    known = known_joints(roots)
    middle = roots[known].mean(axis=0) if known.any() else 0.0
    return Placement(np.eye(3), np.where(known[:, None], roots - middle, np.nan)[:, None], resolve_view(view))


def draw_skeletons_3d(people: ArrayLike, view: AnyView = 'front', size: tuple[int, int] = (360, 480), *,
                      truth: ArrayLike | None = None, scores: ArrayLike | None = None, score_thr: float = 0.3,
                      std: ArrayLike | None = None, positions: ArrayLike | None = None, perspective: bool = True,
                      extent: float | None = None, unit: str = 'mm', title: str = '',
                      labels: Sequence[str] | None = None, rooms: SteadyRooms | None = None,
                      roots: ArrayLike | None = None) -> np.ndarray:
    """Draw people on a panel in a given view, (height, width, 3) uint8 RGB.

    Args:
        people: ([N,] 18, 3) camera axes x right, y down, z away; root at the origin; mm (or ``unit``). Non-finite
            joints are left out.
        view: Name or (azimuth, elevation) in degrees, see ``view_3d``.
        size: Width and height of the panel, px.
        truth: ([N,] 18, 3), drawn dashed at the position of its person.
        scores: ([N,] 18); joints below ``score_thr`` are hollow and their limbs thin.
        std: ([N,] 18, 3) mm, standard deviation along x, y, z, drawn as one-sigma ellipses.
        positions: (N,) left-to-right order of several people, who stand side by side.
        perspective: Whether the view has a mild perspective; otherwise it is orthographic.
        extent: Least half width of the room, mm, for video.
        labels: N names, written above the people's heads.
        rooms: Rooms of a video, which do not change with every frame.
        roots: (N, 3) mm, positions of the roots in camera axes, relative to whose mean people stand.

    Raises:
        ValueError: If a shape or the view is not one of the above.
    """
    people = as_people(people, 'people', (3,))
    several = len(people) > 1 and roots is None
    if rooms is not None and roots is None:
        several = rooms.several = rooms.several or several
    place = place_beside(people, view, positions, several) if roots is None else place_at(roots, view, len(people))
    ghosts = None if truth is None else place.move(
        per_joint(as_people(truth, 'truth', (3,)), people, 'truth', np.nan))
    people = place.move(people)
    box = fit_box(people if ghosts is None else np.concatenate([people, ghosts]), extent, square=not several)
    box = box if rooms is None else rooms.grow((resolve_view(view), roots is None, several), box)
    panel, camera = empty_room(box, place.view, tuple(size), perspective, unit, not several)
    panel = panel.copy()
    scene = _Scene(panel, camera, max(1.5, 0.0095 * size[1] * (0.75 if len(people) > 2 else 1.0)))
    scene.draw_shadows(people, box.high[1])
    if std is not None:
        # The standard deviations are along the axes before people were rotated.
        std = per_joint(std, people, 'std', 0.0)
        drawn = known_joints(people) & known_joints(std)
        covariances = camera.project_std(people[drawn], std[drawn], view_rotation(*resolve_view(view)))
        shade_ellipses(panel, camera.project(people[drawn])[0], covariances,
                       [joint_color(joint) for joint in np.nonzero(drawn)[1]])
    if ghosts is not None:
        scene.draw_ghosts(ghosts)
    scene.draw_bodies(people, per_joint(scores, people, 'scores', 1.0) >= score_thr)
    bar = draw_scale_bar(panel, box, camera, unit)
    if labels is not None:
        tag = text_px(size[1], 0.85)
        put_tags(panel, labels, head_places(camera.project(people)[0]) - (0, 0.9 * tag), tag, [bar])
    put_text(panel, title, (0.03 * size[1], 0.02 * size[1]), text_px(size[1], 1.15), anchor='lt', bold=True)
    return panel


class _Scene(NamedTuple):
    """A room on whose panel people (N, 18, 3) mm are drawn, and the thickness of their limbs, px."""
    panel: np.ndarray
    camera: View
    width: float

    def draw_shadows(self, people: np.ndarray, floor: float) -> None:
        """Draw each skeleton's vertical projection onto the floor, which shows depth."""
        ground = people.copy()
        ground[..., 1] = floor
        flat, _ = self.camera.project(ground)
        segments = [points[list(bone)] for points, known in zip(flat, known_joints(people), strict=True)
                    for bone in bones_to_draw(known)]
        draw_lines(self.panel, segments, _SHADOW, 0.7 * self.width)

    def draw_ghosts(self, people: np.ndarray) -> None:
        """Draw true people: light and dashed."""
        width = self.width
        for flat, known in zip(self.camera.project(people)[0], known_joints(people), strict=True):
            for a, b in bones_to_draw(known):
                dashes = dash(flat[a], flat[b], 1.6 * width + 1, 1.1 * width + 1)
                draw_lines(self.panel, dashes, mix(joint_color(a, b), WHITE, 0.25), max(1.0, 0.4 * width))
            for joint in np.flatnonzero(known):
                draw_disc(self.panel, flat[joint], 0.5 * width, mix(joint_color(joint), WHITE, 0.25))

    def draw_bodies(self, people: np.ndarray, sure: np.ndarray) -> None:
        """Draw the limbs of all people from far to near, each with a white rim that separates crossing limbs."""
        (flat, away), known, width = self.camera.project(people), known_joints(people), self.width
        near, far, depth = away[known].min(initial=np.inf), away[known].max(initial=-np.inf), away.tolist()
        parts: list[tuple[float, int, tuple[int, ...]]] = [
            ((w[a] + w[b]) / 2, n, (a, b)) for n, w in enumerate(depth) for a, b in bones_to_draw(known[n])]
        parts += [(depth[n][joint] - 1e-6, n, (joint,)) for n, joint in np.argwhere(known).tolist()]
        for w, n, part in sorted(parts, key=lambda item: -item[0]):
            haze = 0.35 * (w - near) / max(far - near, 1e-9)
            color, firm = mix(joint_color(*part), WHITE, haze), all(sure[n][joint] for joint in part)
            if len(part) == 2:
                thick = width if firm else max(1.0, 0.4 * width)
                ends = flat[n:n + 1].take(part, axis=1)
                draw_lines(self.panel, ends, WHITE, thick + max(1.5, 0.6 * width))
                draw_lines(self.panel, ends, color, thick)
                continue
            draw_disc(self.panel, flat[n, part[0]], 0.85 * width, color)
            if not firm:
                draw_disc(self.panel, flat[n, part[0]], max(1.0, 0.45 * width), WHITE)
