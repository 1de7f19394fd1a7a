import os.path as osp
from logging import WARNING

import numpy as np
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.registry import DATASETS
from mmpose.structures.bbox import bbox_xywh2xyxy

from mmpose_integral.datasets.transforms.boxes import joint_extent
from mmpose_integral.formats.boxes import load_boxes, usable_boxes
from mmpose_integral.formats.cameras import load_cameras, model_of
from mmpose_integral.formats.h80k_index import H80KIndex, load_index
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d
from mmpose_integral.formats.origin import check_images
from mmpose_integral.structures.skeleton import build_metainfo
from mmpose_integral.utils.errors import printable

BOX_SOURCES = ('detector', 'keypoints', 'keypoints_2d', 'image')


@DATASETS.register_module()
class H80KDataset(BaseCocoStyleDataset):
    """CHALL_H80K, one sample per frame, from an index, detected boxes and fitted cameras.

    The commands `mmpose-integral prepare ...` make its files, and ``docs/data.md`` describes them. A sample holds
    ``img_path``, ``img_id`` (the 1-based frame number), ``bbox`` (1, 4) xyxy image px, ``bbox_score`` (1,) of 1, and
    ``box_found`` (False: the whole image is used). Where known it also holds ``keypoints_mm`` (1, 18, 3), ``camera``
    (of one frame), ``keypoints_2d`` (1, 18, 2) image px and ``keypoints_2d_score`` (1, 18).

    Args:
        ann_file: Index (npz). This and the next three are joined to ``data_root``.
        bbox_file: COCO detection results, one box per frame, for ``box_source='detector'``.
        camera_file: Cameras (npz) of ``fit_cameras.py``, which training needs. Their model and focal length are
            ``metainfo['camera']``, which checkpoints contain.
        keypoints_2d_file: Coarse 2D joints (npz), for ``box_source='keypoints_2d'``, or in place of ``camera_file``:
            :class:`FitWeakPerspective` then fits a camera to each sample.
        box_source: Source of the boxes: 'detector', 'keypoints_2d', 'keypoints', or 'image' (the whole image).
            'keypoints_2d' uses boxes around the predicted 2D joints, as the released code does for Test. 'keypoints'
            uses boxes around the true joints, as it does for Train and Val: ``GetBBoxFromKeypoints`` sets them after
            ``FitWeakPerspective`` in the pipeline. The first two omit frames without a box in training, and use the
            whole image for them with ``test_mode``.
        data_root: Folder of the data; images are found relative to it.
        data_prefix: Folder of the images, as ``img``.
        **kwargs: Further arguments of mmpose's :class:`BaseCocoStyleDataset`.

    Raises:
        ValueError: If ``box_source`` is unknown or lacks its file, or files do not belong together.
    """

    METAINFO = build_metainfo()

    def __init__(self, ann_file: str = '', bbox_file: str | None = None, camera_file: str | None = None,
                 keypoints_2d_file: str | None = None, box_source: str = 'detector', data_root: str | None = None,
                 data_prefix: dict | None = None, **kwargs: object) -> None:
        if box_source not in BOX_SOURCES:
            raise ValueError(f'box_source: one of {BOX_SOURCES} expected, got {box_source!r}')
        if box_source == 'detector' and not bbox_file:
            raise ValueError("box_source='detector' needs bbox_file; mmpose-integral prepare boxes makes it")
        if box_source == 'keypoints' and not camera_file and not keypoints_2d_file:
            raise ValueError("box_source='keypoints' needs camera_file; fit_cameras.py makes it")
        if box_source == 'keypoints_2d' and not keypoints_2d_file:
            raise ValueError("box_source='keypoints_2d' needs keypoints_2d_file; mmpose-integral prepare keypoints-2d "
                             'makes it')
        self.box_source = box_source
        files = dict(boxes=bbox_file, cameras=camera_file, keypoints_2d=keypoints_2d_file)
        self._paths = {kind: osp.join(data_root or '', file) for kind, file in files.items() if file}
        super().__init__(ann_file=ann_file, data_root=data_root, data_prefix=data_prefix or dict(img=''), **kwargs)

    def load_data_list(self) -> list[dict]:
        """List one dict per frame; see the class."""
        index = load_index(self.ann_file)
        self._warn_of_changes(index)
        arrays = {} if index.keypoints_mm is None else dict(keypoints_mm=index.keypoints_mm)
        cameras = load_cameras(self._paths['cameras'], index) if 'cameras' in self._paths else None
        if cameras is not None:
            self._metainfo['camera'] = dict(model=model_of(cameras), **{
                name: value for name, value in cameras._asdict().items() if name == 'focal_length'})
        if 'keypoints_2d' in self._paths:
            arrays['keypoints_2d'], arrays['keypoints_2d_score'] = load_keypoints_2d(
                self._paths['keypoints_2d'], index)
        if self.box_source == 'keypoints_2d':
            boxes = joint_extent(arrays['keypoints_2d'], arrays['keypoints_2d_score'] > 0)
        else:
            boxes = self._load_boxes(index)
        found = usable_boxes(boxes, index.img_sizes)
        arrays['bbox'] = np.where(found[:, None], boxes, np.pad(index.img_sizes, ((0, 0), (2, 0)))).astype(np.float32)
        if self.box_source == 'keypoints':  # without a camera, GetBBoxFromKeypoints has no joints
            found = (cameras.known if cameras is not None else
                     np.count_nonzero(arrays['keypoints_2d_score'] > 0, axis=1) > 2)
        samples: list[dict] = []
        for row, frame_id in enumerate(index.frame_ids.tolist()):
            if self.box_source in ('detector', 'keypoints_2d') and not found[row] and not self.test_mode:
                continue
            sample = dict(
                img_path=osp.join(self.data_prefix['img'], index.img_paths[row]), img_id=frame_id, id=len(samples),
                box_found=bool(found[row]), bbox_score=np.ones(1, dtype=np.float32),
                **{name: array[row:row + 1] for name, array in arrays.items()})
            if cameras is not None:
                sample['camera'] = cameras.frames(slice(row, row + 1))
            samples.append(sample)
        if not samples:
            source = self._paths['boxes' if self.box_source == 'detector' else 'keypoints_2d']
            raise ValueError(f'{self.ann_file}: no frame is left to train on, because {source} gives no box for any of '
                             'them; run detect_boxes.py with another detector')
        return samples

    def _warn_of_changes(self, index: H80KIndex) -> None:
        """Give a warning if the images are not those that were indexed, whose boxes and cameras may be wrong."""
        try:
            if is_main_process():
                check_images(index, self.ann_file, self.data_prefix['img'])
        except FileNotFoundError:
            return  # reading the first image names the folder
        except ValueError as error:
            print_log(printable(error), 'current', WARNING)

    def _load_boxes(self, index: H80KIndex) -> np.ndarray:
        """Boxes (N, 4) in the order of the index, xyxy, image px; NaN where there is none."""
        detected = load_boxes(self._paths['boxes'], index) if self.box_source == 'detector' else {}
        boxes = [detected.get(frame_id, [np.nan] * 4) for frame_id in index.frame_ids.tolist()]
        return bbox_xywh2xyxy(np.array(boxes, dtype=np.float32).reshape(-1, 4))
