"""JPEGs of which any rectangle can be decoded by itself.

A baseline JPEG with restart markers is a grid of cells that do not depend on each other: one MCU (16 px) high, and as
wide as the restart interval says. The cells of a rectangle, put together behind the header with the rectangle's size in
it, are a JPEG again, which any decoder reads. The pixels are those of the whole picture; only at the rectangle's own
edge the colour, which is stored at half the resolution, may differ by what lies beyond (1 px), so that a margin is read
with it.
"""
import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

MCU = 16  # px; width and height of a block with colour at half the resolution
CELL = 64  # px; width of a cell: narrower ones cost disk space, wider ones are decoded without need
MARGIN = 2  # px around a rectangle, for the interpolation of colour
_SOF0, _SOS, _RST0, _EOI = 0xC0, 0xDA, 0xD0, 0xD9


class NotWindowed(ValueError):
    """The bytes are no JPEG of :func:`encode`."""


class Layout(NamedTuple):
    """Where things are in a JPEG."""
    width: int
    height: int
    size_at: int
    """byte offset of height and width (2 bytes each) in the header"""
    bounds: np.ndarray
    """(rows x columns + 1,) byte offsets where cells begin, row by row; the last one is the end of the file. A cell
    ends with a marker of 2 bytes."""


def quantisation(path):
    """Quantisation tables of a JPEG file.

    With them, and on the same grid of blocks, encoding again loses next to nothing.

    Args:
        path (str | Path): image file.

    Returns:
        list[list[int]] | None: tables of brightness and colour; None where the file is no JPEG with both.
    """
    with Image.open(path) as image:
        tables = getattr(image, 'quantization', None) or {}
    return [list(tables[0]), list(tables[1])] if {0, 1} <= set(tables) else None


def encode(image, quality=95):
    """Encode.

    Args:
        image (np.ndarray): (H, W, 3) uint8 BGR, of any size: its right edge is repeated up to whole cells.
        quality (int | list[list[int]]): 1 to 100, or tables of :func:`quantisation`.

    Returns:
        bytes: a JPEG whose width is a multiple of ``CELL``.
    """
    more = -image.shape[1] % CELL
    if more:
        image = cv2.copyMakeBorder(image, 0, 0, 0, more, cv2.BORDER_REPLICATE)
    options = dict(quality=quality) if isinstance(quality, int) else dict(qtables=quality)
    file = io.BytesIO()
    Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).save(
        file, 'JPEG', subsampling='4:2:0', restart_marker_blocks=CELL // MCU, **options)
    return file.getvalue()


def read_layout(data):
    """Find the cells.

    Args:
        data (bytes): of :func:`encode`.

    Returns:
        Layout: of this JPEG.

    Raises:
        NotWindowed: markers or cells are not as expected.
    """
    at, size_at = 2, None
    while data[:2] == b'\xff\xd8' and at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2:at + 4], 'big')
        if marker == _SOF0:
            size_at = at + 5
        at += 2 + length
        if marker == _SOS:
            break
    else:
        raise NotWindowed('no JPEG: its header has no start of scan')
    if size_at is None:
        raise NotWindowed('no baseline JPEG')
    height, width = (int.from_bytes(data[i:i + 2], 'big') for i in (size_at, size_at + 2))
    scan = np.frombuffer(data, np.uint8)
    escapes = at + np.flatnonzero(scan[at:-1] == 0xFF)  # in a scan, 0 follows each 0xFF that is no marker
    bounds = np.concatenate([[at], escapes[scan[escapes + 1] != 0] + 2])
    cells = -(-height // MCU) * (width // CELL)
    if len(bounds) != cells + 1 or bounds[-1] != len(data) or scan[-1] != _EOI:
        raise NotWindowed(f'{len(bounds) - 1} cells found in a JPEG of {width}x{height}, {cells} expected')
    return Layout(width, height, size_at, bounds)


def decode_window(data, box, layout=None):
    """Decode a rectangle, and no more of its surroundings than the cells have.

    Args:
        data (bytes): of :func:`encode`.
        box (tuple[int]): x0, y0, x1, y1, px, the last ones exclusive; what lies outside the picture is left out.
        layout (Layout, optional): of ``data``, where known.

    Returns:
        tuple[np.ndarray, tuple[int]]: (h, w, 3) uint8 BGR, which has the rectangle in it, and x, y of its first pixel.

    Raises:
        NotWindowed: ``data`` is damaged or of another kind.
        ValueError: the rectangle lies outside the picture.
    """
    layout = layout or read_layout(data)
    x0, x1 = max(int(box[0]) - MARGIN, 0), min(int(box[2]) + MARGIN, layout.width)
    y0, y1 = max(int(box[1]) - MARGIN, 0), min(int(box[3]) + MARGIN, layout.height)
    if x0 >= x1 or y0 >= y1:
        raise ValueError(f'box: {box} has nothing in common with a picture of {layout.width}x{layout.height}')
    left, right, top, bottom = x0 // CELL, -(-x1 // CELL), y0 // MCU, -(-y1 // MCU)
    size = min(bottom * MCU, layout.height) - top * MCU, (right - left) * CELL
    bounds, header_end = layout.bounds, int(layout.bounds[0])
    columns = layout.width // CELL
    cells = np.arange(top, bottom)[:, None] * columns + np.arange(left, right)
    firsts, ends = bounds[cells[:, 0]].tolist(), bounds[cells[:, -1] + 1].tolist()
    parts = [data[:layout.size_at], size[0].to_bytes(2, 'big'), size[1].to_bytes(2, 'big'),
             data[layout.size_at + 4:header_end], *(data[a:b] for a, b in zip(firsts, ends, strict=True))]
    joined = np.frombuffer(bytearray().join(parts), np.uint8)
    markers = header_end - 1 + np.cumsum((bounds[cells + 1] - bounds[cells]).ravel())
    joined[markers] = _RST0 + np.arange(len(markers)) % 8
    joined[-1] = _EOI
    image = cv2.imdecode(joined, cv2.IMREAD_COLOR)
    if image is None:
        raise NotWindowed('the decoder refuses the JPEG')
    return image, (left * CELL, top * MCU)
