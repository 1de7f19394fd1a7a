import os

from mmengine.fileio import LocalBackend, register_backend


def write_whole(path, data):
    """Write a file so that a kill at any moment leaves the old content or the new, never a part.

    The unfinished file has a fixed name, ``<path>.part``: a run that is killed again and again fills no disk.

    Args:
        path (str | Path): file in a folder that exists.
        data (bytes): its new content.
    """
    part = f'{path}.part'
    with open(part, 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # a crash of the machine may keep the rename and lose what was not yet on the disk
    os.replace(part, path)


@register_backend('atomic_local', force=True)
class AtomicLocalBackend(LocalBackend):
    """Local files that are written complete or not at all; mmengine's backend writes into the final name.

    Use it with ``backend_args=dict(backend='atomic_local')``.
    """

    def put(self, obj, filepath):
        """Write bytes; see :func:`write_whole`."""
        os.makedirs(os.path.dirname(os.path.abspath(filepath)), exist_ok=True)
        write_whole(filepath, obj)
