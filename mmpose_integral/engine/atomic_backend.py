from mmengine.fileio import LocalBackend, register_backend

from mmpose_integral.utils.files import write_whole


@register_backend('atomic_local', force=True)
class AtomicLocalBackend(LocalBackend):
    """Local files that are written complete or not at all; mmengine's backend writes into the final name.

    Use it with ``backend_args=dict(backend='atomic_local')``.
    """

    def put(self, obj, filepath):
        """Write bytes; missing folders are made."""
        write_whole(filepath, obj, durable=True)
