"""Memory of image-sized arrays, kept by the process instead of going back to the system after each sample.

glibc hands a freed array of some MB back at once, and the system then clears the pages of the next one: for a frame of
1000x1000 px that takes as long as decoding it.
"""
import ctypes
import functools
import platform

# of malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
KEPT = 256 << 20  # bytes that may lie idle at the end of the heap
LARGEST = 32 << 20  # bytes of an array; glibc allows no more


@functools.cache
def keep_freed_memory():
    """Let glibc keep freed memory, for this process and those that it forks from now on.

    Returns:
        bool: whether it does; False on other C libraries, where nothing changes.
    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT))
