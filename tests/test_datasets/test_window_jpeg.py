"""Parts of a JPEG, decoded by themselves, against the whole."""
import cv2
import numpy as np
import pytest
from mmpose.structures.bbox import get_warp_matrix

from mmpose_integral.datasets import window_jpeg
from mmpose_integral.datasets.transforms.affine import shown_part


@pytest.mark.parametrize('size', [(150, 90), (64, 16), (65, 17), (401, 333)])
def test_window_is_the_part_of_the_whole(size):
    rng = np.random.default_rng(1)
    data = window_jpeg.encode(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8), 90)
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    for _ in range(40):
        x0, y0 = rng.integers(-20, size[0]), rng.integers(-20, size[1])
        x1, y1 = max(x0, 0) + rng.integers(1, 90), max(y0, 0) + rng.integers(1, 70)
        part, (x, y) = window_jpeg.decode_window(data, (x0, y0, x1, y1))
        rows, columns = slice(max(y0, 0), min(y1, size[1])), slice(max(x0, 0), min(x1, size[0]))
        found = part[rows.start - y:rows.stop - y, columns.start - x:columns.stop - x]
        np.testing.assert_array_equal(found, whole[rows, columns])
        assert part.shape[1] <= x1 - x0 + 2 * (window_jpeg.CELL + 2) and part.shape[0] <= y1 - y0 + 2 * 18


@pytest.mark.parametrize('angle', [0, 17, 45, 80, -60])
def test_turned_window_is_the_part_of_the_whole(angle):
    """What a warp reads of it; the corners around are grey, and cost no bytes."""
    rng = np.random.default_rng(5)
    data = window_jpeg.encode(rng.integers(0, 255, (390, 330, 3), dtype=np.uint8), 90)
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    for center in ((160, 190), (20, 200), (310, 60), (-90, 350)):
        matrix = get_warp_matrix(np.float64(center), np.float64([240, 180]), angle, (100, 75))
        box, corners = shown_part(matrix, (100, 75), (390, 330))
        part, offset = window_jpeg.decode_window(data, box, corners)
        moved = matrix.copy()
        moved[:, 2] += matrix[:, :2] @ offset
        np.testing.assert_array_equal(cv2.warpAffine(part, moved, (100, 75)), cv2.warpAffine(whole, matrix, (100, 75)))
    grey = (window_jpeg.decode_window(data, *shown_part(get_warp_matrix(
        np.float64([160, 190]), np.float64([240, 180]), angle, (100, 75)), (100, 75), (390, 330)))[0] == 128).all(-1)
    assert grey.mean() > 0.2 if angle % 90 else grey.mean() < 0.1


def test_reach_of_a_part_in_stripes():
    """Against points all along its outline."""
    rng = np.random.default_rng(6)
    rows = np.array([[0, 16], [16, 32], [30, 50], [50, 51], [51, 100], [200, 210]], dtype=float)
    for _ in range(20):
        corners = cv2.boxPoints(((60, 50), tuple(rng.uniform(20, 60, 2)), rng.uniform(0, 360))).astype(np.float64)
        steps = np.linspace(0, 1, 4001)[:, None, None]
        outline = (corners * (1 - steps) + np.roll(corners, -1, axis=0) * steps).reshape(-1, 2)
        for row, low, high in zip(rows, *window_jpeg.reach_of_rows(corners, rows), strict=True):
            x = outline[(outline[:, 1] >= row[0]) & (outline[:, 1] <= row[1]), 0]
            if len(x):
                np.testing.assert_allclose([low, high], [x.min(), x.max()], atol=0.1)
            else:
                assert low > high


def test_own_quantisation_loses_next_to_nothing(tmp_path):
    rng = np.random.default_rng(2)
    blurred = cv2.GaussianBlur(rng.integers(0, 255, (160, 192, 3), dtype=np.uint8), (0, 0), 3)
    path = tmp_path / 'a.jpg'
    cv2.imwrite(str(path), blurred, [cv2.IMWRITE_JPEG_QUALITY, 80])
    image = cv2.imread(str(path))
    errors = [np.abs(cv2.imdecode(np.frombuffer(window_jpeg.encode(image[16:, 32:], quality), np.uint8), 1).astype(int)
                     [:, :160] - image[16:, 32:]).mean() for quality in (window_jpeg.quantisation(path), 80 - 7)]
    assert errors[0] < 0.3 < errors[1]
    png = tmp_path / 'a.png'
    cv2.imwrite(str(png), image)
    assert window_jpeg.quantisation(png) is None


def test_other_jpegs_are_no_windows():
    data = window_jpeg.encode(np.random.default_rng(7).integers(0, 255, (40, 70, 3), dtype=np.uint8))
    begin, end = window_jpeg.read_layout(data).bounds[[2, 3]].tolist()
    plain = cv2.imencode('.jpg', np.zeros((40, 70, 3), np.uint8))[1].tobytes()
    for bad in (b'', b'no JPEG at all', data[:-1], data[:100], plain, data[:begin + 9] + data[end - 9:],
                data[:10]):
        with pytest.raises(window_jpeg.NotWindowed):
            window_jpeg.read_layout(bad)
    with pytest.raises(ValueError, match='nothing in common'):
        window_jpeg.decode_window(data, (200, 0, 210, 10))
