import sys

from tqdm import tqdm


def progress_bar(items=None, title=None, unit='frame', **options):
    """Bar on stderr that moves on a terminal and adds a line every ten seconds to a log file.

    Args:
        items (Iterable, optional): What to iterate over; without it, call ``update``.
        title (str, optional): Text before the bar.
        unit (str): Name of one item.
        **options (object): Further arguments of ``tqdm``, such as ``total`` or ``disable``.

    Returns:
        tqdm: The bar, an iterable and a context manager.
    """
    return tqdm(items, desc=title, unit=unit, mininterval=0.5 if sys.stderr.isatty() else 10, **options)
