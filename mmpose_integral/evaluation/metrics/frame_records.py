"""What both metrics need: one plain record a frame, in order, each frame once, and bone lengths by name."""
import numpy as np
import torch

from mmpose_integral.evaluation.functional import mean_skeleton_length
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.structures.skeleton import NUM_JOINTS


def make_record(sample, metric):
    """Take a frame's prediction and identity out of a data sample.

    Args:
        sample (dict): data sample as mmengine's evaluator hands it over, with ``pred_instances.keypoints`` (1, 18, 3)
            image px, ``img_id``, ``img_path`` and ``box_found``; optional ``pred_instances.keypoint_std``
            (1, 18, 3) image px.
        metric (str): name of the metric, for messages.

    Returns:
        dict: ``frame_id``, ``path``, ``box_found``, ``pred`` (18, 3) float32 image px, and ``std`` likewise where
        the sample has it.

    Raises:
        ValueError: something is missing, or the prediction is not one finite skeleton of 18 joints.
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


def to_array(values):
    """Tensor or array of any device as a float32 numpy array of its own."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().float().numpy()
    return np.array(values, dtype=np.float32)


def sort_records(records, metric):
    """Order records by frame id and drop the repeats that distributed samplers pad with.

    Raises:
        ValueError: no records, or two images share an id.
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


def mean_length_of(choice, index_files):
    """Mean skeleton length of one split, or of several joined by '+', from their indexes.

    Args:
        choice (str): 'train', 'val', 'train+val', ...
        index_files (dict[str, str]): index (npz) by split name.

    Returns:
        float: mm, the mean over all frames of the splits.

    Raises:
        ValueError: a split has no index file, or its index has no poses.
        FileNotFoundError: an index does not exist.
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
