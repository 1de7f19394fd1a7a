"""Mean of the predictions of several models on the same frames."""
from collections.abc import Sequence

import numpy as np


def average_predictions(frame_ids: Sequence[np.ndarray], predictions: Sequence[np.ndarray],
                        weights: Sequence[float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Compute the weighted mean frame by frame.

    Args:
        frame_ids: Frame ids (N,) of each model, in any order.
        predictions: Predictions (N, K, 3) of each model, image px, in the order of its ids.
        weights: Weights above 0, one per model. Default: equal weights.

    Returns:
        Frame ids (N,), ascending, and mean (N, K, 3), image px, float64.

    Raises:
        ValueError: If there are no predictions, the number of weights differs, weights are not positive, or models did
            not predict the same frames (the message gives the model by its position and a frame).
    """
    if not len(predictions):
        raise ValueError('predictions: at least one model expected, got none')
    if weights is not None and (len(weights) != len(predictions) or not np.min(weights) > 0):
        raise ValueError(f'weights: {len(predictions)} numbers above 0 expected, got {list(weights)}')
    reference = np.sort(frame_ids[0])
    ordered = []
    for number, (ids, pred) in enumerate(zip(frame_ids, predictions, strict=True)):
        order = np.argsort(ids)
        if not np.array_equal(ids[order], reference):
            odd = np.setxor1d(ids, reference)
            raise ValueError(f'predictions {number} and predictions 0 are of different frames, {len(ids)} and '
                             f'{len(reference)}' + (f'; only one of them has frame {odd[0]}' if len(odd) else ''))
        ordered.append(np.asarray(pred, dtype=np.float64)[order])
    return reference, np.average(ordered, axis=0, weights=weights)
