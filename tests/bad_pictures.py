"""Small picture files that declare a huge picture."""
import struct
import zlib


def png(width, height):
    """A PNG file of about 100 bytes that declares a size."""
    chunks = ((b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)), (b'IDAT', zlib.compress(bytes(100))),
              (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
        for name, body in chunks)


def declare_size(jpeg, width, height):
    """Content of a JPEG file that declares another size."""
    start = jpeg.index(b'\xff\xc0') + 5  # baseline frame header: marker, length, precision, height, width
    return jpeg[:start] + struct.pack('>HH', height, width) + jpeg[start + 4:]
