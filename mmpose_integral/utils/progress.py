import sys
from collections.abc import Iterable

from tqdm import tqdm

from mmpose_integral.utils.errors import printable


def progress_bar(items: Iterable | None = None, title: str | None = None, unit: str = 'frame',
                 **options: object) -> tqdm:
    """Make a bar on stderr that is updated on a terminal, and adds a line every ten seconds to a log file.

    It is an iterable over ``items`` and a context manager; without items, call ``update``. The options are those of
    ``tqdm``, such as ``total`` or ``disable``.
    """
    return tqdm(items, desc=title and printable(title), unit=unit, mininterval=0.5 if sys.stderr.isatty() else 10,
                **options)
