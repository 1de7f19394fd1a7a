"""JPEGs of which any convex part can be decoded by itself.

A baseline JPEG with restart markers is a grid of cells that do not depend on each other: one MCU (16 px) high, and as
wide as the restart interval says. The cells of a rectangle, put together behind the header with the rectangle's size in
it, are a JPEG again, which any decoder reads. Where a turned rectangle is wanted, the cells in the corners, a quarter
of all at 30 degrees, become grey ones of a few bytes. The pixels are those of the whole picture; only at the part's own
edge the colour, which is stored at half the resolution, may differ by what lies beyond (1 px), so that a margin is read
with it. A segment behind the first marker tells how long each cell is.
"""
import functools
import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

MCU = 16  # px; width and height of a block with colour at half the resolution
CELL = 32  # px; width of a cell: narrower ones cost disk space, wider ones are decoded without need
MARGIN = 2  # px around what is wanted, for the interpolation of colour
_SOF0, _SOS, _RST0, _EOI, _LENGTHS = 0xC0, 0xDA, 0xD0, 0xD9, 0xEF
_NAME = b'cells\0'  # at the start of our segment
# A grey MCU in the standard's Huffman tables: for each of 4 blocks of brightness "same mean as before" (00) and "no
# more" (1010), for each of 2 of colour 00 and 00.
_GREY_CELL = bytes.fromhex('28a28a00') * (CELL // MCU)


class NotWindowed(ValueError):
    """The bytes are no JPEG of :func:`encode`."""


class Layout(NamedTuple):
    """Where things are in a JPEG."""
    width: int
    height: int
    tables_at: int
    """byte offset behind the segment of lengths"""
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

    Raises:
        RuntimeError: Pillow writes other Huffman tables than the standard's, so that parts could not be decoded.
    """
    more = -image.shape[1] % CELL
    if more:
        image = cv2.copyMakeBorder(image, 0, 0, 0, more, cv2.BORDER_REPLICATE)
    options = dict(quality=quality) if isinstance(quality, int) else dict(qtables=quality)
    _check_huffman_tables()
    data = _encode(image, options)
    lengths = np.diff(read_layout(data).bounds).astype('<u2').tobytes()
    size = 2 + len(_NAME) + len(lengths)
    if size > 0xFFFF:  # a picture of 17 megapixels; it is read without the segment
        return data
    return b''.join([data[:2], bytes([0xFF, _LENGTHS]), size.to_bytes(2, 'big'), _NAME, lengths, data[2:]])


def _encode(image, options):
    file = io.BytesIO()
    Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).save(
        file, 'JPEG', subsampling='4:2:0', restart_marker_blocks=CELL // MCU, **options)
    return file.getvalue()


@functools.cache
def _check_huffman_tables():
    data = _encode(np.full((MCU, CELL, 3), 128, np.uint8), dict(quality=95))
    if data[read_layout(data).bounds[0]:-2] != _GREY_CELL:
        raise RuntimeError('crop cache: JPEGs with the Huffman tables of the standard expected, this Pillow writes '
                           'others; install the Pillow of requirements.lock')


def read_layout(data):
    """Find the cells.

    Args:
        data (bytes): of :func:`encode`.

    Returns:
        Layout: of this JPEG.

    Raises:
        NotWindowed: markers or cells are not as expected.
    """
    at, tables_at, size_at, lengths = 2, 2, None, None
    while data[:2] == b'\xff\xd8' and at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2:at + 4], 'big')
        if marker == _SOF0:
            size_at = at + 5
        elif marker == _LENGTHS and data.startswith(_NAME, at + 4):
            tables_at = at + 2 + length
            if tables_at > len(data) or length % 2:
                raise NotWindowed('the lengths of its cells are cut off')
            lengths = np.frombuffer(data[at + 4 + len(_NAME):tables_at], '<u2')
        at += 2 + length
        if marker == _SOS:
            break
    else:
        raise NotWindowed('no JPEG: its header has no start of scan')
    if size_at is None:
        raise NotWindowed('no baseline JPEG')
    height, width = (int.from_bytes(data[i:i + 2], 'big') for i in (size_at, size_at + 2))
    if lengths is None:
        scan = np.frombuffer(data, np.uint8)
        escapes = at + np.flatnonzero(scan[at:-1] == 0xFF)  # in a scan, 0 follows each 0xFF that is no marker
        bounds = np.concatenate([[at], escapes[scan[escapes + 1] != 0] + 2])
    else:
        bounds = at + np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    cells = -(-height // MCU) * (width // CELL)
    if len(bounds) != cells + 1 or bounds[-1] != len(data) or data[-1] != _EOI:
        raise NotWindowed(f'{len(bounds) - 1} cells found in a JPEG of {width}x{height}, {cells} expected')
    return Layout(width, height, tables_at, size_at, bounds)


def decode_window(data, box, corners=None):
    """Decode a rectangle, or a convex part of it, and no more of its surroundings than the cells have.

    Args:
        data (bytes): of :func:`encode`.
        box (tuple[int]): x0, y0, x1, y1, px, the last ones exclusive; what lies outside the picture is left out.
        corners (np.ndarray, optional): (N, 2) x, y of a convex part, px, in order around it; pixels of the box outside
            of it may be grey, if further than 1 px away.

    Returns:
        tuple[np.ndarray, tuple[int]]: (h, w, 3) uint8 BGR, which has the rectangle in it, and x, y of its first pixel.

    Raises:
        NotWindowed: ``data`` is damaged or of another kind.
        ValueError: the rectangle lies outside the picture.
    """
    layout = read_layout(data)
    x0, x1 = max(int(box[0]) - MARGIN, 0), min(int(box[2]) + MARGIN, layout.width)
    y0, y1 = max(int(box[1]) - MARGIN, 0), min(int(box[3]) + MARGIN, layout.height)
    if x0 >= x1 or y0 >= y1:
        raise ValueError(f'box: {box} has nothing in common with a picture of {layout.width}x{layout.height}')
    left, right, top, bottom = x0 // CELL, -(-x1 // CELL), y0 // MCU, -(-y1 // MCU)
    rows = np.arange(top, bottom)
    first, last = np.full(len(rows), left), np.full(len(rows), right)
    if corners is not None:
        margin = MARGIN + 1
        low, high = reach_of_rows(corners, rows[:, None] * MCU + np.array([-margin, MCU + margin]))
        first = np.clip(np.floor((low - margin) / CELL), left, right).astype(int)
        last = np.clip(np.floor((high + margin) / CELL) + 1, first, right).astype(int)
    size = min(bottom * MCU, layout.height) - top * MCU, (right - left) * CELL
    image = cv2.imdecode(_part(data, layout, size, (rows, first, last, left, right)), cv2.IMREAD_COLOR)
    if image is None:
        raise NotWindowed('the decoder refuses the JPEG')
    return image, (left * CELL, top * MCU)


def reach_of_rows(corners, rows):
    """How far a convex part reaches to the left and to the right in horizontal stripes.

    Args:
        corners (np.ndarray): (N, 2) x, y in order around the part.
        rows (np.ndarray): (R, 2) y where each stripe begins and ends.

    Returns:
        tuple[np.ndarray]: lowest and highest x, (R,); inf and -inf where the stripe has nothing of it.
    """
    ends = np.roll(corners, -1, axis=0)
    low, high = np.minimum(corners[:, 1], ends[:, 1]), np.maximum(corners[:, 1], ends[:, 1])
    slope = (ends[:, 0] - corners[:, 0]) / np.where(high > low, ends[:, 1] - corners[:, 1], 1)
    shared = np.stack([np.maximum(low, rows[:, :1]), np.minimum(high, rows[:, 1:])])  # (2, R, N): y of edges in stripes
    x = corners[:, 0] + (shared - corners[:, 1]) * slope
    touched = shared[0] <= shared[1]
    return (np.where(touched, x, np.inf).min((0, 2)), np.where(touched, x, -np.inf).max((0, 2)))


def _part(data, layout, size, cells):
    """Bytes of a JPEG of some cells; see :func:`decode_window`."""
    rows, first, last, left, right = cells
    columns, bounds, start = layout.width // CELL, layout.bounds, int(layout.bounds[0])
    lengths = np.diff(bounds).reshape(-1, columns)[rows[0]:rows[-1] + 1, left:right]
    header = [data[:2], data[layout.tables_at:layout.size_at], size[0].to_bytes(2, 'big'), size[1].to_bytes(2, 'big'),
              data[layout.size_at + 4:start]]
    begins, ends = bounds[rows * columns + first].tolist(), bounds[rows * columns + last].tolist()
    before, after = first - left, right - last
    if before.any() or after.any():
        grey, places = _GREY_CELL + bytes([0xFF, _RST0]), np.arange(left, right)
        lengths = np.where((places < first[:, None]) | (places >= last[:, None]), len(grey), lengths)
        scan = [piece for left_out, begin, end, right_out in zip(before, begins, ends, after, strict=True)
                for piece in (grey * left_out, data[begin:end], grey * right_out)]
    else:
        scan = [data[begin:end] for begin, end in zip(begins, ends, strict=True)]
    joined = np.frombuffer(bytearray().join(header + scan), np.uint8)
    markers = start - (layout.tables_at - 2) - 1 + np.cumsum(lengths)
    joined[markers] = _RST0 + np.arange(len(markers)) % 8
    joined[-1] = _EOI
    return joined
