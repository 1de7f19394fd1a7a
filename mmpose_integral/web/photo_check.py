"""Check of an uploaded photo by its header, before it is decoded."""
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

PHOTO_FORMATS = ('JPEG', 'PNG', 'WEBP', 'BMP')
# Such a picture takes 300 MB when it is decoded to 8-bit colour.
MAX_PIXELS = 100_000_000


def check_photo(path: str | Path, max_bytes: int, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Check that a file is a photo, and not too large to be decoded; only its header is read.

    Args:
        path: File to check; the format is recognised by content, not by name.
        max_bytes: Largest allowed size of the file.
        max_pixels: Largest allowed width times height; even a small file can declare a picture that fills the memory.

    Returns:
        Width and height as stored, px, before any EXIF rotation.

    Raises:
        ValueError: If the file is rejected; the message is meant for the user and does not contain the path.
    """
    size = Path(path).stat().st_size
    if size > max_bytes:
        raise ValueError(f'The file has {size / 1e6:.1f} MB; at most {max_bytes / 1e6:.1f} MB are accepted.')
    too_large = f'At most {max_pixels / 1e6:g} megapixels are accepted; make the picture smaller first.'
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures; max_pixels is the limit here.
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(path, formats=PHOTO_FORMATS) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        raise ValueError(f'The picture is too large. {too_large}') from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise ValueError(f'This is no picture that can be read: {", ".join(PHOTO_FORMATS[:-1])} or '
                         f'{PHOTO_FORMATS[-1]} expected.') from None
    if width * height > max_pixels:
        raise ValueError(f'The picture has {width} x {height} px. {too_large}')
    return width, height
