"""Kinds of inputs by endings and content: pictures, videos, live streams. The machine's list of types is not used."""
import os
import re
from collections import Counter
from pathlib import Path
from typing import Literal

from .addresses import content_type, local_path, name_of_address, scheme_of

PICTURES = frozenset((
    '.avif', '.bmp', '.dib', '.hdr', '.jfif', '.jp2', '.jpe', '.jpeg', '.jpg', '.pam', '.pbm', '.pfm', '.pgm', '.pic',
    '.png', '.pnm', '.ppm', '.ras', '.sr', '.tif', '.tiff', '.webp'))
"""Endings of pictures that OpenCV reads."""

VIDEOS = frozenset((
    '.3g2', '.3gp', '.asf', '.avi', '.divx', '.f4v', '.flv', '.m2ts', '.m2v', '.m4v', '.mkv', '.mov', '.mp4', '.mpe',
    '.mpeg', '.mpg', '.mts', '.mxf', '.ogv', '.qt', '.ts', '.vob', '.webm', '.wmv'))
"""Endings of videos."""

# Pictures that OpenCV does not read: of phones, raw data of cameras, drawings, animations.
_UNREAD = frozenset((
    '.3fr', '.ai', '.arw', '.cr2', '.cr3', '.crw', '.dcr', '.djvu', '.dng', '.eps', '.erf', '.exr', '.gif', '.heic',
    '.heif', '.hif', '.ico', '.iiq', '.jxl', '.kdc', '.mef', '.mos', '.mrw', '.nef', '.nrw', '.orf', '.pef', '.psd',
    '.raf', '.raw', '.rw2', '.rwl', '.sr2', '.srf', '.srw', '.svg', '.svgz', '.x3f'))
_JPEGS = frozenset(('.mjpeg', '.mjpg'))  # a video as a file, a live stream as an address
_STREAMS = _JPEGS | {'.m3u8', '.mpd', '.sdp'}
_STREAM_SCHEMES = frozenset(('rtmp', 'rtmps', 'rtp', 'rtsp', 'rtsps', 'udp'))
# First bytes of videos: MP4 and MOV but not pictures, AVI, Matroska and WebM, FLV, MPEG, ASF, Ogg.
_VIDEO_START = re.compile(
    rb'....(ftyp(?!heic|heix|hevc|heim|mif1|msf1|avif|avis)|moov|mdat)|RIFF....AVI |\x1a\x45\xdf\xa3|FLV\x01|'
    rb'\x00\x00\x01\xba|\x30\x26\xb2\x75\x8e\x66\xcf\x11|OggS|\x47.{187}\x47|.{4}\x47.{191}\x47', re.DOTALL)


def kind_of(item: str) -> Literal['picture', 'video', 'stream']:
    """Kind of a file or an address, by its ending, else by its content; 'picture' for what is neither of the others.

    An http address without a known ending is asked for its type. A folder is no video, whatever its name.
    """
    scheme, suffix = scheme_of(item), ending(item)
    if not scheme:
        path = local_path(item)
        named = suffix in VIDEOS or suffix in _JPEGS
        return 'video' if path.is_file() and (named or _starts_as_video(path)) else 'picture'
    if scheme not in ('http', 'https'):
        return 'stream' if scheme in _STREAM_SCHEMES else 'picture'
    if suffix in PICTURES | VIDEOS:
        return 'video' if suffix in VIDEOS else 'picture'
    stated = '' if suffix in _STREAMS else content_type(item)
    if suffix in _STREAMS or stated.startswith('multipart/') or stated.endswith('mpegurl'):
        return 'stream'
    return 'video' if stated.startswith('video/') else 'picture'


def _starts_as_video(path: Path) -> bool:
    try:
        with open(path, 'rb') as file:
            return _VIDEO_START.match(file.read(400)) is not None
    except OSError:
        return False  # who reads it as a picture gets the reason


def ending(item: str) -> str:
    """Ending of a file name or of the path of a URL, in lower case, such as '.jpg'."""
    return Path(name_of_address(item) if scheme_of(item) else item).suffix.lower()


def images_of(folder: str | Path) -> list[str]:
    """List the images of a folder, sorted by name; numbers in names are sorted by value.

    Hidden files, such as those that macOS and killed programs leave, are skipped.

    Raises:
        ValueError: If there is none.
    """
    found = [str(Path(folder) / name) for name in _files_of(folder) if Path(name).suffix.lower() in PICTURES]
    if not found:
        raise ValueError('; '.join([f'{folder}: no images in this folder that OpenCV can read',
                                    *filter(None, [left_out_of(folder)])]))
    # Every second part is a number, so that numbers are compared with numbers.
    return sorted(found, key=lambda name: [int(part) if part.isdecimal() else part
                                           for part in re.split(r'(\d+)', name)])


def left_out_of(folder: str | Path) -> str:
    """Sentence about the pictures in other formats and the videos of a folder, which :func:`images_of` leaves out."""
    endings = Counter(suffix for name in _files_of(folder) if (suffix := Path(name).suffix.lower()) in _UNREAD | VIDEOS)
    if not endings:
        return ''
    number = endings.total()
    return f'{number} file{"s" * (number > 1)} left out: {", ".join(sorted(endings))}'


def _files_of(folder: str | Path) -> list[str]:
    """Names of the files of a folder that are not hidden."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not entry.name.startswith('.') and entry.is_file()]
