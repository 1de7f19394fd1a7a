"""People cut out of their images once, for training: two files for each annotation file.

``<name>.crops`` is one JPEG after another (of :mod:`window_jpeg`, so that a sample decodes no more than it shows), and
``<name>.crops.npz`` tells where each begins, of which image it is and what part of it, and its checksum. Nothing
depends on which boxes or augmentation were meant: a part of an image is served when some crop holds it, and is
otherwise left to the image itself. Frames: everything in px of the full image.
"""
import functools
import hashlib
import json
import os
import zlib
from pathlib import Path

import numpy as np

from mmpose_integral.datasets.window_jpeg import NotWindowed, decode_window
from mmpose_integral.preparation.files import read_arrays, replace_when_done

SUFFIX = '.crops'
REMEDY = 'make it again with tools/dataset_converters/build_crop_cache.py --fresh'
INDEX_ARRAYS = ('keys', 'img_sizes', 'file_sizes', 'image', 'offset', 'length', 'crc', 'box', 'data_size', 'settings')


class DamagedCrop(ValueError):
    """A crop is not what was written."""


def save_index(path, keys, img_sizes, file_sizes, crops, data_size, settings):
    """Write the index of a ``.crops`` file.

    Args:
        path (str | Path): the ``.crops`` file; the index is named after it.
        keys (list[str]): (M,) images, relative to their dataset's root.
        img_sizes (list): (M, 2) width, height, px.
        file_sizes (list[int]): (M,) bytes of the image files, by which a changed one is noticed.
        crops (np.ndarray): (N, 8) int64: number of the image, rising; offset, length, CRC-32; x0, y0, x1, y1 px.
        data_size (int): bytes of the ``.crops`` file.
        settings (dict): what it was made with.
    """
    crops = np.asarray(crops, dtype=np.int64).reshape(-1, 8)
    with replace_when_done(f'{path}.npz') as temporary:
        np.savez(temporary, keys=np.array(keys, dtype=str), img_sizes=np.array(img_sizes, np.int32).reshape(-1, 2),
                 file_sizes=np.array(file_sizes, np.int64), image=crops[:, 0].astype(np.int32), offset=crops[:, 1],
                 length=crops[:, 2].astype(np.int32), crc=crops[:, 3].astype(np.uint32),
                 box=crops[:, 4:].astype(np.int32), data_size=data_size, settings=json.dumps(settings))


def load_index(path):
    """Read an index.

    Args:
        path (str | Path): a ``.crops`` file.

    Returns:
        dict[str, np.ndarray]: see :func:`save_index`; ``settings`` a dict.

    Raises:
        FileNotFoundError: there is none, or no ``.crops`` file.
        ValueError: it is no index, or does not belong to the ``.crops`` file.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'crop cache: {path} expected beside {path}.npz, it is not there; {REMEDY}')
    index = read_arrays(f'{path}.npz', 'index of crops', INDEX_ARRAYS, REMEDY)
    try:
        index['settings'] = json.loads(str(index['settings']))
    except ValueError as error:
        raise ValueError(f'index of crops {path}.npz: settings are no JSON ({error}); {REMEDY}') from error
    if os.path.getsize(path) != index['data_size']:
        raise ValueError(f'crop cache: {path} has {os.path.getsize(path)} bytes, its index says {index["data_size"]}; '
                         f'{REMEDY}')
    return index


def damaged_crops(path, progress=None):
    """Read a whole ``.crops`` file and compare its checksums.

    Args:
        path (str | Path): the file.
        progress (callable, optional): called with 1 for each crop.

    Returns:
        list[str]: what is wrong, a line a crop.
    """
    index, faults = load_index(path), []
    with open(path, 'rb') as file:
        for number in np.argsort(index['offset']):
            file.seek(int(index['offset'][number]))
            if zlib.crc32(file.read(int(index['length'][number]))) != index['crc'][number]:
                key = index['keys'][index['image'][number]]
                faults.append(f'{path}: crop {number}, of {key}, has another checksum')
            if progress:
                progress(1)
    return faults


def key_hash(key):
    """64 bits of an image's name."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), 'little')


@functools.lru_cache(maxsize=8)
def open_cache(folder):
    """The cache in a folder, which all transforms of a process share."""
    return CropCache(folder)


class CropCache:
    """All ``.crops`` files of a folder.

    Readers share nothing but the files: each process opens them by itself and reads at offsets of its own. A crop's
    checksum is compared when a process reads it for the first time.

    Args:
        folder (str | Path): where tools/dataset_converters/build_crop_cache.py wrote to.

    Raises:
        FileNotFoundError: there is none in the folder.
        ValueError: a file is damaged.
    """

    def __init__(self, folder):
        self.paths = [str(path) for path in sorted(Path(folder).glob(f'*{SUFFIX}'))]
        if not self.paths:
            raise FileNotFoundError(f'crop_cache: no *{SUFFIX} in {folder}; make them with '
                                    'tools/dataset_converters/build_crop_cache.py, or leave crop_cache empty')
        self.indexes = [load_index(path) for path in self.paths]
        counts = [len(index['keys']) for index in self.indexes]
        hashes = np.array([key_hash(key) for index in self.indexes for key in index['keys'].tolist()], np.uint64)
        order = np.argsort(hashes, kind='stable')
        self._hashes = hashes[order]
        self._file = np.repeat(np.arange(len(counts)), counts)[order]
        self._image = np.concatenate([np.arange(count) for count in counts])[order]
        self._first = [np.searchsorted(index['image'], np.arange(count + 1))
                       for index, count in zip(self.indexes, counts, strict=True)]
        self._reset()

    def _reset(self):
        self._pid, self._descriptors = os.getpid(), {}
        self._checked = [np.zeros(len(index['image']), bool) for index in self.indexes]

    def find(self, img_path):
        """Look an image up by the last parts of its path.

        Args:
            img_path (str): as a sample has it.

        Returns:
            tuple[int] | None: file and image number, for :meth:`window`; None where it is not in the cache.
        """
        parts = img_path.replace('\\', '/').split('/')
        for count in (3, 2, 1):
            wanted = np.uint64(key_hash('/'.join(parts[-count:])))
            row = int(np.searchsorted(self._hashes, wanted))
            if row < len(self._hashes) and self._hashes[row] == wanted:
                return int(self._file[row]), int(self._image[row])
        return None

    def img_size(self, found):
        """(width, height) of an image that :meth:`find` found, px."""
        return tuple(self.indexes[found[0]]['img_sizes'][found[1]].tolist())

    def window(self, found, img_path, box, corners):
        """Pixels of a part of an image.

        Args:
            found (tuple[int]): of :meth:`find`.
            img_path (str): the image, to notice that it is another one now.
            box (tuple[int]): x0, y0, x1, y1, inside the image.
            corners (np.ndarray | None): (4, 2) x, y of what is wanted in the box, in order around it; None: all of it.

        Returns:
            tuple[np.ndarray, tuple[int]] | None: (h, w, 3) uint8 BGR, ending where the image ends, grey outside of the
            corners, and x, y of its first pixel; None where no crop holds the box.

        Raises:
            DamagedCrop: checksum or content are wrong, or the image has changed.
        """
        file, image = found
        index = self.indexes[file]
        first, last = self._first[file][image:image + 2]
        for number in range(int(first), int(last)):
            left, top, right, bottom = index['box'][number].tolist()
            if left <= box[0] and top <= box[1] and right >= box[2] and bottom >= box[3]:
                data = self._read(file, number, img_path)
                inner = box[0] - left, box[1] - top, box[2] - left, box[3] - top
                try:
                    pixels, (x, y) = decode_window(data, inner, None if corners is None else corners - (left, top))
                except NotWindowed as error:
                    raise DamagedCrop(f'{self.paths[file]}: crop {number}, of {img_path}: {error}; {REMEDY}') from error
                return pixels[:, :right - left - x], (left + x, top + y)
        return None

    def _read(self, file, number, img_path):
        if self._pid != os.getpid():
            self._reset()
        if file not in self._descriptors:
            self._descriptors[file] = open(self.paths[file], 'rb')  # stays open as long as the process
        index = self.indexes[file]
        length = int(index['length'][number])
        data = os.pread(self._descriptors[file].fileno(), length, int(index['offset'][number]))
        if not self._checked[file][number]:
            if zlib.crc32(data) != index['crc'][number]:
                raise DamagedCrop(f'{self.paths[file]}: crop {number}, of {img_path}, has another checksum; {REMEDY}')
            size = index['file_sizes'][index['image'][number]]
            if os.path.isfile(img_path) and os.path.getsize(img_path) != size:
                raise DamagedCrop(f'{img_path} has {os.path.getsize(img_path)} bytes, it had {size} when its crop in '
                                  f'{self.paths[file]} was made: another image; {REMEDY}')
            self._checked[file][number] = True
        return data
