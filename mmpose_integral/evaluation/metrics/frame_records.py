"""Shared functions of the metrics: one plain record per frame, sorted and without repeats, and bone lengths by name."""
from typing import Any

import numpy as np
from mmpose.utils.tensor_utils import to_numpy

from mmpose_integral.evaluation.functional import label_intrinsics, mean_skeleton_length
from mmpose_integral.formats.h80k_index import load_index_with_poses
from mmpose_integral.structures.bone_length import check_bone_length
from mmpose_integral.structures.skeleton import NUM_JOINTS


def make_record(sample: dict, metric: str) -> dict[str, Any]:
    """Extract a frame's prediction and identity from a data sample.

    Args:
        sample: Data sample from mmengine's evaluator, with ``pred_instances.keypoints`` (1, 18, 3) image px,
            ``img_id``, ``img_path`` and ``box_found``; optional ``pred_instances.keypoint_std`` (1, 18, 3) image px,
            and ``label_camera`` (with ``ori_shape``), which :class:`Integral3DEstimator` adds.
        metric: Name of the metric for error messages.

    Returns:
        Entries ``frame_id``, ``path``, ``box_found``, ``pred`` (18, 3) float32 image px, ``std`` of the same kind if
        the sample has it, ``std_factors`` (18, 3) of a calibrated model, and, of a model with perspective labels,
        ``intrinsics`` (3,) px as in ``px_to_mm``.

    Raises:
        ValueError: If something is missing, or the prediction is not one finite skeleton of 18 joints.
    """
    absent = [key for key in ('img_id', 'img_path', 'box_found') if key not in sample]
    if absent:
        raise ValueError(f'{metric}: samples have no {", ".join(absent)}; pack them with PackPose3DInputs')
    record = dict(frame_id=int(sample['img_id']), path=str(sample['img_path']), box_found=bool(sample['box_found']),
                  pred=read_pose(sample, 'pred_instances', 'keypoints', metric)[0])
    if (record['pred'] == record['pred'][0]).all():
        raise ValueError(f'{metric}: frame {record["frame_id"]} ({record["path"]}): all predicted joints coincide, so '
                         'no bone length can scale them')
    if 'keypoint_std' in sample['pred_instances']:
        record['std'] = read_pose(sample, 'pred_instances', 'keypoint_std', metric)[0]
    if 'std_factors' in sample:
        record['std_factors'] = sample['std_factors']
    intrinsics = label_intrinsics(sample)
    return record if intrinsics is None else dict(record, intrinsics=intrinsics)


def stack_intrinsics(records: list[dict]) -> np.ndarray | None:
    """Intrinsics (N, 3) of N records for :func:`px_to_mm`; None for a model with weak-perspective labels."""
    return np.stack([record['intrinsics'] for record in records]) if 'intrinsics' in records[0] else None


def read_pose(sample: dict, instances: str, field: str, metric: str) -> np.ndarray:
    """Copy ``sample[instances][field]`` to a float32 array; raise ValueError unless it is finite and (1, 18, 3)."""
    values = np.array(to_numpy(sample[instances][field]), dtype=np.float32)
    name = f'{metric}: frame {sample["img_id"]} ({sample["img_path"]}): {instances}.{field}'
    if values.shape != (1, NUM_JOINTS, 3):
        raise ValueError(f'{name} of shape (1, {NUM_JOINTS}, 3) expected, got {values.shape}')
    if not np.isfinite(values).all():
        raise ValueError(f'{name} has values that are not finite; if it is a prediction, has the training diverged?')
    return values


def sort_records(records: list[dict], metric: str) -> list[dict]:
    """Sort records by frame id and drop the repeats that distributed samplers add as padding.

    Raises:
        ValueError: If there are no records, or two images have the same id.
    """
    if not records:
        raise ValueError(f'{metric}: there are no frames to evaluate')
    by_id: dict[int, dict] = {}
    for record in records:
        first = by_id.setdefault(record['frame_id'], record)
        if first['path'] != record['path']:
            raise ValueError(f'{metric}: frame id {record["frame_id"]} is both {first["path"]} and {record["path"]}; '
                             'evaluate one split at a time')
    return [by_id[frame_id] for frame_id in sorted(by_id)]


def mean_length_of(choice: str, index_files: dict[str, str]) -> float:
    """Compute the mean skeleton length, mm, over all frames of 'train', 'val', or both ('train+val').

    Raises:
        ValueError: If a split has no entry in ``index_files``, its index has no poses, or the mean is no body's length.
        FileNotFoundError: If an index does not exist.
    """
    splits = choice.split('+')
    absent = [split for split in splits if split not in index_files]
    if absent:
        raise ValueError(f'bone length {choice!r}: index_files has no {" and no ".join(map(repr, absent))} (it has '
                         f'{sorted(index_files)}); name the index, or give the length in mm as a number')
    length = mean_skeleton_length(*(load_index_with_poses(index_files[split])[1] for split in splits))
    check_bone_length(length, f'mean bone length of {", ".join(index_files[split] for split in splits)}')
    return length
