"""Contents of the web page for an inferencer's result: picture, 3D view and table, for any bone length.

This module needs no web framework. *People* are the inferencer's dicts of one image, see ``people.to_dicts``.
"""
import json
from typing import Any

import numpy as np

from mmpose_integral.evaluation.functional import rescale_to_bone_length
from mmpose_integral.visualization.panel import image_tile

People = list[dict[str, Any]]

# Longer side of the picture on the page, px.
_SIDE = (640, 1280)


def at_bone_length(people: People, bone_length: float) -> People:
    """Rescale people to another total bone length, mm, without running the network again.

    The result is what the inferencer would return, as plain lists and numbers. Weak perspective does not determine the
    size, so coordinates in mm and their standard deviations scale together; values in px are unchanged.

    Raises:
        ValueError: If the length is not a positive number, or a skeleton has length zero.
    """
    scaled = []
    for person in people:
        factor = bone_length / person['bone_length']
        changed = dict(person, bone_length=float(bone_length),
                       keypoints=rescale_to_bone_length(person['keypoints'], bone_length).tolist())
        if 'keypoint_std' in person:
            changed['keypoint_std'] = (np.array(person['keypoint_std']) * factor).tolist()
        if 'camera' in person:
            changed['camera'] = dict(person['camera'], scale=person['camera']['scale'] / factor, root_position=(
                np.array(person['camera']['root_position']) * factor).tolist())
        scaled.append(changed)
    return scaled


def draw_picture(image: np.ndarray, people: People) -> np.ndarray:
    """Draw boxes, numbers and 2D skeletons on a photo (H, W, 3) uint8 RGB; its longer side becomes 640 to 1280 px."""
    longer = max(image.shape[:2])
    height = max(2, round(image.shape[0] * np.clip(longer, *_SIDE) / longer))
    if not people:
        return image_tile(image, height)
    labels = [str(number) for number in range(len(people))] if len(people) > 1 else None
    return image_tile(image, height, _column(people, 'keypoints_2d'), scores=_column(people, 'keypoint_scores'),
                      bboxes=_column(people, 'bbox')[:, 0], labels=labels)


def draw_view(people: People, largest: float) -> str:
    """Draw the 3D view as Plotly's JSON; the room fits the largest bone length that the page offers, mm."""
    from mmpose_integral.visualization.figure_3d import draw_figure_3d
    if people:
        std = _column(people, 'keypoint_std') if 'keypoint_std' in people[0] else None
        drawn = draw_figure_3d(
            _column(people, 'keypoints'), scores=_column(people, 'keypoint_scores'), std=std,
            positions=_column(people, 'bbox')[:, 0, ::2].mean(axis=1), headroom=largest / people[0]['bone_length'])
    else:
        drawn = draw_figure_3d([])
    # Gradio uses the same settings. With others, Plotly would redraw the view and reset the camera.
    return json.dumps(dict(json.loads(drawn.to_json()), config=dict(displaylogo=False, responsive=True)))


def describe(people: People) -> str:
    """Markdown table with one line per person; a sentence if there are none."""
    if not people:
        return ('**No person was detected.** If a person is in the picture, tick *the picture shows one person*; the '
                'detector is then not used.')
    lines = ['| # | bone length, mm | box score | mean joint score | box x1, y1, x2, y2, px |',
             '| --- | --- | --- | --- | --- |']
    for number, person in enumerate(people):
        box = ', '.join(f'{value:.0f}' for value in person['bbox'][0])
        lines.append(f'| {number} | {person["bone_length"]:.1f} | {person["bbox_score"]:.2f} | '
                     f'{np.mean(person["keypoint_scores"]):.2f} | {box} |')
    return '\n'.join(lines)


def _column(people: People, name: str) -> np.ndarray:
    """Return a field of all people as an array."""
    return np.array([person[name] for person in people])
