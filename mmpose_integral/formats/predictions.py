"""Predictions of a pass over a split, in a file that ensembles and comparisons read."""
from pathlib import Path

import numpy as np

from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.utils.files import check_rows, read_arrays, write_arrays

FIELDS = dict(frame_ids='frame_id', paths='path', box_found='box_found', pred_px='pred')
STD = 'std_px'  # predictions of a head without a volume do not have it
INTRINSICS = 'intrinsics'  # predictions of a model with weak-perspective labels do not have it
OPTIONAL = {STD: 'std', INTRINSICS: 'intrinsics'}


def save_predictions(path: str | Path, records: list[dict], **arrays: np.ndarray) -> None:
    """Write predictions (npz, arrays only).

    Args:
        path: File to write.
        records: N records of :func:`mmpose_integral.evaluation.metrics.frame_records.make_record`.
        **arrays: Further arrays of length N.
    """
    for name, key in OPTIONAL.items():
        if all(key in record for record in records):
            arrays[name] = np.array([record[key] for record in records])
    if 'std_factors' in records[0]:  # one model made all predictions
        arrays['std_factors'] = np.array(records[0]['std_factors'])
    write_arrays(path, **{name: np.array([record[key] for record in records]) for name, key in FIELDS.items()},
                 **arrays)


def load_predictions(path: str | Path) -> dict[str, np.ndarray]:
    """Read predictions.

    Args:
        path: Product of ``mmpose-integral test --predictions`` or ``mmpose-integral submit --predictions``.

    Returns:
        Arrays ``frame_ids`` (N,), ``paths`` (N,) str, ``box_found`` (N,) bool, ``pred_px`` (N, 18, 3) image px. Models
        with a volume add ``std_px`` (N, 18, 3), the standard deviations of ``pred_px``. A split with ground truth adds
        ``pred_mm``, ``gt_mm`` (N, 18, 3), both root-relative, and ``errors`` (N, 17), mm. A model with labels of
        perspective cameras adds ``intrinsics`` (N, 3), px, as in ``px_to_mm``. A calibrated model adds
        ``std_factors`` (18, 3), by which ``std_px`` has been multiplied.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds something else.
    """
    remedy = 'make it with mmpose-integral test --predictions, or mmpose-integral submit --predictions for Test'
    arrays = read_arrays(path, 'file of predictions', FIELDS, remedy)
    shapes: dict[str, tuple[int, ...]] = {'pred_px': (NUM_JOINTS, 3), STD: (NUM_JOINTS, 3), INTRINSICS: (3, ),
                                          'paths': (), 'box_found': ()}
    check_rows(arrays, shapes, f'predictions {path}', remedy, ('paths', ))
    return arrays


def to_records(arrays: dict[str, np.ndarray]) -> list[dict]:
    """Convert arrays of :func:`load_predictions` to the records that the metrics use."""
    columns = dict(frame_id=arrays['frame_ids'].tolist(), path=arrays['paths'].tolist(),
                   box_found=arrays['box_found'].tolist(), pred=arrays['pred_px'])
    columns |= {key: arrays[name] for name, key in OPTIONAL.items() if name in arrays}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
