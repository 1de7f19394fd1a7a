"""The preparation tools' products for the stand-in data, from its truth instead of models, for tests and benchmarks."""
from collections.abc import Container, Iterable
from pathlib import Path

import numpy as np

from ..formats.boxes import save_boxes
from ..formats.cameras import save_cameras
from ..formats.h80k_index import save_index, scan_split
from ..formats.keypoints_2d import save_keypoints_2d
from ..structures import fit_perspective, fit_weak_perspective, middle_of_image
from .parts import H80K_SPLITS, final_paths


def prepare_from_truth(root: str | Path, folder: str | Path | None = None, splits: Iterable[str] = H80K_SPLITS,
                       boxless: Container[int] = ()) -> None:
    """Write index, person boxes, 2D joints and, where there are poses, cameras, named as in the docs.

    Args:
        root: Root of a finished stand-in data set.
        folder: Folder of the products; None stands for ``<root>/h80k/annotations``.
        splits: Names among 'train', 'val' and 'test'.
        boxless: Ids of the frames, in each split, that get no box.

    Raises:
        ValueError: If a frame is faulty.
    """
    folder = Path(folder or Path(root) / 'h80k' / 'annotations')
    for split in splits:
        index = scan_split(Path(root) / 'h80k', split.capitalize(), 1)
        if len(index.faulty):
            raise ValueError(f'{root}: a frame of the stand-in data is faulty ({index.faulty[0]}); make the data again')
        save_index(index, folder / f'h80k_{split}.npz')
        with np.load(final_paths(root, split)[0]) as truth:
            corners, keypoints_2d = truth['bbox'].astype(float), truth['keypoints_2d']
            focal_length = float(truth['focal'][0])  # one studio has one kind of camera
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()
        save_boxes(folder / f'h80k_{split}_boxes.json', {
            frame_id: dict(bbox=None if frame_id in boxless else box, score=0.9)
            for frame_id, box in zip(index.frame_ids.tolist(), boxes, strict=True)}, index)
        save_keypoints_2d(folder / f'h80k_{split}_keypoints_2d.npz', index, keypoints_2d,
                          np.ones(keypoints_2d.shape[:2]))
        if index.keypoints_mm is not None:
            save_cameras(folder / f'h80k_{split}_cameras.npz', index,
                         fit_weak_perspective(index.keypoints_mm, keypoints_2d))
            save_cameras(folder / f'h80k_{split}_perspective_cameras.npz', index, fit_perspective(
                index.keypoints_mm, keypoints_2d, focal_length=focal_length,
                principal_point=middle_of_image(index.img_sizes)))
