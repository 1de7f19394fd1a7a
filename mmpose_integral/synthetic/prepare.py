"""What the preparation tools make of the stand-in data, with its truth in place of models: for tests and benchmarks."""
from pathlib import Path

import numpy as np

from mmpose_integral.formats.boxes import save_boxes
from mmpose_integral.formats.h80k_index import save_index, scan_split
from mmpose_integral.formats.keypoints_2d import save_keypoints_2d

from ..formats.cameras import save_cameras
from ..structures import fit_weak_perspective
from .parts import H80K_SPLITS, final_paths


def prepare_from_truth(root, folder=None, splits=H80K_SPLITS, boxless=()):
    """Write index, person boxes, 2D joints and, where there are poses, cameras, named as in ``docs/data.md``.

    Args:
        root (str | Path): Root of a finished stand-in data set.
        folder (str | Path, optional): Folder of the products; default: ``<root>/h80k/annotations``.
        splits (Iterable[str]): Names among 'train', 'val' and 'test'.
        boxless (Container[int]): Ids of the frames, in each split, that get no box.

    Raises:
        ValueError: A frame is faulty.
    """
    folder = Path(folder or Path(root) / 'h80k' / 'annotations')
    for split in splits:
        index, faults = scan_split(Path(root) / 'h80k', split.capitalize(), 1)
        if faults:
            raise ValueError(f'stand-in frames: {faults[0]}')
        save_index(index, folder / f'h80k_{split}.npz')
        with np.load(final_paths(Path(root), split)[0]) as truth:
            corners, keypoints_2d = truth['bbox'].astype(float), truth['keypoints_2d']
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()
        save_boxes(folder / f'h80k_{split}_boxes.json', {
            frame_id: dict(bbox=None if frame_id in boxless else box, score=0.9)
            for frame_id, box in zip(index.frame_ids.tolist(), boxes, strict=True)})
        save_keypoints_2d(folder / f'h80k_{split}_keypoints_2d.npz', index.frame_ids, keypoints_2d,
                          np.ones(keypoints_2d.shape[:2]))
        if index.keypoints_mm is not None:
            save_cameras(folder / f'h80k_{split}_cameras.npz', index.frame_ids,
                         fit_weak_perspective(index.keypoints_mm, keypoints_2d))
