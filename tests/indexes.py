"""A small index for tests, without any files."""
import numpy as np

from mmpose_integral.formats.h80k_index import H80KIndex


def make_index(ids, split='Val', size=(1000, 1002), faulty=(), **more):
    """An index of frames of one size without poses; ``more`` are further fields of :class:`H80KIndex`."""
    ids = np.array(ids, dtype=np.int32)
    fields = dict(split=split, frame_ids=ids, img_paths=np.array([f'{split}/IMG/{i:05d}.jpg' for i in ids]),
                  img_sizes=np.tile(np.array(size, dtype=np.int32), (len(ids), 1)), keypoints_mm=None,
                  faulty=np.array(faulty, dtype=str))
    return H80KIndex(**fields | more)
