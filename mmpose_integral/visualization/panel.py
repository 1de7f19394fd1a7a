"""One picture of a whole result: the image with its overlay, 3D views from two sides, legend and error."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike

from mmpose_integral.evaluation.functional import mpjpe

from .canvas import FAINT, INK, WHITE, as_canvas, blank, dash, draw_disc, draw_lines, put_tags, put_text, text_size
from .palette import SIDE_COLORS
from .people import People
from .room import SteadyRooms
from .scene_3d import draw_skeletons_3d
from .skeleton_drawing import as_people, draw_skeleton_2d, head_places, per_joint
from .view_3d import AnyView

_GUTTER = 8


def crop_box(image_size: tuple[int, int], points: np.ndarray,
             boxes: ArrayLike | None = None) -> tuple[int, int, int, int]:
    """Box x0, y0, x1, y1 px around people with a margin, inside an image of (width, height) px.

    It contains the finite ``points`` (..., 2) px and the ``boxes`` (N, 4) px, and is at least 2 px wide and high. It is
    the whole image if no point or box is in the image.
    """
    width, height = image_size
    points = np.reshape(points, (-1, 2))
    points = points[np.isfinite(points).all(axis=1)]
    boxes = np.zeros((0, 4)) if boxes is None else np.reshape(boxes, (-1, 4))
    rim = 0.03 * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0)[:, None]
    low, high = (boxes[:, :2] - rim).min(axis=0, initial=np.inf), (boxes[:, 2:] + rim).max(axis=0, initial=-np.inf)
    if ((points >= 0) & (points < (width, height))).all(axis=1).any():
        pad = 0.12 * max(*np.ptp(points, axis=0), 8.0)
        low, high = np.minimum(low, points.min(axis=0) - pad), np.maximum(high, points.max(axis=0) + pad)
    if not (low < high).all():
        return 0, 0, width, height
    # A crop is at least half as wide as it is high.
    widen = max(0.0, 0.5 * (high - low)[1] - (high - low)[0]) / 2
    x0, y0 = np.floor(np.clip(low - (widen, 0), 0, (width, height))).astype(int).tolist()
    x1, y1 = np.ceil(np.clip(high + (widen, 0), 0, (width, height))).astype(int).tolist()
    return (x0, y0, x1, y1) if min(x1 - x0, y1 - y0) >= 2 else (0, 0, width, height)


def image_tile(image: np.ndarray, height: int, pred_2d: ArrayLike | None = None, truth_2d: ArrayLike | None = None, *,
               bboxes: ArrayLike | None = None, box: tuple[int, int, int, int] | None = None,
               labels: Sequence[str] | None = None, thickness: float | None = None, scale: float = 1.0,
               **drawing: Any) -> np.ndarray:
    """Resize the image, or a crop of it, and draw people on it; lines are sharp, because they are drawn last.

    Image and tile are (height, width, 3) uint8 RGB. The tile's width is even, as video encoders require.

    Args:
        pred_2d, truth_2d: Predicted and true joints, ([N,] 18, 2 | 3) image px; the truth is drawn thin and dashed.
        bboxes: Boxes to draw, (N, 4) x0, y0, x1, y1 image px.
        box: Crop of the image: x0, y0, x1, y1 px.
        labels: Names of the N people of ``pred_2d``, or of the boxes without it.
        thickness, scale: Arguments of :func:`draw_skeleton_2d`.
        drawing: Arguments of :func:`draw_skeleton_2d` for the prediction alone, such as ``scores``.
    """
    x0, y0, x1, y1 = box or (0, 0, image.shape[1], image.shape[0])
    size = max(2, 2 * round((x1 - x0) * height / (y1 - y0) / 2)), height
    resized = size != (x1 - x0, y1 - y0)
    tile = as_canvas(image[y0:y1, x0:x1], copy=not resized)
    if resized:
        tile = cv2.resize(tile, size, interpolation=cv2.INTER_AREA if height < y1 - y0 else cv2.INTER_CUBIC)

    zoom = np.array([size[0] / (x1 - x0), size[1] / (y1 - y0)])

    def to_tile(points: ArrayLike) -> np.ndarray:
        # The centre of pixel 0 is at 0, so a resize also shifts by half a pixel.
        points = np.array(points, np.float64)
        points[..., :2] = (points[..., :2] - (x0, y0) + 0.5) * zoom - 0.5
        return points

    corners = np.zeros((0, 4, 2)) if bboxes is None else to_tile(
        np.reshape(bboxes, (-1, 4))[:, [[0, 1], [2, 1], [2, 3], [0, 3]]])
    for corner in corners:
        draw_lines(tile, [corner], INK, 3, closed=True)
        draw_lines(tile, [corner], WHITE, 1, closed=True)
    if pred_2d is not None:
        draw_skeleton_2d(tile, to_tile(pred_2d), thickness=thickness, scale=scale, inplace=True, **drawing)
    if truth_2d is not None:
        draw_skeleton_2d(tile, to_tile(truth_2d), style='thin', thickness=thickness, scale=scale, inplace=True)
    letters = max(11, round(0.022 * height))
    if labels is not None and len(corners) == len(labels):
        put_tags(tile, labels, corners[:, :2].mean(axis=1), letters)
    elif labels is not None and pred_2d is not None:
        put_tags(tile, labels, head_places(as_people(to_tile(pred_2d), 'keypoints')) - (0, 0.9 * letters), letters)
    return tile


@dataclass(frozen=True)
class Panel:
    """Contents and layout of a picture.

    Without a crop, the picture's size depends on the image, the views and the height, but not on the number of people.
    This requires mm in every call, of shape (0, 18, 3) without people.
    """

    views: Sequence[AnyView] = ('front', 'side')  # names or (azimuth, elevation); empty for the image alone
    crop: bool = True  # whether to crop the image to the joints and boxes
    height: int = 480  # px, of the image tile
    layout: str = 'auto'  # 'row' or 'column' of views; 'auto' is a row beside a crop, a column beside a whole image
    draw_bbox: bool = True  # whether to draw the boxes
    # Arguments of draw_skeleton_2d and draw_skeletons_3d.
    score_thr: float = 0.3
    joint_names: Sequence[object] | None = None
    scale: float = 1.0
    thickness: float | None = None
    extent: float | None = None
    perspective: bool = True
    rooms: SteadyRooms | None = None

    def draw(self, image: np.ndarray, pred: People, truth: People, title: str = '', caption: str | None = None,
             error_note: str = '') -> np.ndarray:
        """Draw a picture, (height', width', 3) uint8 RGB, both even.

        Args:
            image: (H, W, 3) uint8 RGB.
            pred: Predicted people. In 3D, they stand at their ``roots`` if these are given.
            truth: The same people, dashed in 3D; without predicted mm, they are solid.
            title: Title in the strip below, before the legend.
            caption: Text at the right of the strip; None writes the MPJPE if the truth is known.
            error_note: Text after the MPJPE, such as the bone length of the prediction.
        """
        if self.layout not in ('auto', 'row', 'column'):
            raise ValueError(f"layout: 'auto', 'row' or 'column' expected, got {self.layout!r}")
        both = pred.keypoints_mm is not None and truth.keypoints_mm is not None
        caption = _error_caption(pred, truth, error_note) if caption is None else caption
        height = 2 * (int(self.height) // 2)
        joints = [np.zeros((0, 2))] + [points[..., :2].reshape(-1, 2) for points in (
            pred.keypoints_2d, truth.keypoints_2d) if points is not None]
        tile = image_tile(
            image, height, pred.keypoints_2d, truth.keypoints_2d, bboxes=pred.bboxes if self.draw_bbox else None,
            box=crop_box(image.shape[1::-1], np.concatenate(joints), pred.bboxes) if self.crop else None,
            labels=pred.labels, scale=self.scale, thickness=self.thickness, scores=pred.scores,
            score_thr=self.score_thr, joint_names=self.joint_names)
        tiles = [tile, *self._draw_views(height, pred, truth)]
        width = sum(part.shape[1] for part in tiles)
        bar = legend_bar(width, 2 * max(11, round(0.02 * height + 4)), both, caption, title)
        picture = np.empty((height + len(bar), width, 3), np.uint8)
        np.concatenate(tiles, axis=1, out=picture[:height])
        picture[height:] = bar
        return picture

    def _draw_views(self, height: int, pred: People, truth: People) -> list[np.ndarray]:
        """Draw the views, in one tile per view of a row, or in one tile for a column."""
        people, ghosts = pred, truth.keypoints_mm
        if people.keypoints_mm is None:
            people, ghosts = People(keypoints_mm=truth.keypoints_mm), None
        if people.keypoints_mm is None or not self.views:
            return []
        number, count = len(people.keypoints_mm), len(self.views)
        in_row = self.layout == 'row' or (self.layout == 'auto' and self.crop)
        if in_row:
            # Without a crop, the views have the width for two people, so that the size does not depend on the number.
            wide = min(0.5 + 0.5 * max(number, 1), 2.0) if self.crop else 1.5
            size = 2 * round(0.4 * height * wide), height
        else:
            each = (height - (count - 1) * _GUTTER) // count
            size = 2 * round(0.65 * each), each
        flat, order = truth.keypoints_2d if pred.keypoints_2d is None else pred.keypoints_2d, None
        if flat is not None and len(flat) == number:
            # People have the order of their mean x in the image; those without joints are on the right.
            order = np.ma.masked_invalid(flat[..., 0]).mean(axis=1).filled(np.inf)
        tiles = [draw_skeletons_3d(
            people.keypoints_mm, view, size, truth=ghosts, scores=people.scores, score_thr=self.score_thr,
            std=people.std_mm, positions=order, perspective=self.perspective, extent=self.extent, rooms=self.rooms,
            roots=people.roots, labels=people.labels,
            title=view if isinstance(view, str) else '{:g}\u00b0, {:g}\u00b0'.format(*view)) for view in self.views]
        if in_row:
            return tiles
        column = blank((size[0], height))
        for top, tile in zip(range(0, height, size[1] + _GUTTER), tiles, strict=False):
            column[top:top + size[1]] = tile
        return [column]


def _error_caption(pred: People, truth: People, note: str) -> str:
    """MPJPE in mm over all people whose truth is known; empty without any."""
    if pred.keypoints_mm is None or truth.keypoints_mm is None:
        return ''
    true = per_joint(truth.keypoints_mm, pred.keypoints_mm, 'truth_mm', np.nan)
    whole = np.isfinite(pred.keypoints_mm + true).all(axis=(1, 2))
    return f'MPJPE {mpjpe(pred.keypoints_mm[whole], true[whole]).mean():.1f} mm{note}' if whole.any() else ''


def legend_bar(width: int, height: int, with_truth: bool = False, caption: str = '', title: str = '') -> np.ndarray:
    """Draw a strip of (width, height) px with a title and the legend on the left, and a caption on the right.

    With ``with_truth``, it explains the dashed true skeleton. Less important entries are left out of a narrow strip.
    """
    bar, size, y = blank((width, height)), max(9, int(0.46 * height)), height / 2
    texts = dict(title=title, left='left', right='right', middle='middle', solid='predicted', dashed='truth')
    marks = dict(title=0.0, solid=1.3 * height, dashed=1.3 * height)
    widths = {kind: marks.get(kind, 0.65 * height) + text_size(text, size, kind == 'title')[0] + 0.8 * height
              for kind, text in texts.items() if text and (with_truth or kind not in ('solid', 'dashed'))}
    room = width - 0.5 * height - (text_size(caption, size, True)[0] + height if caption else 0.0)
    for expendable in ('middle', 'solid', 'title', 'dashed', 'left', 'right'):
        if sum(widths.values()) > room:
            widths.pop(expendable, None)
    x, grey = 0.5 * height, SIDE_COLORS['middle']
    for kind, wide in widths.items():
        if kind in SIDE_COLORS:
            draw_disc(bar, (x + 0.175 * height, y), 0.175 * height, SIDE_COLORS[kind])
        elif kind == 'solid':
            draw_lines(bar, [[(x, y), (x + height, y)]], grey, 0.16 * height)
        elif kind == 'dashed':
            draw_lines(bar, dash((x, y), (x + height, y), 0.22 * height, 0.16 * height), grey, 0.08 * height)
        color, bold = (INK, True) if kind == 'title' else (FAINT, False)
        put_text(bar, texts[kind], (x + marks.get(kind, 0.65 * height), y), size, color, 'lm', bold)
        x += wide
    put_text(bar, caption, (width - 0.5 * height, y), size, INK, 'rm', bold=True)
    return bar
