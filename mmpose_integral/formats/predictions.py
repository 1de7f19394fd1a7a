"""Predictions of a pass over a split, in a file: what ensembles and comparisons start from."""

import numpy as np

from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import read_arrays, replace_when_done

FIELDS = dict(frame_ids='frame_id', paths='path', box_found='box_found', pred_px='pred')
STD = 'std_px'  # a head without a volume has none


def save_predictions(path, records, **arrays):
    """Write predictions (npz, arrays only).

    Args:
        path (str | Path): file to write.
        records (list[dict]): see :func:`mmpose_integral.evaluation.metrics.frame_records.make_record`; N of them.
        **arrays (np.ndarray): further arrays, N long.
    """
    if all('std' in record for record in records):
        arrays[STD] = np.array([record['std'] for record in records])
    with replace_when_done(path) as temporary:
        np.savez(temporary, **{name: np.array([record[key] for record in records]) for name, key in FIELDS.items()},
                 **arrays)


def load_predictions(path):
    """Read predictions.

    Args:
        path (str | Path): a product of ``tools/test.py --predictions`` or ``tools/submit.py --predictions``.

    Returns:
        dict[str, np.ndarray]: ``frame_ids`` (N,), ``paths`` (N,) str, ``box_found`` (N,) bool, ``pred_px``
        (N, 18, 3) image px; from models with a volume also ``std_px`` (N, 18, 3), the standard deviations of
        ``pred_px``; from a split with truth also ``pred_mm``, ``gt_mm`` (N, 18, 3), both root-relative, and
        ``errors`` (N, 17), mm. Files of earlier versions lack ``std_px`` and ``gt_mm``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is something else.
    """
    remedy = 'make it with tools/test.py --predictions, or tools/submit.py --predictions for Test'
    arrays = read_arrays(path, 'file of predictions', FIELDS, remedy)
    shape = (len(arrays['frame_ids']), NUM_JOINTS, 3)
    for name in ('pred_px', STD):
        if name in arrays and arrays[name].shape != shape:
            raise ValueError(f'predictions {path}: {name} of shape {shape} expected, got {arrays[name].shape}; '
                             f'{remedy}')
    return arrays


def to_records(arrays):
    """Inverse of :func:`save_predictions`: records as the metrics keep them."""
    records = [dict(frame_id=int(frame_id), path=str(path), box_found=bool(found), pred=pred)
               for frame_id, path, found, pred in zip(*(arrays[name] for name in FIELDS), strict=True)]
    if STD in arrays:
        for record, std in zip(records, arrays[STD], strict=True):
            record['std'] = std
    return records
