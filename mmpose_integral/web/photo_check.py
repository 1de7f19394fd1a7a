"""What a stranger may send as a photo: looked at by its header before anything decodes it."""
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

PHOTO_FORMATS = ('JPEG', 'PNG', 'WEBP', 'BMP')
# Twice the sensor of a good phone; decoded to 8 bit colour it takes 300 MB.
MAX_PIXELS = 100_000_000


def check_photo(path, max_bytes, max_pixels=MAX_PIXELS):
    """Refuse a file that is no photo, or one too large to be decoded; only its header is read.

    Args:
        path (str | Path): the file; its content counts, not its name.
        max_bytes (int): size of the file.
        max_pixels (int): width times height; a small file can claim a picture that fills the memory.

    Returns:
        tuple[int, int]: width and height as stored, px, before any turn by EXIF.

    Raises:
        ValueError: a sentence for the user, without the path.
    """
    size = Path(path).stat().st_size
    if size > max_bytes:
        raise ValueError(f'The file has {size / 1e6:.1f} MB; at most {max_bytes / 1e6:.1f} MB are accepted.')
    too_large = f'At most {max_pixels / 1e6:g} megapixels are accepted; make the picture smaller first.'
    try:
        with warnings.catch_warnings():
            # Pillow warns of sizes at which it fears an attack; the limit here is ours.
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
