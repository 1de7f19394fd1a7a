"""Pictures of training samples as the network receives them: input crop, 2D labels, and their depth from the side."""
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.structures import PoseDataSample

from mmpose_integral.structures.skeleton import NUM_JOINTS

from .canvas import FAINT, INK, blank, put_text
from .panel import image_tile
from .scene_3d import draw_skeletons_3d

_GUTTER, _FOOT = 10, 40


def read_labels(data_sample: PoseDataSample,
                codec: BaseKeypointCodec) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Convert the labels of a sample back to the crop's pixels; ``codec`` is an :class:`Integral3DLabel`.

    Returns:
        (18, 3) input px with z relative to the root; (18, 3) bool, True for coordinates that are trained; (18, 3) bool,
        True for coordinates inside the volume. None for a sample without labels, as in validation.

    Raises:
        ValueError: If the labels are those of another codec.
    """
    labels = data_sample.get('gt_instance_labels', None)
    if labels is None or not labels.keys():
        return None
    if 'keypoint_labels' not in labels or 'keypoint_weights' not in labels:
        raise ValueError('data_sample.gt_instance_labels: keypoint_labels and keypoint_weights expected, got '
                         f"{', '.join(labels.keys())}; GenerateTarget needs encoder=dict(type='Integral3DLabel')")
    keypoints, weights = (np.asarray(labels[name], np.float64).reshape(1, NUM_JOINTS, 3)
                          for name in ('keypoint_labels', 'keypoint_weights'))
    inside = (keypoints >= 0) & (keypoints < 1)
    return np.asarray(codec.decode(keypoints)[0], np.float64)[0], weights[0] > 0, inside[0]


def input_image(inputs: torch.Tensor | np.ndarray, bgr: bool = True) -> np.ndarray:
    """Convert the packed input, (3, H, W) uint8 or float 0-255, to (H, W, 3) uint8 RGB."""
    image = np.clip(np.rint(np.asarray(inputs)), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(image[..., ::-1] if bgr else image)


def draw_sample(inputs: torch.Tensor, data_sample: PoseDataSample, codec: BaseKeypointCodec, height: int = 320,
                bgr: bool = True) -> np.ndarray:
    """Draw one tile of the sheet: the crop with its 2D labels, the depth from the side, and the name of the sample.

    Joints outside the crop are hollow, on a grey rim. A note says if no depth is trained. Without labels the tile shows
    the crop alone and the true pose. The errors are those of :func:`read_labels`.

    Args:
        inputs: (3, H, W) packed crop, with the channels B, G, R if ``bgr``.
        height: Height of the crop, px; the tile is (height + 40, w, 3) uint8 RGB.
    """
    labels, image = read_labels(data_sample, codec), input_image(inputs, bgr)
    rim = int(0.08 * max(image.shape[:2]))
    framed = cv2.copyMakeBorder(image, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=(225, 225, 225))
    if labels is None:
        crop, facts = image_tile(framed, height), ['no labels']
        truth = data_sample.get('gt_instances', {}).get('keypoints_mm', None)
        side = _draw_side(truth, height, 'no truth', 'in this sample', title='truth')
    else:
        keypoints, trained, inside = labels
        known = np.all(trained[:, :2], axis=1)
        shown = np.where(known[:, None], keypoints[:, :2] + rim, np.nan)
        crop = image_tile(framed, height, shown, scores=inside[:, :2].all(axis=1), score_thr=0.5, scale=1.2)
        deep = np.where(trained[:, 2:], keypoints - keypoints[0], np.nan) if trained[:, 2].any() else None
        side = _draw_side(deep, height, '2D only:', 'depth is not trained', unit='px', title='from the right')
        outside = zip('xyz', (trained & ~inside).sum(axis=0), strict=True)
        facts = [f'{known.sum()} joints', *(f'{count} outside in {axis}' for axis, count in outside if count)]
    meta = data_sample.metainfo
    facts += ['flipped'] * bool(meta.get('flip')) + ['no box found'] * (not meta.get('box_found', True))
    tile = np.vstack([np.hstack([crop, side]), blank((crop.shape[1] + side.shape[1], _FOOT))])
    name = f'{meta.get("dataset_name", "")} {meta.get("img_id", meta.get("id", ""))}'.strip()
    put_text(tile, name, (6, height + 3), 13, INK, 'lt', bold=True)
    put_text(tile, ', '.join(facts), (6, height + 21), 12, FAINT, 'lt')
    return tile


def _draw_side(pose: np.ndarray | None, height: int, *note: str, **drawing: Any) -> np.ndarray:
    """Draw a pose, ([1,] 18, 3), from the camera's right, or a note of two lines in place of an unknown one."""
    size = 2 * round(0.375 * height), height
    if pose is not None:
        return draw_skeletons_3d(pose, 'side', size, **drawing)
    panel = blank(size)
    put_text(panel, note[0], (size[0] / 2, height / 2 - 10), 13, FAINT, 'mm', bold=True)
    put_text(panel, note[1], (size[0] / 2, height / 2 + 10), 12, FAINT, 'mm')
    return panel


def contact_sheet(tiles: Sequence[np.ndarray], columns: int = 4) -> np.ndarray:
    """Arrange tiles, (h, w, 3) uint8 RGB each, in rows on white; all get the space of the largest.

    Raises:
        ValueError: If there are no tiles.
    """
    if not len(tiles):
        raise ValueError('tiles: at least one expected, got none')
    columns = min(columns, len(tiles))
    height, width = np.max([tile.shape[:2] for tile in tiles], axis=0) + _GUTTER
    sheet = blank((columns * width + _GUTTER, -(-len(tiles) // columns) * height + _GUTTER))
    for number, tile in enumerate(tiles):
        y, x = _GUTTER + number // columns * height, _GUTTER + number % columns * width
        sheet[y:y + tile.shape[0], x:x + tile.shape[1]] = tile
    return sheet
