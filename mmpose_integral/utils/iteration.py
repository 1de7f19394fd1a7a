from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_Item = TypeVar('_Item')


def chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield lists of up to ``size`` items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
