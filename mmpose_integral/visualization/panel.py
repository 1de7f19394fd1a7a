"""One picture of a whole result: the image with its overlay, 3D views from two sides, legend and error."""
import cv2
import numpy as np

from ..evaluation.functional import mpjpe
from ..structures.skeleton import NUM_JOINTS
from .canvas import INK, WHITE, as_canvas, blank, draw_polyline, put_tags
from .legend import legend_bar
from .scene_3d import draw_skeletons_3d
from .skeleton_drawing import as_people, draw_skeleton_2d, head_places, per_joint

_GUTTER = 8


def crop_box(image_size, points, boxes=None, margin=0.12):
    """Box around people with a margin, inside the image.

    Args:
        image_size (tuple): Width and height, px.
        points (np.ndarray): (..., 2) image px; non-finite ones are ignored.
        boxes (np.ndarray | None): (N, 4) x0, y0, x1, y1 px, which are inside the crop as well.
        margin (float): Margin on every side, as a share of the longer side of the points' extent.

    Returns:
        tuple[int]: x0, y0, x1, y1 px, at least 2 px wide and high; the whole image if no point or box is in it.
    """
    width, height = image_size
    points = np.reshape(points, (-1, 2))
    points = points[np.isfinite(points).all(axis=1)]
    boxes = np.zeros((0, 4)) if boxes is None else np.reshape(boxes, (-1, 4))
    rim = 0.03 * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0)[:, None]
    low, high = (boxes[:, :2] - rim).min(axis=0, initial=np.inf), (boxes[:, 2:] + rim).max(axis=0, initial=-np.inf)
    if len(points) and ((points >= 0) & (points < (width, height))).all(axis=1).any():
        pad = margin * max(*np.ptp(points, axis=0), 8.0)
        low, high = np.minimum(low, points.min(axis=0) - pad), np.maximum(high, points.max(axis=0) + pad)
    if not (low < high).all():
        return 0, 0, width, height
    # A crop is at least half as wide as it is high.
    widen = max(0.0, 0.5 * (high - low)[1] - (high - low)[0]) / 2
    x0, y0 = np.floor(np.clip(low - (widen, 0), 0, (width, height))).astype(int).tolist()
    x1, y1 = np.ceil(np.clip(high + (widen, 0), 0, (width, height))).astype(int).tolist()
    return (x0, y0, x1, y1) if min(x1 - x0, y1 - y0) >= 2 else (0, 0, width, height)


def image_tile(image, height, pred_2d=None, truth_2d=None, *, scores=None, score_thr=0.3, std=None, bboxes=None,
               box=None, joint_names=None, scale=1.0, thickness=None, labels=None):
    """Resize the image, or a crop of it, and draw people on it; lines are sharp, because they are drawn last.

    Args:
        image (np.ndarray): (H, W, 3) uint8 RGB.
        height (int): Height of the tile, px.
        pred_2d (np.ndarray | None): Predicted joints, ([N,] 18, 2 | 3) image px.
        truth_2d (np.ndarray | None): True joints, ([N,] 18, 2 | 3) image px, drawn thin and dashed.
        scores, score_thr, joint_names, scale, thickness: Arguments of :func:`draw_skeleton_2d`.
        std (np.ndarray | None): ([N,] 18, 2 | 3) image px.
        bboxes (np.ndarray | None): Boxes to draw, (N, 4) x0, y0, x1, y1 image px.
        box (tuple | None): Crop of the image: x0, y0, x1, y1 px.
        labels (Sequence[str] | None): Names of the N people of ``pred_2d``, or of the boxes without it.

    Returns:
        np.ndarray: (height, w, 3) uint8 RGB; w is even, as video encoders require.
    """
    x0, y0, x1, y1 = box or (0, 0, image.shape[1], image.shape[0])
    zoom = height / (y1 - y0)
    width = tile_width((y1 - y0, x1 - x0), height)
    resized = (y1 - y0, x1 - x0) != (height, width)
    cut = as_canvas(image[y0:y1, x0:x1], copy=not resized)
    if resized:
        cut = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
    zoom = np.array([width / (x1 - x0), height / (y1 - y0), zoom])

    def to_tile(points):
        # The centre of pixel 0 is at 0, so a resize also shifts by half a pixel.
        points = as_people(points, 'keypoints').copy()
        points[..., :2] = (points[..., :2] - (x0, y0) + 0.5) * zoom[:2] - 0.5
        return points

    for x_low, y_low, x_high, y_high in ([] if bboxes is None else np.reshape(bboxes, (-1, 4))):
        corners = np.array([(x_low, y_low), (x_high, y_low), (x_high, y_high), (x_low, y_high)], np.float64)
        corners = (corners - (x0, y0) + 0.5) * zoom[:2] - 0.5
        draw_polyline(cut, corners, INK, 3, closed=True)
        draw_polyline(cut, corners, WHITE, 1, closed=True)
    if pred_2d is not None:
        draw_skeleton_2d(cut, to_tile(pred_2d), scores, score_thr=score_thr, thickness=thickness, scale=scale,
                         std=None if std is None else np.asarray(std)[..., :2] * zoom[:2], joint_names=joint_names,
                         inplace=True)
    if truth_2d is not None:
        draw_skeleton_2d(cut, to_tile(truth_2d), style='thin', thickness=thickness, scale=scale, inplace=True)
    boxed = labels is not None and bboxes is not None and len(bboxes) == len(labels)
    if boxed or (labels is not None and pred_2d is not None):
        size = max(11, round(0.022 * height))
        places = to_tile(_box_tops(bboxes))[:, 0] if boxed else head_places(to_tile(pred_2d)) - (0, 0.9 * size)
        put_tags(cut, labels, places, size)
    return cut


def tile_width(image_shape, height):
    """Width in px, rounded to an even number, of an image or box (h, w) that is resized to a height."""
    return max(2, 2 * round(image_shape[1] * height / image_shape[0] / 2))


def _box_tops(bboxes):
    """Middles of the upper edges of boxes (N, 4), repeated for every joint: (N, 18, 2) px."""
    boxes = np.reshape(bboxes, (-1, 4)).astype(np.float64)
    tops = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 1]], axis=1)
    return np.repeat(tops[:, None], NUM_JOINTS, axis=1)


def _view_size(layout, height, views, people):
    """Size (width, height) px of each view; in a row, views of several people are wider."""
    if layout == 'row':
        return 2 * round(0.4 * height * min(1 + 0.5 * (max(people, 1) - 1), 2.0)), height
    each = (height - (views - 1) * _GUTTER) // views
    return 2 * round(0.65 * each), each


def compose_panel(image, pred_2d=None, pred_mm=None, truth_2d=None, truth_mm=None, *, scores=None, score_thr=0.3,
                  std_px=None, std_mm=None, bboxes=None, views=('front', 'side'), crop=True, height=480,
                  layout='auto', title='', caption=None, joint_names=None, scale=1.0, thickness=None, extent=None,
                  unit='mm', perspective=True, error_note='', labels=None, rooms=None, roots=None):
    """Draw the image with overlay, 3D views, legend, and the error if the truth is known.

    Without a crop, the picture's size depends on the image, the views and the height, but not on the number of people.
    This requires ``pred_mm`` or ``truth_mm`` in every call, of shape (0, 18, 3) without people.

    Args:
        image (np.ndarray): (H, W, 3) uint8 RGB.
        pred_2d (np.ndarray | None): Predicted joints, ([N,] 18, 2 | 3) image px.
        pred_mm (np.ndarray | None): ([N,] 18, 3) mm, camera axes, root at the origin; None draws no 3D prediction.
        truth_2d (np.ndarray | None): True joints, ([N,] 18, 2 | 3) image px, drawn thin.
        truth_mm (np.ndarray | None): ([N,] 18, 3) mm, drawn dashed with a prediction, otherwise solid.
        scores (np.ndarray | None): Scores of the prediction, ([N,] 18).
        score_thr (float): Threshold of the scores; joints below it are hollow.
        std_px (np.ndarray | None): ([N,] 18, 2 | 3) image px, drawn on the image.
        std_mm (np.ndarray | None): ([N,] 18, 3) mm, drawn in 3D.
        bboxes (np.ndarray | None): (N, 4) x0, y0, x1, y1 image px.
        views (Sequence): Names or (azimuth, elevation), see ``view_3d``; empty for the image alone.
        crop (bool | np.ndarray): Whether to crop the image to the people's joints, or boxes (N, 4) x0, y0, x1, y1 px
            that are inside the crop too.
        height (int): Height of the image tile, px.
        layout (str): 'row' or 'column' for views beside or below each other; 'auto' is a row beside a crop, a column
            beside a whole image.
        title (str): Title in the strip below, before the legend.
        caption (str | None): Text at the right of the strip; None writes the MPJPE if the truth is known.
        joint_names, scale, thickness: Arguments of :func:`draw_skeleton_2d`.
        extent (float | None): Least half width of the 3D room, mm, for a video.
        unit (str): Unit of the 3D labels.
        perspective (bool): Whether the 3D views have a mild perspective.
        error_note (str): Text after the MPJPE, such as the bone length of the prediction.
        labels (Sequence[str] | None): N names of the predicted people, in the image and in 3D.
        rooms (SteadyRooms | None): Rooms of a video, see ``room``.
        roots (np.ndarray | None): Positions of the predicted people, (N, 3) mm, camera axes. With them people stand at
            their positions instead of side by side.

    Returns:
        np.ndarray: (height', width', 3) uint8 RGB, both even.

    Raises:
        ValueError: If a shape or a name is not one of the above.
    """
    if layout not in ('auto', 'row', 'column'):
        raise ValueError(f"layout: 'auto', 'row' or 'column' expected, got {layout!r}")
    height = 2 * (int(height) // 2)
    flat = [as_people(points, name)[..., :2] for points, name in ((pred_2d, 'pred_2d'), (truth_2d, 'truth_2d'))
            if points is not None]
    box, crop_boxes = None, None if isinstance(crop, bool) else np.reshape(crop, (-1, 4))
    crop = crop if crop_boxes is None else True
    if crop and (flat or crop_boxes is not None):
        joints = np.concatenate([points.reshape(-1, 2) for points in flat] or [np.zeros((0, 2))])
        box = crop_box(image.shape[1::-1], joints, crop_boxes)
    drawn = [image_tile(
        image, height, pred_2d, truth_2d, scores=scores, score_thr=score_thr, std=std_px, bboxes=bboxes, box=box,
        joint_names=joint_names, scale=scale, thickness=thickness,
        labels=labels)]
    solid, ghost = (truth_mm, None) if pred_mm is None else (pred_mm, truth_mm)
    if solid is not None and len(views):
        solid = as_people(solid, 'pred_mm', (3,))
        ghost = None if ghost is None else per_joint(as_people(ghost, 'truth_mm', (3,)), solid, 'truth_mm', np.nan)
        layout = ('row' if crop else 'column') if layout == 'auto' else layout
        # Without a crop, the views have the width for two people, so that the size does not depend on the number.
        size = _view_size(layout, height, len(views), len(solid) if crop else 2)
        positions = _image_order(flat[0]) if flat and len(flat[0]) == len(solid) else None
        own = dict(scores=scores, std=std_mm, labels=labels, roots=roots) if pred_mm is not None else {}
        tiles = [draw_skeletons_3d(
            solid, view, size, truth=ghost, score_thr=score_thr, positions=positions, extent=extent, unit=unit,
            perspective=perspective, rooms=rooms,
            title=view if isinstance(view, str) else f'{view[0]:g}\u00b0, {view[1]:g}\u00b0', **own) for view in views]
        drawn += tiles if layout == 'row' else [_stack(tiles, height)]
    if caption is None:
        caption = _error_caption(pred_mm, truth_mm, error_note)
    return _join(drawn, height, pred_mm is not None and truth_mm is not None, caption, title)


def _join(tiles, height, with_truth, caption, title):
    """Join tiles of one height side by side, above the legend."""
    widths = [part.shape[1] for part in tiles]
    bar = legend_bar(sum(widths), 2 * max(11, round(0.02 * height + 4)), with_truth, caption, title)
    picture = np.empty((height + len(bar), sum(widths), 3), np.uint8)
    for part, right in zip(tiles, np.cumsum(widths), strict=True):
        picture[:height, right - part.shape[1]:right] = part
    picture[height:] = bar
    return picture


def _image_order(flat):
    """Mean x of each person's joints, (N,) px; infinite for people without joints, who are placed on the right."""
    x = np.where(np.isfinite(flat[..., 0]), flat[..., 0], np.nan)
    known = np.isfinite(x).any(axis=1)
    return np.where(known, np.nanmean(np.where(known[:, None], x, 0.0), axis=1), np.inf)


def _stack(tiles, height):
    column = blank((tiles[0].shape[1], height))
    for index, tile in enumerate(tiles):
        top = index * (tile.shape[0] + _GUTTER)
        column[top:top + tile.shape[0]] = tile
    return column


def _error_caption(pred_mm, truth_mm, note):
    """MPJPE in mm over all people whose truth is known; empty without both."""
    if pred_mm is None or truth_mm is None:
        return ''
    pred = as_people(pred_mm, 'pred_mm', (3,))
    truth = per_joint(as_people(truth_mm, 'truth_mm', (3,)), pred, 'truth_mm', np.nan)
    whole = np.isfinite(pred).all(axis=(1, 2)) & np.isfinite(truth).all(axis=(1, 2))
    return f'MPJPE {mpjpe(pred[whole], truth[whole]).mean():.1f} mm{note}' if whole.any() else ''
