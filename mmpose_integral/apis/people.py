"""Conversion of the estimator's px to the inferencer's results: millimetres, uncertainty, position before the camera.

Frames: image px (x right, y down, z in the same px, root near 0) -> mm in camera axes (x right, y down, z away), root
at the origin; with a focal length also mm from the camera.
"""
import logging
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample, merge_data_samples

from mmpose_integral.evaluation.functional import px_to_mm
from mmpose_integral.structures import fit_perspective
from mmpose_integral.structures.bone_length import check_bone_length, resolve_bone_length
from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.errors import named, printable

from .intrinsics import Intrinsics
from .pictures import Frame

# A length in mm of all people, or by the id of a person.
Millimetres = float | dict[int, float] | None


def lengths_of(ids: Iterable[int], dataset_meta: dict | None = None, bone_length: Millimetres = None,
               body_height: Millimetres = None) -> np.ndarray:
    """Total bone length of each person, (N,) float64 mm.

    Args:
        ids: Ids of N people.
        dataset_meta: Meta data of the checkpoint, for people with neither ``bone_length`` nor ``body_height``.
        bone_length, body_height: Total bone length or standing height, mm, of all people, or a dict by id.

    Raises:
        TypeError, ValueError: If a value is no number or outside its limits, or a person has both.
    """
    check_millimetres('bone_length', bone_length)
    check_millimetres('body_height', body_height)
    lengths = []
    for person in ids:
        length, height = (value.get(person) if isinstance(value, dict) else value
                          for value in (bone_length, body_height))
        if length is not None and height is not None:
            raise ValueError(f'person {person} has both bone_length {length} and body_height {height}: give one')
        lengths.append(resolve_bone_length(length, height, dataset_meta))
    return np.array(lengths, dtype=np.float64)


def check_millimetres(name: str, value: object) -> None:
    """Check that a value is None, a number of mm within its limits, or a dict from int to such values."""
    if isinstance(value, dict):
        for person, number in value.items():
            if isinstance(person, bool) or not isinstance(person, (int, np.integer)):
                raise TypeError(f'{name}: a dict from the person (int) to mm expected, got the key {person!r}')
            check_millimetres(f'{name}[{person}]', number)
    elif isinstance(value, bool) or not isinstance(value, (Real, type(None))):
        raise TypeError(f'{name}: mm, or a dict from the person (int) to mm, expected; got {value!r}')
    elif name.startswith('bone_length') and value is not None:
        check_bone_length(float(value), name)


def to_millimetres(instances: InstanceData, lengths: np.ndarray, intrinsics: Intrinsics | None = None) -> InstanceData:
    """Convert predictions from px to mm.

    Args:
        instances: N people with ``keypoints`` (N, 18, 3) image px, ``keypoint_scores``, optional ``keypoint_std``
            (N, 18, 3) px, ``bboxes``, ``bbox_scores``.
        lengths: (N,) total bone length, mm.
        intrinsics: Intrinsics of the image, for a model whose labels were made by perspective cameras.

    Returns:
        ``keypoints`` (N, 18, 3) mm, root at the origin; ``keypoints_2d`` (N, 18, 2) image px; ``keypoint_std`` mm;
        ``bone_lengths`` (N,) mm; ``px_per_mm`` (N,), the scale at the root; the scores and boxes.
    """
    px = np.asarray(instances.keypoints, dtype=np.float64)
    if intrinsics is None:
        poses = px_to_mm(px, lengths)
    else:
        straight = np.concatenate([intrinsics.straighten(px[..., :2]), px[..., 2:]], axis=-1)
        poses = px_to_mm(straight, lengths, intrinsics.for_decoding())
    people = InstanceData(
        keypoints=poses.keypoints, keypoints_2d=px[..., :2], keypoint_scores=instances.keypoint_scores,
        bboxes=instances.bboxes, bbox_scores=instances.bbox_scores, bone_lengths=lengths, px_per_mm=1 / poses.mm_per_px)
    if 'keypoint_std' in instances:
        people.keypoint_std = instances.keypoint_std * poses.mm_per_px[:, None, None]
    return people


def convert_people(sample: PoseDataSample, lengths: np.ndarray, intrinsics: Intrinsics | None) -> np.ndarray:
    """Convert the people of a sample to mm as :func:`to_millimetres`; those without a valid pose are left out.

    A pose that reaches behind the camera, or has no length, is not valid. The reasons are listed in
    ``sample.left_out``.

    Returns:
        (N,) bool, which of the N people are kept.
    """
    instances, reasons = sample.pred_instances, dict[int, str]()
    try:
        sample.pred_instances = to_millimetres(instances, lengths, intrinsics)
        return np.ones(len(lengths), bool)
    except ValueError:
        for person in range(len(lengths)):
            try:
                to_millimetres(instances[[person]], lengths[[person]], intrinsics)
            except ValueError as error:
                reasons[person] = f'person {person} is left out ({error})'
    kept = ~np.isin(np.arange(len(lengths)), list(reasons))
    sample.pred_instances = to_millimetres(instances[kept], lengths[kept], intrinsics)
    sample.set_metainfo(dict(left_out=list(reasons.values())))
    return kept


def merge_people(samples: list[PoseDataSample], name: str, image: np.ndarray) -> PoseDataSample:
    """Join the predictions for the people of one image, in px; a warning names an image without people."""
    if samples:
        return merge_data_samples(samples)
    print_log(f'{printable(name)}: no person was detected; give bboxes=, a lower bbox_thr, or det_model="whole_image"',
              logger='current', level=logging.WARNING)
    return nobody(name, image)


def nobody(name: str, image: np.ndarray) -> PoseDataSample:
    """Make the sample, in px, of an image without people."""
    empty = InstanceData(keypoints=np.zeros((0, NUM_JOINTS, 3)), keypoint_scores=np.zeros((0, NUM_JOINTS)),
                         keypoint_std=np.zeros((0, NUM_JOINTS, 3)), bboxes=np.zeros((0, 4)), bbox_scores=np.zeros(0))
    size = image.shape[:2]
    return PoseDataSample(metainfo=dict(img_path=name, ori_shape=size, img_shape=size), pred_instances=empty)


def add_cameras(people: InstanceData, intrinsics: Intrinsics) -> None:
    """Add the positions of people in front of the camera.

    The root is placed where the projection of the pose fits the predicted 2D joints best. For a model with perspective
    labels, the fit is exact. The model's input is the crop alone, so depth depends on the bone length: an error of 5 %
    in the length gives an error of 5 % in depth.

    Args:
        people: Result of :func:`to_millimetres`; ``cameras`` (N dicts) and ``root_positions`` (N, 3) mm are added.
        intrinsics: Intrinsics of the image.
    """
    points, middle = intrinsics.straighten(people.keypoints_2d), intrinsics.principal_point
    focal = float(intrinsics.focal_length[0])
    roots = fit_perspective(people.keypoints, points, focal_length=focal, principal_point=middle, robust=False,
                            degenerate='mark').translation
    people.root_positions = roots
    people.cameras = [
        dict(focal_length=intrinsics.focal_length.tolist(), focal_length_source=intrinsics.source,
             principal_point=middle.tolist(), scale=float(scale), root_position=root.tolist())
        for scale, root in zip(people.px_per_mm, roots, strict=True)]


def to_dicts(people: InstanceData) -> list[dict[str, Any]]:
    """Convert the result of :func:`to_millimetres` to one dict of plain lists and numbers per person, for JSON.

    ``keypoints``, ``keypoint_scores``, ``bbox`` (in a list of one) and ``bbox_score`` are named and nested as in
    mmpose's inferencers. ``keypoints_2d``, ``keypoint_std``, ``bone_length``, ``track_id`` and ``camera`` are added.
    """
    fields = dict(keypoints='keypoints', keypoint_scores='keypoint_scores', bbox='bboxes', bbox_score='bbox_scores',
                  keypoints_2d='keypoints_2d', keypoint_std='keypoint_std', bone_length='bone_lengths',
                  track_id='track_ids', camera='cameras')
    columns = {key: people[name] for key, name in fields.items() if name in people}
    columns['bbox'] = columns['bbox'][:, None]
    plain = [np.asarray(column).tolist() for column in columns.values()]
    return [dict(zip(columns, values, strict=True)) for values in zip(*plain, strict=True)]


def further_entries(frame: Frame, sample: PoseDataSample, is_video: bool) -> dict[str, Any]:
    """Further entries of the result of a frame: its time in a video, and why it, or people in it, were left out.

    The reasons are logged, too.
    """
    entries: dict[str, Any] = dict(time_s=frame.time_s) if is_video else {}
    if frame.error is not None:
        entries['error'] = named(frame.name, frame.error)
    if sample.get('left_out'):
        entries['left_out'] = [f'{printable(frame.name)}: {reason}' for reason in sample.left_out]
    for text in (*filter(None, [entries.get('error')]), *entries.get('left_out', ())):
        print_log(text, logger='current', level=logging.WARNING)
    return entries
