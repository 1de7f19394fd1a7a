from mmengine.fileio import LocalBackend, register_backend

from mmpose_integral.utils.files import write_whole


@register_backend('atomic_local', force=True)
class AtomicLocalBackend(LocalBackend):
    """Storage of local files that are written completely or not at all; mmengine's backend writes to the final name.

    Use it with ``backend_args=dict(backend='atomic_local')``.
    """

    def put(self, obj: bytes, filepath: str) -> None:
        """Write bytes to a file; missing folders are made."""
        write_whole(filepath, obj, durable=True)
