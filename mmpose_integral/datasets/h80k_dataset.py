import os.path as osp

import numpy as np
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.registry import DATASETS
from mmpose.structures.bbox import bbox_xywh2xyxy

from mmpose_integral.formats.boxes import load_boxes
from mmpose_integral.formats.cameras import load_cameras
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d
from mmpose_integral.structures.skeleton import build_metainfo

BOX_SOURCES = ('detector', 'keypoints', 'image')


@DATASETS.register_module()
class H80KDataset(BaseCocoStyleDataset):
    """CHALL_H80K, one sample per frame, from an index, detected boxes and fitted cameras.

    The tools in ``tools/dataset_converters`` make its files, and ``docs/data.md`` describes them. A sample holds
    ``img_path``, ``img_id`` (the 1-based frame number), ``bbox`` (1, 4) xyxy image px, ``bbox_score`` (1,) of 1, and
    ``box_found`` (False: the whole image is used). Where known it also holds ``keypoints_mm`` (1, 18, 3), ``camera``
    (of one frame), ``keypoints_2d`` (1, 18, 2) image px and ``keypoints_2d_score`` (1, 18).

    Args:
        ann_file: Index (npz). This and the next three are joined to ``data_root``.
        bbox_file: COCO detection results, one box per frame, for ``box_source='detector'``. Frames without a box are
            dropped in training, and use the whole image with ``test_mode``.
        camera_file: Cameras (npz) of ``fit_cameras.py``, which training needs.
        keypoints_2d_file: Coarse 2D joints (npz), in place of ``camera_file``: :class:`FitWeakPerspective` then fits a
            camera to each sample.
        box_source: Source of the boxes: 'detector', 'keypoints', or 'image' (the whole image). 'keypoints' uses boxes
            around the joints, as the released code does: ``GetBBoxFromKeypoints`` sets them after
            ``FitWeakPerspective`` in the pipeline. These boxes depend on the ground truth.
        data_root: Folder of the data; images are found relative to it.
        data_prefix: Folder of the images, as ``img``.
        **kwargs: Further arguments of mmpose's :class:`BaseCocoStyleDataset`.

    Raises:
        ValueError: If ``box_source`` is unknown, 'detector' has no ``bbox_file``, or files do not belong together.
    """

    METAINFO = build_metainfo()

    def __init__(self, ann_file: str = '', bbox_file: str | None = None, camera_file: str | None = None,
                 keypoints_2d_file: str | None = None, box_source: str = 'detector', data_root: str | None = None,
                 data_prefix: dict | None = None, **kwargs) -> None:
        if box_source not in BOX_SOURCES:
            raise ValueError(f'box_source: one of {BOX_SOURCES} expected, got {box_source!r}')
        if box_source == 'detector' and not bbox_file:
            raise ValueError("box_source='detector' needs bbox_file; tools/dataset_converters/detect_boxes.py makes it")
        self.box_source = box_source
        self._root = data_root or ''
        self._box_path, self._camera_path, self._keypoints_2d_path = (
            osp.join(self._root, file) if file else None for file in (bbox_file, camera_file, keypoints_2d_file))
        super().__init__(ann_file=ann_file, data_root=data_root, data_prefix=data_prefix or dict(img=''), **kwargs)

    def load_data_list(self):
        """List one dict per frame; see the class."""
        index = load_index(self.ann_file)
        boxes = self._load_boxes(index)
        cameras = load_cameras(self._camera_path, index.frame_ids) if self._camera_path else None
        keypoints_2d = load_keypoints_2d(self._keypoints_2d_path, index.frame_ids) if self._keypoints_2d_path else None
        samples = []
        for row, frame_id in enumerate(index.frame_ids.tolist()):
            found = bool(np.isfinite(boxes[row, 0]))
            if self.box_source == 'detector' and not found and not self.test_mode:
                continue
            width, height = index.img_sizes[row]
            sample = dict(
                img_path=osp.join(self.data_prefix['img'], index.img_paths[row]), img_id=frame_id,
                id=len(samples), box_found=found, bbox_score=np.ones(1, dtype=np.float32))
            sample['bbox'] = boxes[row:row + 1] if found else np.array([[0, 0, width, height]], dtype=np.float32)
            if index.keypoints_mm is not None:
                sample['keypoints_mm'] = index.keypoints_mm[row:row + 1]
            if cameras is not None:
                sample['camera'] = type(cameras)(*(field[row:row + 1] for field in cameras))
            if keypoints_2d is not None:
                sample['keypoints_2d'], sample['keypoints_2d_score'] = (part[row:row + 1] for part in keypoints_2d)
            if self.box_source == 'keypoints':  # without a camera, GetBBoxFromKeypoints has no joints
                sample['box_found'] = bool(np.isfinite(cameras.scale[row]) if cameras is not None else
                                           np.count_nonzero(keypoints_2d[1][row] > 0) > 2)
            samples.append(sample)
        if not samples:
            raise ValueError(f'{self.ann_file}: no frame is left to train on, since {self._box_path} has a box for '
                             'none; look at its detector')
        return samples

    def _load_boxes(self, index):
        """Boxes (N, 4) in the order of the index, xyxy, image px; NaN where there is none."""
        boxes = np.full((len(index.frame_ids), 4), np.nan, dtype=np.float32)
        if self.box_source != 'detector':
            return boxes
        detected = load_boxes(self._box_path)
        unknown = sorted(set(detected) - set(index.frame_ids.tolist()))
        if unknown and not len(index.faulty):
            raise ValueError(f'{self._box_path}: box for frame {unknown[0]}, which {self.ann_file} does not have; the '
                             'two belong to different splits, or the index is newer: run detect_boxes.py again')
        rows = [row for row, frame_id in enumerate(index.frame_ids.tolist()) if frame_id in detected]
        if rows:
            xywh = np.array([detected[int(index.frame_ids[row])] for row in rows], dtype=np.float32)
            boxes[rows] = bbox_xywh2xyxy(xywh)
        return boxes
