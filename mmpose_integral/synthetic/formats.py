"""Annotations in the formats of MPII (as mmpose's MpiiDataset reads it) and COCO.

Points are px with pixel centres at integers, 0-based; only MPII's files are 1-based.
"""
import cv2
import numpy as np

from ..structures.skeleton import COCO_TO_H80K, MPII_TO_H80K
from .wild_frame import VisiblePerson

_COCO_KEYPOINTS = (
    'nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'left_shoulder', 'right_shoulder', 'left_elbow',
    'right_elbow', 'left_wrist', 'right_wrist', 'left_hip', 'right_hip', 'left_knee', 'right_knee', 'left_ankle',
    'right_ankle')
_COCO_SKELETON = ((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10),
                  (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7))


def mpii_row(person: VisiblePerson, image_name: str, image_shape: tuple[int, int]) -> dict:
    """One entry of MPII's JSON; ``image_shape`` is (h, w) px.

    Returns:
        ``joints`` in 1-based px, with (-1, -1) and ``joints_vis`` 0 outside the image; ``scale``, the person's standing
        height / 200 px; ``center`` in 1-based px, as far above the middle as MpiiDataset moves it down.
    """
    joints = np.zeros((16, 2))
    for ours, theirs in enumerate(MPII_TO_H80K):
        if theirs >= 0:
            joints[theirs] = person.keypoints[ours]
    joints[7:10] = person.mpii_head
    inside = _inside(joints, image_shape)
    scale = max(1.08 * person.stature, 1.1 * np.ptp(joints, axis=0).max()) / 200
    center = (joints.min(0) + joints.max(0)) / 2 - (0, 15 * scale)
    rows = np.where(inside[:, None], joints + 1, -1.0)
    return dict(joints_vis=inside.astype(int).tolist(), joints=np.round(rows, 3).tolist(), image=image_name,
                scale=round(float(scale), 6), center=np.round(center + 1, 2).tolist())


def mpii_headbox(person: VisiblePerson) -> np.ndarray:
    """Head box of the ground truth .mat, (2, 2): top left and bottom right, 1-based px."""
    return person.head_box.reshape(2, 2) + 1


def coco_row(person: VisiblePerson, image_id: int, annotation_id: int, image_shape: tuple[int, int]) -> dict:
    """One person of COCO's JSON; v is 2 if visible, 1 if hidden, 0 outside the image of (h, w) px."""
    points, visible = np.zeros((17, 2)), np.zeros(17, bool)
    for ours, theirs in enumerate(COCO_TO_H80K):
        if theirs >= 0:
            points[theirs], visible[theirs] = person.keypoints[ours], person.visible[ours]
    points[1:5], visible[1:5] = person.face, person.face_visible
    inside = _inside(points, image_shape)
    flags = np.where(inside, 1 + visible, 0)
    points = np.where(inside[:, None], points, 0)
    x1, y1, x2, y2 = person.box
    # COCO counts the edges of boxes from the image's corner, half a pixel before the first pixel's centre.
    box = [x1 + 0.5, y1 + 0.5, x2 - x1, y2 - y1]
    return dict(
        id=annotation_id, image_id=image_id, category_id=1, iscrowd=0, bbox=np.round(box, 2).tolist(),
        area=float(person.mask.sum()), segmentation=_polygons(person.mask), num_keypoints=int((flags > 0).sum()),
        keypoints=np.concatenate([np.round(points, 2), flags[:, None]], axis=1).ravel().tolist())


def coco_head() -> dict:
    """``info``, ``licenses`` and ``categories`` of COCO's JSON."""
    category = dict(id=1, name='person', supercategory='person', keypoints=_COCO_KEYPOINTS, skeleton=_COCO_SKELETON)
    return dict(info=dict(description='rendered stand-in people', version='1.0'), licenses=[], categories=[category])


def _inside(points: np.ndarray, image_shape: tuple[int, int]) -> np.ndarray:
    height, width = image_shape
    return (points > -0.5).all(1) & (points[:, 0] < width - 0.5) & (points[:, 1] < height - 0.5)


def _polygons(mask: np.ndarray) -> list[list[float]]:
    """Outlines of a mask, flat x, y lists; a single pixel or line becomes a box, because COCO needs 3 corners."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = [contour.reshape(-1, 2) for contour in contours if len(contour) >= 3]
    if not outlines:
        rows, columns = np.nonzero(mask)
        x1, y1, x2, y2 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        outlines = [np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])]
    return [(outline + 0.5).ravel().tolist() for outline in outlines]
