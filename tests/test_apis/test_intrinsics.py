"""Focal length from the argument, from EXIF data, or assumed; faults are named."""
import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from mmpose_integral.apis.intrinsics import find_intrinsics, read_exif_focal_length
from mmpose_integral.apis.media import Media

TAGS = {tag.name: tag.value for tag in ExifTags.Base}


def photo(size=(600, 400), **tags):
    """A JPEG file with these EXIF tags."""
    exif, file = Image.Exif(), io.BytesIO()
    exif.get_ifd(ExifTags.IFD.Exif).update({TAGS[name]: value for name, value in tags.items()})
    Image.new('RGB', size, 'grey').save(file, 'JPEG', exif=exif)
    return file.getvalue()


@pytest.mark.parametrize(('tags', 'size', 'expected'), [
    (dict(FocalLengthIn35mmFilm=36), (600, 400), 600),  # a film is 36 mm wide, so that this is the width
    (dict(FocalLengthIn35mmFilm=36), (400, 600), 600),
    (dict(FocalLengthIn35mmFilm=50, FocalLength=9.0), (300, 200), 50 / 36 * 300),
    # 2000 px per cm and 8 mm are 1600 px in the full picture of 1200 px; this one has half its size
    (dict(FocalLength=8.0, FocalPlaneXResolution=2000.0, FocalPlaneResolutionUnit=3, ExifImageWidth=1200),
     (600, 400), 800),
    (dict(FocalLength=25.4, FocalPlaneXResolution=500.0, FocalPlaneResolutionUnit=2), (600, 400), 500),
    *[(tags, (600, 400), None) for tags in (dict(FocalLength=8.0), dict(FocalLengthIn35mmFilm=0), {})]])
def test_exif(tags, size, expected, tmp_path):
    content = photo(size, **tags)
    assert read_exif_focal_length(content) == (expected and pytest.approx(expected))
    (tmp_path / 'a.jpg').write_bytes(content)
    assert next(iter(Media(tmp_path / 'a.jpg'))).focal_length == (expected and pytest.approx(expected))


@pytest.mark.parametrize('content', [b'', b'no picture', photo(FocalLengthIn35mmFilm=36)[:60]])
def test_damaged_exif_data_are_ignored(content):
    assert read_exif_focal_length(content) is None


def test_exif_data_of_a_photo_that_pillow_refuses_for_its_size_are_ignored(monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    assert read_exif_focal_length(photo(FocalLengthIn35mmFilm=36)) is None


def test_order_of_the_sources():
    size = (640, 480)
    given, exif, assumed = (find_intrinsics(size, *values) for values in ((500.0, (700, 710)), (500.0, ), ()))
    assert [one.source for one in (given, exif, assumed)] == ['argument', 'exif', 'default']
    assert given.focal_length.tolist() == [700, 710] and exif.focal_length.tolist() == [500, 500]
    # Half of the longer side is seen at half of 55 degrees.
    assert np.degrees(2 * np.arctan(320 / assumed.focal_length[0])) == pytest.approx(55)
    assert assumed.principal_point.tolist() == [319.5, 239.5]
    points = np.random.default_rng(0).uniform(0, 400, (2, 18, 2))
    np.testing.assert_allclose(assumed.straighten(points), points, atol=1e-6)
    expected = (points[..., 1] - 239.5) * 700 / 710 + 239.5
    np.testing.assert_allclose(given.straighten(points)[..., 1], expected, atol=1e-6)


@pytest.mark.parametrize(('arguments', 'message'), [
    *[(dict(focal_length=focal), 'focal_length: a positive number of px') for focal in (
        0, -5, np.nan, (1, 2, 3), (100, -1))],
    (dict(principal_point=3), 'principal_point: .cx, cy. px expected'),
    (dict(principal_point=(1, np.nan)), 'got .1, nan'),
    (dict(distortion=(1, 2)), 'distortion: k1, k2, p1, p2')])
def test_impossible_cameras_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        find_intrinsics((64, 48), **arguments)
