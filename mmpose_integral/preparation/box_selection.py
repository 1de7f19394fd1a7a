"""Choosing the one person of a frame among detections."""
import numpy as np

from mmpose_integral.formats.boxes import clip_boxes


def select_person(bboxes, scores, image_size, score_thr=0.3, tie_margin=0.05):
    """Pick the best box of a frame.

    The highest score wins, except that among boxes within ``tie_margin`` of it the largest one does: detectors give
    part of a body (a torso, legs behind a chair) nearly the score of the whole, and a box that cuts limbs off costs
    far more than a loose one. Boxes are cut at the image border first.

    Args:
        bboxes (np.ndarray): (M, 4), xyxy, image px.
        scores (np.ndarray): (M,), 0 to 1.
        image_size (tuple[int, int]): width, height, px.
        score_thr (float): boxes below it do not count.
        tie_margin (float): scores this close are equal.

    Returns:
        int | None: index of the box in ``bboxes``, None when there is no box of at least 1 px a side with enough
        score.
    """
    bboxes = clip_boxes(bboxes, image_size)
    sides = bboxes[:, 2:] - bboxes[:, :2]
    eligible = np.flatnonzero((scores >= score_thr) & (sides >= 1).all(axis=1))
    if not len(eligible):
        return None
    tied = eligible[scores[eligible] >= scores[eligible].max() - tie_margin]
    return int(tied[np.argmax(sides[tied].prod(axis=1))])
