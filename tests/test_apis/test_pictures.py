"""Pictures of users: orientation, and files that claim too much or cannot be decoded."""
import cv2
import numpy as np
import pytest
from bad_pictures import declare_size, png
from PIL import Image, ImageOps, features

from mmpose_integral.apis.media import Media
from mmpose_integral.apis.pictures import read_picture


@pytest.mark.parametrize('name, options', [
    ('a.jpg', dict(quality=100, subsampling=0)), ('a.png', {}), ('a.webp', dict(lossless=True)), ('a.tiff', {}),
    pytest.param('a.avif', dict(quality=100), marks=pytest.mark.skipif(
        not (features.check('avif') and cv2.haveImageWriter('.avif')), reason='no AVIF in this Pillow or OpenCV'))])
@pytest.mark.parametrize('orientation', [2, 3, 6, 8])
def test_the_exif_orientation_is_applied_in_all_formats(name, options, orientation, tmp_path):
    stored = Image.fromarray(np.uint8(np.mgrid[:40, :60].sum(axis=0))).convert('RGB')
    exif = stored.getexif()
    exif[0x0112] = orientation
    stored.save(tmp_path / name, exif=exif, **options)
    with Image.open(tmp_path / name) as file:
        upright = np.asarray(ImageOps.exif_transpose(file))
    np.testing.assert_allclose(read_picture(tmp_path / name).image[..., ::-1], upright, atol=2)


@pytest.mark.parametrize('content, message', [
    (png(60_000, 60_000), 'is too large: at most 179 megapixels are accepted'),
    (png(20_000, 20_000), 'is too large'),
    (png(2**31 - 1, 1), 'is too large'),
    (png(1, 2**30), 'is too large'),
    (declare_size(cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].tobytes(), 65500, 65500), 'is too large'),
    (png(50, 50), 'cannot be decoded as an image'),
    (b'#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 60000\n', 'cannot be decoded as an image'),
    (b'P6 60000 60000 255\n', 'is too large'),
    (b'', 'cannot be decoded as an image'),
    (b'%!PS-Adobe-3.0 EPSF-3.0\n', 'cannot be decoded as an image'),
    (b'<html>Not found</html>', 'cannot be decoded as an image')])
def test_files_that_cannot_be_decoded_are_named(content, message, tmp_path):
    path = tmp_path / 'bad.png'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f'bad.png {message}'):
        read_picture(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / 'huge.png', 'wb') as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match='huge.png has 1048576 MiB; at most 256 MiB are accepted'):
        read_picture(tmp_path / 'huge.png')


def test_a_cut_jpeg_is_refused(tmp_path):
    content = cv2.imencode('.jpg', np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8))[1].tobytes()
    (tmp_path / 'cut.jpg').write_bytes(content[:len(content) // 2])
    with pytest.raises(ValueError, match='cut.jpg cannot be decoded'):
        read_picture(tmp_path / 'cut.jpg')


def test_frames_go_on_after_pictures_that_cannot_be_read(tmp_path):
    (tmp_path / 'bomb.png').write_bytes(png(60_000, 60_000))
    good = np.full((4, 5, 3), 9, np.uint8)
    frames = list(Media([good, tmp_path / 'bomb.png', tmp_path / 'absent.png', good, 3]).frames())
    assert [frame.error and type(frame.error) for frame in frames] == [
        None, ValueError, FileNotFoundError, None, ValueError]
    assert frames[1].name == str(tmp_path / 'bomb.png')
    with pytest.raises(ValueError, match='too large'):  # alone, there is nothing to go on with
        list(Media(tmp_path / 'bomb.png').frames())
