"""Small videos, and changes of their bytes: the rotation that phones state, the times of frames, damaged frames."""
import struct

import cv2
import numpy as np

# Display matrices of ISO 14496-12 (tkhd) by the clockwise turn that makes the frames upright.
_MATRICES = {90: (0, 1, 0, -1, 0, 0), 180: (-1, 0, 0, 0, -1, 0), 270: (0, -1, 0, 1, 0, 0)}
_CONTAINERS = (b'moov', b'trak', b'mdia', b'minf', b'stbl')


def write_video(path, images, fps=10, code='mp4v'):
    """Write (H, W, 3) images as a video; return its path."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, images[0].shape[1::-1])
    assert writer.isOpened()
    for image in images:
        writer.write(image)
    writer.release()
    return path


def greys(count=8, size=(32, 48), step=25):
    """Images of one grey each, ``step`` times their number."""
    return [np.full((*size, 3), step * number, np.uint8) for number in range(count)]


def turn(path, degrees):
    """State in an MP4 file that its frames have to be turned clockwise."""
    matrix = [value << 16 for value in _MATRICES[degrees]] + [0, 0, 1 << 30]
    path.write_bytes(_changed(path.read_bytes(), b'tkhd', lambda box: (
        box[:40] + struct.pack('>9i', *matrix) + box[76:])))


def set_durations(path, durations):
    """Give each frame of an MP4 file its duration, in ticks of the file."""
    entries = b''.join(struct.pack('>II', 1, ticks) for ticks in durations)
    data = path.read_bytes().replace(b'edts', b'free')  # the edit list would cut the video to its old length
    path.write_bytes(_changed(data, b'stts', lambda box: (
        box[:4] + struct.pack('>I', len(durations)) + entries)))


def ticks_per_second(path):
    """Ticks of the times of an MP4 file of one track."""
    found = []
    _changed(path.read_bytes(), b'mdhd', lambda box: found.append(struct.unpack('>I', box[12:16])[0]) or box)
    return found[0]


def damage_frame(path, number):
    """Overwrite a frame of an AVI file with zeros."""
    data = bytearray(path.read_bytes())
    start = data.index(b'movi')
    for _ in range(number + 1):
        start = data.index(b'00dc', start + 1)
    size = struct.unpack('<I', data[start + 4:start + 8])[0]
    data[start + 8:start + 8 + size] = bytes(size)
    path.write_bytes(data)


def _changed(data, name, change):
    """Change the content of a box of an MP4 file, and the sizes of the boxes around it."""
    out, at = b'', 0
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        box = data[at + 8:at + size]
        if kind == name:
            box = change(box)
        elif kind in _CONTAINERS:
            box = _changed(box, name, change)
        out, at = out + struct.pack('>I4s', len(box) + 8, kind) + box, at + size
    return out
