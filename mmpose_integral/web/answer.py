"""Contents of the web page for an inferencer's result: picture, 3D view and table, for any bone length.

This module needs no web framework. *People* are the inferencer's dicts of one image, see ``people.to_dicts``.
"""
import json
from functools import lru_cache

import numpy as np

from mmpose_integral.evaluation.functional import rescale_to_bone_length
from mmpose_integral.visualization.canvas import INK, WHITE, put_text
from mmpose_integral.visualization.panel import image_tile

# Longer side of the picture on the page, px.
_SIDE = (640, 1280)


def at_bone_length(people: list[dict], bone_length: float) -> list[dict]:
    """Rescale people to another bone length, without running the network again.

    The result is what the inferencer would return. Weak perspective does not determine the size, so coordinates in mm
    and their standard deviations scale together; values in px are unchanged.

    Args:
        people: People from the inferencer; they are not modified.
        bone_length: Total bone length of all people, mm.

    Returns:
        People with the same keys, as plain lists and numbers.

    Raises:
        ValueError: If the length is not a positive number, or a skeleton has length zero.
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


def to_json(people: list[dict]) -> str:
    """Text of the download: a list of people, in the format of the inferencer's files in ``pred_out_dir``."""
    return json.dumps(people, indent=2) + '\n'


def draw_picture(image: np.ndarray, people: list[dict]) -> np.ndarray:
    """Draw boxes, numbers and 2D skeletons on the photo; its longer side becomes 640 to 1280 px.

    Args:
        image: (H, W, 3) uint8 RGB photo.
        people: People to draw; the list may be empty.

    Returns:
        (h, w, 3) uint8 RGB.
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


def draw_view(people: list[dict], largest: float) -> str:
    """Draw the 3D view.

    Args:
        people: People at the bone length shown.
        largest: Largest bone length that the page offers, mm; the room is large enough for it.

    Returns:
        Plotly's JSON with ``data``, ``layout`` and ``config``.
    """
    figure = json.loads(_empty_view() if not people else _view(people, largest))
    # Gradio uses the same settings. With others, Plotly would redraw the view and reset the camera.
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


def describe(people: list[dict]) -> str:
    """Markdown table with one line per person; a sentence if there are none."""
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
    """Return a field of all people as an array; None if the model does not predict it."""
    return np.array([person[name] for person in people]) if name in people[0] else None
