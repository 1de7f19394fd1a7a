import cv2
import numpy as np
import pytest
from bodies import HEAD, LEFT_WRIST, t_pose, to_image

from mmpose_integral.structures.skeleton import DRAWN_BONES, LEFT_COLOR, MIDDLE_COLOR, NUM_JOINTS, RIGHT_COLOR
from mmpose_integral.visualization import save_picture
from mmpose_integral.visualization.canvas import INK, as_canvas, blank, dash, put_tags, put_text, shade_ellipses
from mmpose_integral.visualization.skeleton_drawing import bones_to_draw, draw_skeleton_2d, head_places, stroke_width

RIGHT_KNEE, TORSO = 2, 7
POINTS = to_image(t_pose())


def pixel(picture, xy):
    return tuple(picture[int(round(xy[1])), int(round(xy[0]))].tolist())


def test_joints_and_limbs_have_the_color_of_their_side(image):
    drawn = draw_skeleton_2d(image, np.stack([POINTS, to_image(t_pose(0.2), center=(250, 60))]))
    assert pixel(drawn, to_image(t_pose(0.2), center=(250, 60))[LEFT_WRIST]) == LEFT_COLOR, 'the second person'
    for joint, color in ((LEFT_WRIST, LEFT_COLOR), (RIGHT_KNEE, RIGHT_COLOR), (TORSO, MIDDLE_COLOR)):
        assert pixel(drawn, POINTS[joint]) == color
    for a, b, color in ((11, 12, LEFT_COLOR), (1, 2, RIGHT_COLOR), (12, 13, LEFT_COLOR)):
        assert pixel(drawn, (POINTS[a] + POINTS[b]) / 2) == color
    assert (image == 128).all(), "the caller's image is unchanged"


def test_nothing_is_drawn_far_from_the_bones(image):
    far = np.ones(image.shape[:2], bool)
    rows, columns = np.indices(far.shape)
    for a, b in DRAWN_BONES:
        for x, y in np.linspace(POINTS[a, :2], POINTS[b, :2], 60):
            far &= (columns - x) ** 2 + (rows - y) ** 2 > 12 ** 2
    assert (draw_skeleton_2d(image, POINTS)[far] == 128).all()


def test_joints_of_low_score_are_hollow(image):
    scores = np.ones(NUM_JOINTS)
    scores[LEFT_WRIST] = 0.1
    drawn = draw_skeleton_2d(image, POINTS, scores, score_thr=0.3, thickness=8)
    assert pixel(drawn, POINTS[LEFT_WRIST]) == (255, 255, 255)
    assert pixel(drawn, POINTS[LEFT_WRIST] + (0, 5.5, 0)) == LEFT_COLOR


@pytest.mark.parametrize('value', [np.nan, 1e9])
def test_joints_that_are_missing_or_far_outside_are_not_drawn(image, value):
    np.testing.assert_array_equal(draw_skeleton_2d(image, np.full((NUM_JOINTS, 2), value)), image)


def test_unknown_joints_are_bridged():
    assert set(bones_to_draw(np.ones(NUM_JOINTS, bool))) == set(DRAWN_BONES)
    known = ~np.isin(np.arange(NUM_JOINTS), (0, 7, 8, 10, 17))  # COCO
    bones = bones_to_draw(known)
    assert {(1, 4), (11, 14)} < set(bones) and all(known[a] and known[b] for a, b in bones)


@pytest.mark.parametrize('depth, color', [(-50, LEFT_COLOR), (50, RIGHT_COLOR)])
def test_near_limbs_cover_far_ones(image, depth, color):
    points = POINTS.copy()  # both forearms cross at one point
    points[12:14] = (100, 300, depth), (160, 360, depth)
    points[15:17] = (160, 300, 0), (100, 360, 0)
    assert pixel(draw_skeleton_2d(image, points), (130, 330)) == color


def test_thin_style_covers_less_and_names_are_written(image):
    solid, thin = draw_skeleton_2d(image, POINTS), draw_skeleton_2d(image, POINTS, style='thin')
    assert 0 < (thin != image).any(axis=-1).sum() < (solid != image).any(axis=-1).sum()
    assert (draw_skeleton_2d(image, POINTS, joint_names=range(18)) != solid).any()


def test_width_follows_picture_and_person():
    small, large = (to_image(t_pose(), scale)[:, :2] for scale in (0.05, 0.5))
    assert stroke_width((1000, 1000), small) < stroke_width((1000, 1000), large)
    assert stroke_width((200, 200), large) < stroke_width((1000, 1000), large)
    assert stroke_width((10, 10), small) == 1.0


@pytest.mark.parametrize('arguments, words', [
    (dict(keypoints=np.zeros((17, 2))), 'keypoints: shape'),
    (dict(scores=np.ones(17)), r'scores: shape \(1, 18'),
    (dict(style='dotted'), "style: 'solid' or 'thin'"),
    (dict(image=np.zeros((4, 4, 3))), 'image: uint8'),
])
def test_errors_name_the_argument(image, arguments, words):
    with pytest.raises(ValueError, match=words):
        draw_skeleton_2d(**dict(dict(image=image, keypoints=np.zeros((18, 2))), **arguments))


def test_length_of_dashes():
    dashes = dash((0, 0), (100, 0), 6, 4)
    assert dashes.shape == (10, 2, 2)
    np.testing.assert_allclose(np.linalg.norm(dashes[:, 1] - dashes[:, 0], axis=1), 6)
    assert dash((3, 3), (3, 3), 6, 4).shape == (0, 2, 2)
    assert dash((0, 0), (0, 7), 6, 4)[0].tolist() == [[0, 0], [0, 6]]
    assert len(dash((0, 0), (1e9, 0), 6, 4)) <= 501


def test_text_is_cut_off_at_the_border_and_may_be_empty():
    canvas = blank((40, 20))
    assert put_text(canvas, '', (5, 5)) == (0, 0)
    assert (canvas == 255).all()
    for xy in ((-10, -5), (35, 15), (500, 500)):
        put_text(canvas, '\u22121000 mm', xy, 12)
    assert (canvas != 255).any()
    wide, high = put_text(canvas, 'mm', (0, 0), 12)
    assert put_text(canvas, 'mm', (0, 0), 12, upright=True) == (high, wide)


def test_ellipses_have_the_size_of_the_standard_deviation():
    canvas = as_canvas(np.full((60, 80), 255, np.uint8))
    shade_ellipses(canvas, np.array([[-100.0, 5.0]]), np.eye(2)[None] * 4, [(0, 0, 0)])
    shade_ellipses(canvas, np.zeros((0, 2)), np.zeros((0, 2, 2)), [])
    assert canvas.shape == (60, 80, 3) and (canvas == 255).all(), 'outside, and no ellipse'
    shade_ellipses(canvas, np.array([[40.0, 30.0]]), np.diag([9.0 ** 2, 20 ** 2])[None], [(0, 0, 0)])
    rows, columns = np.nonzero((canvas != 255).any(axis=-1))
    assert (rows.min(), rows.max()) == pytest.approx((10, 50), abs=1.5)
    assert (columns.min(), columns.max()) == pytest.approx((31, 49), abs=1.5)


def test_pictures_are_written_completely_or_not_at_all(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    save_picture(picture, tmp_path / 'new' / 'a.png')
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'new' / 'a.png'))[..., ::-1], picture)
    with pytest.raises(OSError, match=r'ends in \.png or \.jpg'):
        save_picture(picture, tmp_path / 'a.txt')
    assert [path.name for path in tmp_path.rglob('*') if path.is_file()] == ['a.png']


def test_tags_avoid_each_other():
    canvas = np.full((120, 200, 3), 200, np.uint8)
    places = [(100, 60), (104, 62), (96, 58), (np.nan, 5), (2, 1), (199, 119)]
    tags = put_tags(canvas, [f'#{n}' for n in range(6)], places, 12, [(90, 20, 110, 40)])
    assert len(tags) == 5, 'no tag at the place that is not finite'
    for n, (left, top, right, bottom) in enumerate(tags):
        assert 0 <= left < right <= 200 and 0 <= top < bottom <= 120
        assert (canvas[top:bottom, left:right] == INK).all(axis=-1).mean() > 0.3
        for other in [*tags[:n], (90, 20, 110, 40)]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
    assert tags[0][3] == 60 and tags[0][0] + tags[0][2] == pytest.approx(200, abs=1)
    put_tags(blank((8, 5)), ['a long name'], [(3, 3)], 12)


def test_heads_are_the_highest_known_joints():
    people = np.stack([POINTS, to_image(t_pose(), 0.1), np.full((18, 3), np.nan)])
    people[1, HEAD] = np.nan
    heads = head_places(people)
    np.testing.assert_allclose(heads[:2], [people[0, HEAD, :2], people[1, 9, :2]])
    assert np.isnan(heads[2]).all() and head_places(np.zeros((0, 18, 2))).shape == (0, 2)
