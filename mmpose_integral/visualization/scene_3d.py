"""3D skeletons on a white panel: floor grid, ticks and a scale bar in mm; the truth is drawn dashed."""
import numpy as np

from .canvas import WHITE, dash, draw_disc, draw_polyline, draw_segments, mix, put_tags, put_text, shade_ellipses
from .room import draw_scale_bar, empty_room, text_px
from .skeleton_drawing import as_people, bones_to_draw, head_places, joint_color, per_joint
from .view_3d import fit_box, resolve_view, view_rotation

SHADOW = (212, 216, 222)


def arrange_people(people, view, truth=None, positions=None, turn=None):
    """Place people side by side, because a root-centred skeleton has no position.

    A single person and the view are left unchanged. Several people are each rotated about the vertical instead of the
    view, so that the back wall is parallel to the panel and no person hides another.

    Args:
        people (np.ndarray): (N, 18, 3) mm, root-centred camera axes.
        view (str | tuple): View, see ``view_3d.resolve_view``.
        truth (np.ndarray | None): (N, 18, 3) mm, moved with its person.
        positions (np.ndarray | None): (N,) values that give the order from left to right, such as image x.
        turn (bool | None): Whether to rotate people instead of the view; None does so for two or more.

    Returns:
        tuple: People and truth (N, 18, 3) mm in the room, and the (azimuth, elevation) of its view.
    """
    azimuth, elevation = resolve_view(view)
    if not (len(people) > 1 if turn is None else turn):
        return people, truth, (azimuth, elevation)
    about = view_rotation(azimuth, 0)
    people, truth = people @ about.T, None if truth is None else truth @ about.T
    if len(people) < 2:
        return people, truth, (0.0, elevation)
    known = np.isfinite(people[..., 0])
    low = np.where(known, people[..., 0], np.inf).min(axis=1)
    widths = np.where(known, people[..., 0], -np.inf).max(axis=1) - low
    low, widths = np.where(np.isfinite(widths), low, 0.0), np.where(np.isfinite(widths), widths, 0.0)
    order = np.argsort(np.arange(len(people)) if positions is None else positions, kind='stable')
    room = widths[order] + 0.25 * widths.mean()
    shift = np.zeros((len(people), 1, 3))
    shift[order, 0, 0] = np.cumsum(room) - room - (room.sum() - 0.25 * widths.mean()) / 2 - low[order]
    return people + shift, None if truth is None else truth + shift, (0.0, elevation)


def place_people(people, truth, roots):
    """Move people and their truth to their positions, relative to the mean position.

    Args:
        people (np.ndarray): (N, 18, 3) mm, root-centred.
        truth (np.ndarray | None): (N, 18, 3) mm, moved with its person.
        roots (np.ndarray): (N, 3) mm; a person with a non-finite root becomes NaN.

    Returns:
        tuple: People and truth, (N, 18, 3) mm.

    Raises:
        ValueError: If ``roots`` has another shape.
    """
    roots = np.asarray(roots, np.float64)
    if roots.shape != (len(people), 3):
        raise ValueError(f'roots: shape ({len(people)}, 3) expected, got {roots.shape}')
    known = np.isfinite(roots).all(axis=1)
    middle = roots[known].mean(axis=0) if known.any() else 0.0
    shift = np.where(known[:, None], roots - middle, np.nan)[:, None]
    return people + shift, None if truth is None else truth + shift


def draw_skeletons_3d(people, view='front', size=(360, 480), *, truth=None, scores=None, score_thr=0.3, std=None,
                      positions=None, perspective=True, extent=None, unit='mm', title='', background=WHITE, labels=None,
                      rooms=None, roots=None):
    """Draw people on a panel in a given view.

    Args:
        people (np.ndarray): ([N,] 18, 3) camera axes x right, y down, z away; root at the origin; mm (or ``unit``).
            Non-finite joints are left out.
        view (str | tuple): Name or (azimuth, elevation) in degrees, see ``view_3d``.
        size (tuple): Width and height of the panel, px.
        truth (np.ndarray | None): ([N,] 18, 3), drawn dashed at the position of its person.
        scores (np.ndarray | None): ([N,] 18); joints below ``score_thr`` are hollow and their limbs thin.
        score_thr (float): Threshold of the scores.
        std (np.ndarray | None): ([N,] 18, 3) mm, standard deviation along x, y, z, drawn as one-sigma ellipses.
        positions (np.ndarray | None): (N,) left-to-right order of several people, who stand side by side.
        roots (np.ndarray | None): (N, 3) mm, positions of the roots in camera axes. With them people stand at their
            positions, relative to the mean, instead of side by side.
        perspective (bool): Whether the view has a mild perspective; otherwise it is orthographic.
        extent (float | None): Least half width of the room, mm, for video.
        unit (str): Name of the unit, for the labels.
        title (str): Title in the top left corner.
        background (tuple): RGB colour of the background.
        labels (Sequence[str] | None): N names, written above the people's heads.
        rooms (SteadyRooms | None): Rooms of a video, which do not change with every frame.

    Returns:
        np.ndarray: (height, width, 3) uint8 RGB.

    Raises:
        ValueError: If a shape or the view is not one of the above.
    """
    people = as_people(people, 'people', (3,))
    truth = None if truth is None else per_joint(as_people(truth, 'truth', (3,)), people, 'truth', np.nan)
    axes, key, several = view_rotation(*resolve_view(view)), resolve_view(view), len(people) > 1
    if roots is not None:
        several, (people, truth), view = False, place_people(people, truth, roots), resolve_view(view)
    else:
        several = rooms.note_several(several) if rooms is not None else several
        people, truth, view = arrange_people(people, view, truth, positions, several)
    box = room_for(people, truth, extent, several)
    box = rooms.grow((key, roots is None), box) if rooms is not None else box
    panel, camera = empty_room(box, view, size, perspective, unit, not several, background)
    known = np.isfinite(people).all(axis=-1)
    width = max(1.5, 0.0095 * size[1] * (0.75 if len(people) > 2 else 1.0))
    _draw_shadows(panel, people, known, box, camera, width)
    if std is not None:
        _shade_uncertainty(panel, people, known, per_joint(std, people, 'std', 0.0), camera, axes)
    if truth is not None:
        _draw_ghosts(panel, truth, camera, width)
    _draw_bodies(panel, people, known, per_joint(scores, people, 'scores', 1.0) >= score_thr, camera, width)
    bar = draw_scale_bar(panel, box, camera, unit)
    if labels is not None:
        tag = text_px(size[1], 0.85)
        heads = head_places(np.where(known[..., None], camera.project(people)[0], np.nan))
        put_tags(panel, labels, heads - (0, 0.9 * tag), tag, [bar])
    put_text(panel, title, (0.03 * size[1], 0.02 * size[1]), text_px(size[1], 1.15), anchor='lt', bold=True)
    return panel


def room_for(people, truth=None, extent=None, several=False):
    """Box around arranged people (N, 18, 3) mm and their truth; non-finite joints are ignored."""
    points = np.concatenate([people.reshape(-1, 3)] + ([] if truth is None else [truth.reshape(-1, 3)]))
    return fit_box(points[np.isfinite(points).all(axis=-1)], extent, square=not several)


def _draw_shadows(panel, people, known, box, camera, width):
    """Draw each skeleton's vertical projection onto the floor, which shows depth."""
    ground = people.copy()
    ground[..., 1] = box.high[1]
    flat, _ = camera.project(ground)
    segments = [flat[n][list(bone)] for n in range(len(people)) for bone in bones_to_draw(known[n])]
    draw_segments(panel, np.array(segments), SHADOW, 0.7 * width)


def _shade_uncertainty(panel, people, known, std, camera, axes):
    drawn = known & np.isfinite(std).all(axis=-1)
    # The standard deviations of rotated people are along the axes before the rotation.
    covariances = camera.project_std(people[drawn], std[drawn], axes)
    shade_ellipses(panel, camera.project(people[drawn])[0], covariances,
                   [joint_color(joint) for joint in np.nonzero(drawn)[1]])


def _draw_ghosts(panel, truth, camera, width):
    line = max(1.0, 0.4 * width)
    for person in truth:
        flat, _ = camera.project(person)
        known = np.isfinite(person).all(axis=-1)
        for bone in bones_to_draw(known):
            dashes = dash(*flat[list(bone)], 1.6 * width + 1, 1.1 * width + 1)
            draw_segments(panel, dashes, mix(joint_color(*bone), WHITE, 0.25), line)
        for joint in np.nonzero(known)[0]:
            draw_disc(panel, flat[joint], 0.5 * width, mix(joint_color(joint), WHITE, 0.25))


def _draw_bodies(panel, people, known, sure, camera, width):
    """Draw the limbs of all people from far to near, each with a white rim that separates crossing limbs."""
    flat, depth = camera.project(people)
    sure = np.broadcast_to(sure, known.shape).tolist()
    limbs = [((depth[n, a] + depth[n, b]) / 2, n, (a, b))
             for n in range(len(people)) for a, b in bones_to_draw(known[n])]
    joints = [(depth[n, k] - 1e-6, n, (k,)) for n, k in zip(*np.nonzero(known), strict=True)]
    near, far = (depth[known].min(), depth[known].max()) if known.any() else (0.0, 0.0)
    for w, n, part in sorted(limbs + joints, key=lambda item: -item[0]):
        haze = 0.35 * (w - near) / max(far - near, 1e-9)
        color, firm = mix(joint_color(*part), WHITE, haze), all(sure[n][joint] for joint in part)
        if len(part) == 2:
            thick = width if firm else max(1.0, 0.4 * width)
            ends = flat[n].take(part, axis=0)
            draw_polyline(panel, ends, WHITE, thick + max(1.5, 0.6 * width))
            draw_polyline(panel, ends, color, thick)
            continue
        draw_disc(panel, flat[n, part[0]], 0.85 * width, color)
        if not firm:
            draw_disc(panel, flat[n, part[0]], max(1.0, 0.45 * width), WHITE)
