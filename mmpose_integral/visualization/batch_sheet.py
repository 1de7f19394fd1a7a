"""Pictures of training samples as the network receives them: input crop, 2D labels, and their depth from the side."""
from collections.abc import Sequence

import numpy as np

from ..structures.skeleton import NUM_JOINTS
from .canvas import FAINT, INK, blank, put_text
from .panel import image_tile
from .scene_3d import draw_skeletons_3d

_GUTTER, _FOOT = 10, 40


def read_labels(data_sample, codec):
    """Convert the labels of a sample back to the crop's pixels.

    Args:
        data_sample (PoseDataSample): Sample, with or without ``gt_instance_labels`` of the codec.
        codec (Integral3DLabel): Codec that converts normalised labels to input px.

    Returns:
        tuple[np.ndarray, np.ndarray] | None: (18, 3) input px with z relative to the root, and (18, 3) bool, True for
        coordinates that are trained. None for a sample without labels, as in validation.

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
    return np.asarray(codec.decode(keypoints)[0], np.float64)[0], weights[0] > 0


def input_image(inputs, bgr=True):
    """Convert the packed input, (3, H, W) uint8 or float 0-255, to (H, W, 3) uint8 RGB."""
    image = np.asarray(inputs).transpose(1, 2, 0)
    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[..., ::-1] if bgr else image)


def draw_sample(inputs, data_sample, codec, height=320, bgr=True):
    """Draw one tile of the sheet.

    Args:
        inputs (torch.Tensor): (3, H, W) packed crop.
        data_sample (PoseDataSample): Labels and meta data of the sample.
        codec (Integral3DLabel): Codec of the labels.
        height (int): Height of the crop in the tile, px.
        bgr (bool): Whether the channels of ``inputs`` are B, G, R.

    Returns:
        np.ndarray: (height + 40, w, 3) uint8 RGB. The tile shows the crop with its 2D labels, the depth from the side,
        and the name of the sample. Joints outside the crop are hollow, on a grey rim. A note says if no depth is
        trained. Without labels the tile shows the crop alone and the true pose.

    Raises:
        ValueError: If :func:`read_labels` rejects the labels.
    """
    labels, image = read_labels(data_sample, codec), input_image(inputs, bgr)
    rim = int(0.08 * max(image.shape[:2]))
    framed = np.full((image.shape[0] + 2 * rim, image.shape[1] + 2 * rim, 3), 225, np.uint8)
    framed[rim:-rim, rim:-rim] = image
    meta, facts = data_sample.metainfo, ['no labels']
    if labels is None:
        crop, side = image_tile(framed, height), _true_pose(data_sample, height)
    else:
        keypoints, trained = labels
        known = trained[:, :2].all(axis=1)
        inside = ((keypoints[:, :2] >= 0) & (keypoints[:, :2] <= np.array(image.shape[1::-1]) - 1)).all(axis=1)
        shown = np.where(known[:, None], keypoints[:, :2] + rim, np.nan)
        crop = image_tile(framed, height, shown, scores=inside.astype(float), score_thr=0.5, scale=1.2)
        side = _label_depth(keypoints, trained[:, 2], height)
        outside = int((known & ~inside).sum())
        facts = [f'{known.sum()} joints'] + [f'{outside} outside'] * (outside > 0)
    facts += ['flipped'] * bool(meta.get('flip')) + ['no box found'] * (not meta.get('box_found', True))
    tile = blank((crop.shape[1] + side.shape[1], height + _FOOT))
    tile[:height, :crop.shape[1]], tile[:height, crop.shape[1]:] = crop, side
    name = f'{meta.get("dataset_name", "")} {meta.get("img_id", meta.get("id", ""))}'.strip()
    put_text(tile, name, (6, height + 3), 13, INK, 'lt', bold=True)
    put_text(tile, ', '.join(facts), (6, height + 21), 12, FAINT, 'lt')
    return tile


def _note(size, first, second):
    panel = blank(size)
    put_text(panel, first, (size[0] / 2, size[1] / 2 - 10), 13, FAINT, 'mm', bold=True)
    put_text(panel, second, (size[0] / 2, size[1] / 2 + 10), 12, FAINT, 'mm')
    return panel


def _label_depth(keypoints, depth_known, height):
    """Draw labels, (18, 3) input px, from the camera's right, or a note that their depth is not trained."""
    size = (2 * round(0.375 * height), height)
    if not depth_known.any():
        return _note(size, '2D only:', 'depth is not trained')
    points = np.where(depth_known[:, None], keypoints - keypoints[0], np.nan)
    return draw_skeletons_3d(points, 'side', size, unit='px', title='from the right')


def _true_pose(data_sample, height):
    """Draw the true pose in mm from the camera's right, or a note that the sample has none."""
    size = (2 * round(0.375 * height), height)
    truth = data_sample.get('gt_instances', {}).get('keypoints_mm', None)
    if truth is None:
        return _note(size, 'no truth', 'in this sample')
    return draw_skeletons_3d(np.asarray(truth), 'side', size, title='truth')


def contact_sheet(tiles: Sequence[np.ndarray], columns: int = 4) -> np.ndarray:
    """Arrange tiles in rows on white; each column is as wide as its widest tile.

    Args:
        tiles: Pictures, (h, w, 3) uint8 RGB each.
        columns: Number of tiles per row.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: If there are no tiles.
    """
    if not len(tiles):
        raise ValueError('tiles: at least one expected, got none')
    columns = min(columns, len(tiles))
    widths = [max(tile.shape[1] for tile in tiles[column::columns]) for column in range(columns)]
    rows = [tiles[start:start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.shape[0] for tile in row) for row in rows]
    sheet = blank((sum(widths) + _GUTTER * (columns + 1), sum(heights) + _GUTTER * (len(rows) + 1)))
    y = _GUTTER
    for row, high in zip(rows, heights, strict=True):
        x = _GUTTER
        for tile, wide in zip(row, widths, strict=False):
            sheet[y:y + tile.shape[0], x:x + tile.shape[1]] = tile
            x += wide + _GUTTER
        y += high + _GUTTER
    return sheet
