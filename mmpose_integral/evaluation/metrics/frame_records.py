"""Shared functions of the metrics: one plain record per frame, sorted and without repeats, and bone lengths by name."""
import numpy as np
import torch

from mmpose_integral.evaluation.functional import mean_skeleton_length
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.structures.skeleton import NUM_JOINTS


def make_record(sample: dict, metric: str) -> dict:
    """Extract a frame's prediction and identity from a data sample.

    Args:
        sample: Data sample from mmengine's evaluator, with ``pred_instances.keypoints`` (1, 18, 3) image px,
            ``img_id``, ``img_path`` and ``box_found``; optional ``pred_instances.keypoint_std`` (1, 18, 3) image px.
        metric: Name of the metric for error messages.

    Returns:
        Entries ``frame_id``, ``path``, ``box_found``, ``pred`` (18, 3) float32 image px, and ``std`` of the same kind
        if the sample has it.

    Raises:
        ValueError: If something is missing, or the prediction is not one finite skeleton of 18 joints.
    """
    absent = [key for key in ('img_id', 'img_path', 'box_found') if key not in sample]
    if absent:
        raise ValueError(f'{metric}: samples carry no {", ".join(absent)}; pack them with PackPose3DInputs')
    name = f'{metric}: frame {sample["img_id"]} ({sample["img_path"]})'
    pred = to_array(sample['pred_instances']['keypoints'])
    if pred.shape != (1, NUM_JOINTS, 3):
        raise ValueError(f'{name}: pred_instances.keypoints of shape (1, {NUM_JOINTS}, 3) expected, got {pred.shape}')
    if not np.isfinite(pred).all():
        raise ValueError(f'{name}: the prediction has values that are not finite; has the training diverged?')
    if (pred == pred[:, :1]).all():
        raise ValueError(f'{name}: all predicted joints coincide, so no bone length can scale them')
    record = dict(frame_id=int(sample['img_id']), path=str(sample['img_path']), box_found=bool(sample['box_found']),
                  pred=pred[0])
    std = sample['pred_instances'].get('keypoint_std')
    if std is not None:
        record['std'] = to_array(std)[0]
        if record['std'].shape != (NUM_JOINTS, 3):
            raise ValueError(f'{name}: pred_instances.keypoint_std of shape (1, {NUM_JOINTS}, 3) expected, got '
                             f'(1, {", ".join(map(str, record["std"].shape))})')
    return record


def to_array(values: torch.Tensor | np.ndarray) -> np.ndarray:
    """Copy a tensor of any device, or an array, to a float32 numpy array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().float().numpy()
    return np.array(values, dtype=np.float32)


def sort_records(records: list[dict], metric: str) -> list[dict]:
    """Sort records by frame id and drop the repeats that distributed samplers add as padding.

    Raises:
        ValueError: If there are no records, or two images have the same id.
    """
    if not records:
        raise ValueError(f'{metric}: there are no frames to evaluate')
    by_id = {}
    for record in records:
        first = by_id.setdefault(record['frame_id'], record)
        if first['path'] != record['path']:
            raise ValueError(f'{metric}: frame id {record["frame_id"]} is both {first["path"]} and {record["path"]}; '
                             'evaluate one split at a time')
    return [by_id[frame_id] for frame_id in sorted(by_id)]


def mean_length_of(choice: str, index_files: dict[str, str]) -> float:
    """Compute the mean skeleton length of one split, or of several joined by '+', from their indexes.

    Args:
        choice: Name of the splits, such as 'train', 'val' or 'train+val'.
        index_files: Index files (npz) by split name.

    Returns:
        Mean over all frames of the splits, mm.

    Raises:
        ValueError: If a split has no index file, or its index has no poses.
        FileNotFoundError: If an index does not exist.
    """
    splits = choice.split('+')
    absent = [split for split in splits if split not in index_files]
    if absent:
        raise ValueError(f'bone length {choice!r}: index_files has no {" and no ".join(map(repr, absent))} (it has '
                         f'{sorted(index_files)}); name the index, or give the length in mm as a number')
    poses = []
    for split in splits:
        poses.append(load_index(index_files[split]).keypoints_mm)
        if poses[-1] is None:
            raise ValueError(f'bone length {choice!r}: {index_files[split]} is the index of a split without poses')
    return mean_skeleton_length(*poses)
