"""Which files an index was made from, and which index a product was made from.

An index keeps size and modification time of every image and pose file. Boxes, 2D joints and cameras keep the split and
hashes of these values. Whoever reads a product together with an index learns if the two do not belong together. Indexes
and products of earlier versions have no such entries and are not compared.
"""
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmpose_integral.formats.h80k_files import SUFFIXES, file_name, list_files
from mmpose_integral.formats.h80k_index import H80KIndex

IMAGES, POSES = 'hash_of_images', 'hash_of_poses'


def origin_of(index: H80KIndex, *hashes: str) -> dict[str, str]:
    """The entries by which a product names its index: ``split``, and the given ones of ``IMAGES`` and ``POSES``.

    A hash is left out if the index has no sizes and times, or no poses.
    """
    entries = dict(split=index.split)
    for name, states in ((IMAGES, index.img_states), (POSES, index.pose_states)):
        if name in hashes and states is not None:
            rows = np.column_stack([index.frame_ids, states]).astype('<i8')
            entries[name] = hashlib.sha256(rows.tobytes()).hexdigest()[:16]
    return entries


def check_origin(product: Mapping[str, Any], index: H80KIndex, path: str | Path, remedy: str) -> None:
    """Check that a product was made from an index; entries that one of the two lacks are not compared.

    Args:
        product: Entries of :func:`origin_of` among those of the product.
        index: Index.
        path: File of the product, for the error message.
        remedy: Remedy for the error message.

    Raises:
        ValueError: If the product is of another split, or its images or poses were others.
    """
    if str(product.get('split', index.split)) != index.split:
        raise ValueError(f'{path} is of {product["split"]}, and the index is of {index.split}; give the two of one '
                         'split')
    for name, hashed in origin_of(index, IMAGES, POSES).items():
        if str(product.get(name, hashed)) != hashed:
            raise ValueError(f'{path} was made from other {name.removeprefix("hash_of_")} than those of the index of '
                             f'{index.split}, or from these before they changed; {remedy}')


def find_changes(index: H80KIndex, root: str | Path, kinds: Iterable[str] = tuple(SUFFIXES)) -> dict[str, str]:
    """Compare the files of a split with those that were indexed, by name, size and modification time.

    Args:
        index: Index of the split.
        root: Folder that holds the split now.
        kinds: 'IMG', 'POSE' or both.

    Returns:
        Changes by file name, such as ``{'IMG/00002.jpg': 'has changed'}``; the others are 'is missing' and 'is new'.

    Raises:
        FileNotFoundError: If the split has no such folder.
    """
    changes: dict[str, str] = {}
    for kind, states in (('IMG', index.img_states), ('POSE', index.pose_states)):
        if states is None or kind not in kinds:
            continue
        files, unexpected = list_files(Path(root) / index.split, kind)
        before = dict(zip(index.frame_ids.tolist(), map(tuple, states.tolist()), strict=True))
        for number in sorted({*before, *files}):
            if before.get(number) != files.get(number):
                changes[file_name(kind, number)] = (
                    'is new' if number not in before else 'is missing' if number not in files else 'has changed')
        changes.update((fault.partition(' is not expected')[0], 'is new') for fault in unexpected)
    return changes


def check_images(index: H80KIndex, index_path: str | Path, root: str | Path) -> None:
    """Check that the images of an index are still the same files; only their names, sizes and times are read.

    Raises:
        ValueError: If one is missing or has changed. New images do not matter, for example faulty ones.
        FileNotFoundError: If the split has no folder of images.
    """
    changes = [f'{name} {change}' for name, change in find_changes(index, root, ('IMG', )).items()
               if change != 'is new']
    if changes:
        raise ValueError(
            f'{index_path} is an index of {index.root}, and {len(changes)} of its {len(index.frame_ids)} images are '
            f'not the same in {root} (first: {changes[0]}); give the --root of the index, or run mmpose-integral '
            'prepare index again')
