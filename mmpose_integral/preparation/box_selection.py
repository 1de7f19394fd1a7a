"""Choice of the one person of a frame among detections."""
import numpy as np

from mmpose_integral.formats.boxes import clip_boxes


def select_person(bboxes: np.ndarray, scores: np.ndarray, image_size: tuple[int, int], score_thr: float = 0.3,
                  tie_margin: float = 0.05) -> int | None:
    """Choose the best box of a frame.

    Among the boxes whose score is within ``tie_margin`` of the highest score, the largest one is chosen. Detectors give
    a part of a body (a torso, legs behind a chair) nearly the score of the whole body. A box that cuts off limbs causes
    far larger errors than a loose one. Boxes are first clipped at the image border.

    Args:
        bboxes: (M, 4), xyxy, image px.
        scores: (M,), scores, 0 to 1.
        image_size: Width and height of the image, px.
        score_thr: Score below which boxes are not used.
        tie_margin: Difference up to which scores count as equal.

    Returns:
        Index of the box in ``bboxes``; None if no box has sides of at least 1 px and a sufficient score.
    """
    bboxes = clip_boxes(bboxes, image_size)
    sides = bboxes[:, 2:] - bboxes[:, :2]
    eligible = np.flatnonzero((scores >= score_thr) & (sides >= 1).all(axis=1))
    if not len(eligible):
        return None
    tied = eligible[scores[eligible] >= scores[eligible].max() - tie_margin]
    return int(tied[np.argmax(sides[tied].prod(axis=1))])
