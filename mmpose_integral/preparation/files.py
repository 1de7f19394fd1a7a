"""Writing output files so that a stopped run never leaves half of one behind."""
import contextlib
import json
import os
from pathlib import Path


@contextlib.contextmanager
def replace_when_done(path):
    """Give a temporary name to write to; it takes the place of ``path`` when the block ends without an error.

    The temporary name keeps the suffix, because ``np.savez`` and matplotlib choose the format by it.

    Args:
        path (str | Path): final name; missing folders are made.

    Yields:
        Path: the name to write to, in the same folder, so that the rename is atomic.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json_lines_list(path, items):
    """Write a JSON list with one item a line: valid JSON, and still readable by people and by ``diff``."""
    text = ',\n'.join(json.dumps(item) for item in items)
    with replace_when_done(path) as temporary:
        temporary.write_text(f'[\n{text}\n]\n' if text else '[]\n')
