import numpy as np
import pytest
from bodies import LEFT_WRIST, t_pose, to_image

from mmpose_integral.structures.skeleton import LEFT_COLOR
from mmpose_integral.visualization import Panel, People, panel
from mmpose_integral.visualization.panel import crop_box, image_tile, legend_bar

MM, FLAT = t_pose()[None], to_image(t_pose())[None]
PERSON, NOBODY = People(FLAT, MM), People()


def test_crop_contains_the_people_with_a_margin():
    points = np.array([[40.0, 50], [90, 200], [np.nan, 3]])
    x0, y0, x1, y1 = crop_box((300, 400), points)
    assert 0 <= x0 < 40 and 0 <= y0 < 50 and 90 < x1 <= 300 and 200 < y1 <= 400
    assert x1 - x0 >= 0.5 * 150, 'at least half as wide as high'
    boxed = crop_box((300, 400), points, np.array([[5.0, 150, 60, 390]]))
    assert boxed[0] <= 5 and boxed[2] >= x1 and boxed[3] >= 390
    assert crop_box((300, 400), np.full((18, 2), 77.0), [(20, 30, 120, 230)]) == (14, 24, 126, 236)
    for outside in (np.full((3, 2), np.nan), np.full((3, 2), -900.0), np.zeros((0, 2))):
        assert crop_box((300, 400), outside) == (0, 0, 300, 400)


@pytest.mark.parametrize('height', [210, 420, 1260])
def test_joints_follow_the_resize(image, height):
    tile = image_tile(image, height, FLAT, box=(30, 40, 299, 400))
    assert tile.shape[0] == height and tile.shape[1] % 2 == 0
    zoom = np.array([tile.shape[1] / 269, height / 360])
    x, y = np.rint((FLAT[0, LEFT_WRIST, :2] - (30, 40) + 0.5) * zoom - 0.5).astype(int)
    np.testing.assert_allclose(tile[y, x], LEFT_COLOR, atol=1)


def test_sizes_are_even_for_video_and_do_not_depend_on_the_people(image):
    whole = Panel(crop=False, height=360)
    (height, width, _), = {
        whole.draw(image, People(np.repeat(FLAT, n, 0), np.repeat(MM, n, 0)), NOBODY).shape for n in (1, 2, 3)}
    assert height % 2 == 0 and width % 2 == 0
    assert whole.draw(image, NOBODY, NOBODY).shape[0] == height, 'image and legend alone'


def test_the_error_is_written(image, monkeypatch):
    captions = []
    monkeypatch.setattr(panel, 'legend_bar', lambda *args: captions.append(args[3]) or legend_bar(*args))
    pred, truth = MM.copy(), People(keypoints_mm=MM)
    pred[:, 1:17] += (30, 0, 40)  # 16 of the 17 joints are 50 mm off
    Panel().draw(image, People(keypoints_mm=pred), truth, error_note=' at bone length 4503 mm')
    Panel().draw(image, People(keypoints_mm=pred), truth, caption='mine')
    Panel().draw(image, People(keypoints_mm=pred), NOBODY)
    Panel().draw(image, People(keypoints_mm=np.full((1, 18, 3), np.nan)), truth)
    assert captions == [f'MPJPE {50 * 16 / 17:.1f} mm at bone length 4503 mm', 'mine', '', '']


@pytest.mark.parametrize('layout', ['row', 'column', 'auto'])
@pytest.mark.parametrize('views', [(), ('front',), ('front', (-30, 10), 'top')])
def test_layouts(image, layout, views):
    person = PERSON._replace(scores=np.linspace(0, 1, 18)[None], std_mm=np.full((1, 18, 3), 30.0),
                             bboxes=np.array([(10, 20, 290, 410)]))
    picture = Panel(views, layout=layout, height=301, joint_names=range(18)).draw(image, person, NOBODY, '00001.jpg')
    assert picture.dtype == np.uint8 and picture.shape[0] > 300 and picture.shape[1] % 2 == 0


def test_a_narrow_legend_has_fewer_entries():
    bars = [legend_bar(width, 28, True, 'MPJPE 61.2 mm', '00001.jpg') for width in (900, 380, 60)]
    assert [bar.shape for bar in bars] == [(28, width, 3) for width in (900, 380, 60)]
    ink = [(bar != 255).any(axis=(0, 2)).sum() for bar in bars]
    assert ink[0] > ink[1] > 0


@pytest.mark.parametrize('options, pred, truth, words', [
    (dict(layout='grid'), PERSON, NOBODY, "layout: 'auto', 'row' or 'column'"),
    ({}, People(keypoints_mm=np.zeros((1, 18, 2))), NOBODY, 'people: shape'),
    ({}, PERSON, People(keypoints_mm=np.zeros((2, 18, 3))), r'truth_mm: shape \(1, 18'),
    (dict(views=('underneath',)), PERSON, NOBODY, 'view: one of')])
def test_errors_name_the_argument(image, options, pred, truth, words):
    with pytest.raises(ValueError, match=words):
        Panel(**options).draw(image, pred, truth)
