"""Conversion of a data sample's instances to the units in which they are drawn.

There are two kinds of predictions. The estimator's ``keypoints`` are image px in x, y and z. The inferencer's are mm,
and its joints in the image are called ``keypoints_2d``, as in mmpose. Both may also have ``keypoints_mm``.
"""
from typing import NamedTuple

import numpy as np

from ..evaluation.functional import rescale_to_bone_length, skeleton_length
from ..structures.skeleton import NUM_JOINTS
from ..structures.weak_perspective import fit_weak_perspective


class DrawnPeople(NamedTuple):
    """N people; unknown fields are None.

    Attributes:
        keypoints_2d (np.ndarray | None): (N, 18, 2 | 3) image px.
        keypoints_mm (np.ndarray | None): (N, 18, 3) mm, root at the origin; NaN if the skeleton's length is not usable.
        scores (np.ndarray | None): (N, 18).
        std_px (np.ndarray | None): (N, 18, 3) image px.
        std_mm (np.ndarray | None): (N, 18, 3) mm.
        bboxes (np.ndarray | None): (N, 4) x0, y0, x1, y1 image px.
        track_ids (np.ndarray | None): (N,) track ids in a video.
        root_positions (np.ndarray | None): (N, 3) mm, camera axes.
        rescaled (bool): Whether the mm were computed from px with a bone length.
    """

    keypoints_2d: np.ndarray | None = None
    keypoints_mm: np.ndarray | None = None
    scores: np.ndarray | None = None
    std_px: np.ndarray | None = None
    std_mm: np.ndarray | None = None
    bboxes: np.ndarray | None = None
    track_ids: np.ndarray | None = None
    root_positions: np.ndarray | None = None
    rescaled: bool = False

    def first(self, number: int) -> 'DrawnPeople':
        """Return the first ``number`` people, or all of them for a negative number."""
        return self if number < 0 else self._replace(**{
            name: value[:number] for name, value in self._asdict().items() if isinstance(value, np.ndarray)})

    def labels(self) -> list[str] | None:
        """Labels that distinguish the people in a picture.

        Returns:
            N track ids, or without tracks N indices from 0 as in the JSON file; None for one person without a track.
        """
        if self.track_ids is not None:
            return [f'id {number:.0f}' for number in self.track_ids]
        count = 0 if self.keypoints_mm is None else len(self.keypoints_mm)
        return [f'#{number}' for number in range(count)] if count > 1 else None


def read_people(instances, bone_length):
    """Read predicted people.

    Args:
        instances (InstanceData): ``keypoints`` (N, 18, 3) as described above, or (N, 18, 2) px of a 2D model;
            optional ``keypoints_mm``, ``keypoints_2d``, ``keypoint_scores``, ``keypoint_std``, ``bboxes``,
            ``track_ids``, ``root_positions``.
        bone_length (float): Total bone length, mm, for skeletons in px.

    Returns:
        DrawnPeople: N people; arrays of length 0 if ``instances`` has no joints.

    Raises:
        ValueError: If the shape of the joints is not (N, 18, 2 | 3).
    """
    main, mm, flat = (_field(instances, name) for name in ('keypoints', 'keypoints_mm', 'keypoints_2d'))
    for name, value in (('keypoints', main), ('keypoints_mm', mm), ('keypoints_2d', flat)):
        if value is not None and (value.ndim != 3 or value.shape[1] != NUM_JOINTS or value.shape[2] not in (2, 3)):
            raise ValueError(f'pred_instances.{name}: shape (N, {NUM_JOINTS}, 2 or 3) expected, got {value.shape}; '
                             'IntegralPose3dVisualizer draws the 18 joints of CHALL_H80K')
    if main is None and mm is None or not len(mm if main is None else main):
        return DrawnPeople(np.zeros((0, NUM_JOINTS, 2)), np.zeros((0, NUM_JOINTS, 3)))
    in_px = flat is None and main is not None
    flat = main if in_px else flat
    rescaled = mm is None and in_px and main.shape[2] == 3
    if rescaled:
        mm = _to_mm(main, bone_length)
    elif mm is None and not in_px:
        mm = main
    std_px, std_mm = _split_std(_field(instances, 'keypoint_std'), flat, mm, in_px)
    return DrawnPeople(flat, mm, _field(instances, 'keypoint_scores'), std_px, std_mm, _field(instances, 'bboxes'),
                       _field(instances, 'track_ids'), _field(instances, 'root_positions'), rescaled)


def read_truth(instances):
    """Read true people: mm from ``keypoints_mm``, image px from ``keypoints_2d`` or else ``keypoints``."""
    mm, flat = _field(instances, 'keypoints_mm'), _field(instances, 'keypoints_2d')
    flat = _field(instances, 'keypoints') if flat is None else flat
    # mmpose fills in zeros if a data set has no joints in the image.
    flat = None if flat is None or flat.shape[1:2] != (NUM_JOINTS,) or not np.any(flat[..., :2]) else flat
    return DrawnPeople(flat, mm, bboxes=_field(instances, 'bboxes'))


def _field(instances, name):
    value = instances.get(name, None)
    if value is None:
        return None
    value = value.detach().cpu().numpy() if hasattr(value, 'detach') else np.asarray(value)
    return value.astype(np.float64)


def _to_mm(keypoints, bone_length):
    """Convert (N, 18, 3) px to mm; NaN for a skeleton of length zero, such as that of an untrained network."""
    length = skeleton_length(keypoints)
    usable = np.isfinite(length) & (length > 0)
    mm = np.full(keypoints.shape, np.nan)
    if usable.any():
        mm[usable] = rescale_to_bone_length(keypoints[usable], bone_length)
    return mm


def _split_std(std, flat, mm, in_px):
    """Convert standard deviations in one unit to px and mm, by each person's px per mm."""
    if std is None:
        return None, None
    if flat is None or mm is None:
        return (std, None) if in_px else (None, std)
    if flat.shape[2] == 3:
        with np.errstate(invalid='ignore', divide='ignore'):
            scale = skeleton_length(flat) / skeleton_length(mm)
    else:
        scale = fit_weak_perspective(mm, flat, robust=False, degenerate='mark').scale
    scale = np.where(np.isfinite(scale) & (scale > 0), scale, np.nan)[:, None, None]
    return (std, std / scale) if in_px else (std * scale, std)
