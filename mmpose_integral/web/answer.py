"""What the web page shows of the inferencer's people: picture, 3D view, table, and all of it at other bone lengths.

No web framework here. *People* are the inferencer's dicts of one image, see ``people.to_dicts``.
"""
import json
from functools import lru_cache

import numpy as np

from mmpose_integral.evaluation.functional import rescale_to_bone_length
from mmpose_integral.visualization.canvas import INK, WHITE, put_text
from mmpose_integral.visualization.panel import image_tile

# Longer side of the picture on the page, px.
_SIDE = (640, 1280)


def at_bone_length(people, bone_length):
    """The answer that the inferencer gives at another bone length, without the network.

    Weak perspective leaves the size open, so mm and their standard deviations scale together; what is in px stays.

    Args:
        people (list[dict]): the inferencer's; it is left as it is.
        bone_length (float): total bone length of everybody, mm.

    Returns:
        list[dict]: same keys, plain lists and numbers.

    Raises:
        ValueError: not a positive number, or a collapsed skeleton.
    """
    scaled = []
    for person in people:
        factor = bone_length / person['bone_length']
        changed = dict(keypoints=rescale_to_bone_length(person['keypoints'], bone_length).tolist())
        if 'keypoint_std' in person:
            changed['keypoint_std'] = (np.asarray(person['keypoint_std']) * factor).tolist()
        changed['bone_length'] = float(bone_length)
        if 'camera' in person:
            root = (np.asarray(person['camera']['root_position']) * factor).tolist()
            changed['camera'] = dict(person['camera'], scale=person['camera']['scale'] / factor, root_position=root)
        scaled.append({**person, **changed})
    return scaled


def to_json(people):
    """Text of the download: a list of people, as the inferencers write it into ``pred_out_dir``."""
    return json.dumps(people, indent=2) + '\n'


def draw_picture(image, people):
    """Boxes, numbers and 2D skeletons over the photo, at a size that suits a page.

    Args:
        image (np.ndarray): (H, W, 3) uint8 RGB.
        people (list[dict]): perhaps nobody.

    Returns:
        np.ndarray: (h, w, 3) uint8 RGB.
    """
    longer = max(image.shape[:2])
    height = max(2, round(image.shape[0] * np.clip(longer, *_SIDE) / longer))
    if not people:
        return image_tile(image, height)
    boxes = np.array([person['bbox'][0] for person in people])
    tile = image_tile(image, height, _field(people, 'keypoints_2d'), scores=_field(people, 'keypoint_scores'),
                      bboxes=boxes)
    if len(people) > 1:
        zoom, size = (np.array(tile.shape[1::-1]) / image.shape[1::-1]), max(14, tile.shape[0] // 30)
        for number, box in enumerate(boxes):
            corner = np.clip((box[:2] + 0.5) * zoom, 0, None) + 4
            put_text(tile, str(number), corner + 1, size, INK, bold=True)
            put_text(tile, str(number), corner, size, WHITE, bold=True)
    return tile


def draw_view(people, largest):
    """The 3D view as Plotly's JSON.

    Args:
        people (list[dict]): at the bone length shown.
        largest (float): the largest bone length that the page offers, mm; the room is made for it.

    Returns:
        str: ``data``, ``layout`` and ``config``.
    """
    figure = json.loads(_empty_view() if not people else _view(people, largest))
    # Gradio draws with these settings too; a change of them would draw anew and forget the camera.
    figure['config'] = dict(displaylogo=False, responsive=True)
    return json.dumps(figure)


@lru_cache(maxsize=1)
def _empty_view():
    from mmpose_integral.visualization.figure_3d import draw_figure_3d
    return draw_figure_3d([]).to_json()


def _view(people, largest):
    from mmpose_integral.visualization.figure_3d import draw_figure_3d
    boxes = np.array([person['bbox'][0] for person in people])
    return draw_figure_3d(
        _field(people, 'keypoints'), scores=_field(people, 'keypoint_scores'), std=_field(people, 'keypoint_std'),
        positions=boxes[:, [0, 2]].mean(axis=1), headroom=largest / people[0]['bone_length']).to_json()


def describe(people):
    """A Markdown table with a line for each person; a sentence where there is nobody."""
    if not people:
        return ('**Nobody found.** If a person is in the picture, tick *the picture shows one person* to do without '
                'the detector.')
    lines = ['| # | bone length, mm | box score | mean joint score | box x1, y1, x2, y2, px |',
             '| --- | --- | --- | --- | --- |']
    for number, person in enumerate(people):
        box = ', '.join(f'{value:.0f}' for value in person['bbox'][0])
        lines.append(f'| {number} | {person["bone_length"]:.1f} | {person["bbox_score"]:.2f} | '
                     f'{np.mean(person["keypoint_scores"]):.2f} | {box} |')
    return '\n'.join(lines)


def _field(people, name):
    """A field of all people as an array; None where the model does not give it."""
    return np.array([person[name] for person in people]) if name in people[0] else None
