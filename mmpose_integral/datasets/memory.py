"""Memory of image-sized arrays, kept by a loader's worker instead of going back to the system after each sample.

glibc returns the memory of freed images to the system at once, and the system then clears the pages of the next ones:
for a frame of 1000x1000 px that takes as long as decoding it.
"""
import ctypes
import platform

from mmengine.registry import FUNCTIONS

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h


@FUNCTIONS.register_module()
def keep_freed_memory(worker_id=0, largest=32 << 20, kept=256 << 20):
    """Let glibc keep freed memory in this process; other C libraries stay as they are.

    A loader calls it with ``worker_init_fn=dict(type='keep_freed_memory')``, in place of mmengine's seeding of workers,
    which :class:`MixedPoseDataset` does not need because it seeds each sample.

    Args:
        worker_id (int): Number of the worker process, which does not matter here.
        largest (int): Size of the largest array whose memory is kept, bytes; glibc allows no more than the default.
        kept (int): Amount of unused memory that may stay at the end of the heap, bytes.
    """
    if platform.libc_ver()[0] == 'glibc':
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, largest)
        mallopt(_M_TRIM_THRESHOLD, kept)
