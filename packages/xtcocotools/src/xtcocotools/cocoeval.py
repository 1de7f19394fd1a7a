"""Average precision and recall of keypoints, for any number of keypoints."""
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from pycocotools import cocoeval

from .coco import COCO


class COCOeval(cocoeval.COCOeval):
    """Evaluation of detected keypoints by object keypoint similarity (OKS).

    It differs from pycocotools in three ways. It counts the labelled keypoints of a person and does not read
    'num_keypoints'. It leaves out a detection if none of its keypoints has a positive score. It accepts 0 as the id of
    an annotation.

    Args:
        cocoGt: COCO object of the annotations.
        cocoDt: COCO object of the detections, as ``cocoGt.loadRes`` returns it.
        iouType: 'keypoints', the only supported value.
        sigmas: (K,) One sigma of OKS per keypoint. None stands for COCO's 17.
        use_area: True to read a person's area from 'area', False to take 0.53 times the area of 'bbox'.

    Raises:
        NotImplementedError: If ``iouType`` is not 'keypoints'.
    """

    def __init__(self, cocoGt: COCO | None = None, cocoDt: COCO | None = None, iouType: str = 'keypoints',
                 sigmas: Sequence[float] | np.ndarray | None = None, use_area: bool = True) -> None:
        _require_keypoints(iouType)
        super().__init__(cocoGt, cocoDt, iouType)
        self.sigmas = self.params.kpt_oks_sigmas if sigmas is None else np.asarray(sigmas)
        self.use_area = use_area

    def _prepare(self) -> None:
        params = self.params
        _require_keypoints(params.iouType)  # pycocotools changes it if params.useSegm is set
        params.kpt_oks_sigmas = self.sigmas
        self.evalImgs, self.eval = defaultdict(list), {}
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        wanted = dict(imgIds=params.imgIds, catIds=params.catIds if params.useCats else [])
        for gt in self.cocoGt.loadAnns(self.cocoGt.getAnnIds(**wanted)):
            self._gts[gt['image_id'], gt['category_id']].append({
                **gt,
                'id': gt['id'] or -1,  # for pycocotools, a detection with match 0 has no match
                'ignore': gt['iscrowd'] or not _has_keypoints(gt),
                'area': gt['area'] if self.use_area else gt['bbox'][2] * gt['bbox'][3] * 0.53})
        for dt in self.cocoDt.loadAnns(self.cocoDt.getAnnIds(**wanted)):
            if _has_keypoints(dt):
                self._dts[dt['image_id'], dt['category_id']].append(dt)


def _require_keypoints(iou_type: str) -> None:
    if iou_type != 'keypoints':
        raise NotImplementedError(
            f'iouType {iou_type!r} needs the original xtcocotools (Python 3.10 or 3.11, numpy 1.26), because this '
            "replacement on pycocotools evaluates 'keypoints' only.")


def _has_keypoints(annotation: dict) -> bool:
    """Whether the label of any annotated keypoint, or the score of any detected keypoint, is positive."""
    return any(value > 0 for value in annotation['keypoints'][2::3])
