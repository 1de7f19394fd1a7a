"""Reuse of the memory of image-sized arrays in the workers of a loader.

By default, glibc returns the memory of freed images to the system at once, and the system then clears the pages of new
images. For a frame of 1000x1000 px, that takes as long as decoding it.
"""
import ctypes
import platform

from mmengine.registry import FUNCTIONS

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h


@FUNCTIONS.register_module()
def keep_freed_memory(worker_id: int = 0, largest: int = 32 << 20, kept: int = 256 << 20) -> None:
    """Make glibc keep freed memory in this process; other C libraries are not changed.

    A loader with ``worker_init_fn=dict(type='keep_freed_memory')`` calls it in each worker, in place of mmengine's
    seeding of workers. :class:`MixedPoseDataset` does not need that seeding because it seeds each sample.

    Args:
        worker_id: Number of the worker process, which has no effect.
        largest: Size of the largest array whose memory is kept, bytes; glibc allows no more than the default.
        kept: Amount of unused memory that may stay at the end of the heap, bytes.
    """
    if platform.libc_ver()[0] == 'glibc':
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, largest)
        mallopt(_M_TRIM_THRESHOLD, kept)
