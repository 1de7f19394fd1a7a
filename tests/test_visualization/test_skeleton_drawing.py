import numpy as np
import pytest
from bodies import t_pose, to_image

from mmpose_integral.structures.skeleton import DRAWN_BONES, LEFT_COLOR, MIDDLE_COLOR, NUM_JOINTS, RIGHT_COLOR
from mmpose_integral.visualization.canvas import (
    INK,
    as_canvas,
    blank,
    dash,
    put_tags,
    put_text,
    save_picture,
    shade_ellipses,
)
from mmpose_integral.visualization.skeleton_drawing import (
    bones_to_draw,
    draw_skeleton_2d,
    head_places,
    stroke_width,
)

LEFT_WRIST, RIGHT_KNEE, TORSO = 13, 2, 7


@pytest.fixture
def image():
    return np.full((420, 300, 3), 128, np.uint8)


def pixel(picture, xy):
    return tuple(picture[int(round(xy[1])), int(round(xy[0]))].tolist())


def test_joints_have_the_color_of_their_side(image):
    points = to_image(t_pose())
    drawn = draw_skeleton_2d(image, points)
    assert pixel(drawn, points[LEFT_WRIST]) == LEFT_COLOR
    assert pixel(drawn, points[RIGHT_KNEE]) == RIGHT_COLOR
    assert pixel(drawn, points[TORSO]) == MIDDLE_COLOR
    assert (image == 128).all(), 'the caller\'s image is left alone'


def test_limbs_are_drawn_between_their_joints(image):
    points = to_image(t_pose())
    drawn = draw_skeleton_2d(image, points)
    for a, b in ((11, 12), (1, 2), (12, 13)):
        assert pixel(drawn, (points[a] + points[b]) / 2) in (LEFT_COLOR, RIGHT_COLOR)
    far = np.ones(image.shape[:2], bool)
    rows, columns = np.indices(far.shape)
    for a, b in DRAWN_BONES:
        t = np.linspace(0, 1, 60)[:, None]
        for x, y in points[a, :2] * (1 - t) + points[b, :2] * t:
            far &= (columns - x) ** 2 + (rows - y) ** 2 > 12 ** 2
    assert (drawn[far] == 128).all()


def test_bgr_is_rgb_reversed(image):
    points = to_image(t_pose())
    rgb = draw_skeleton_2d(image, points)
    bgr = draw_skeleton_2d(image, points, channel_order='bgr')
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])


def test_unsure_joints_are_hollow_not_absent(image):
    points, scores = to_image(t_pose()), np.ones(NUM_JOINTS)
    scores[LEFT_WRIST] = 0.1
    drawn = draw_skeleton_2d(image, points, scores, score_thr=0.3, thickness=8)
    assert pixel(drawn, points[LEFT_WRIST]) == (255, 255, 255)
    assert pixel(drawn, points[LEFT_WRIST] + (0, 5.5, 0)) == LEFT_COLOR


def test_what_is_not_there_is_not_drawn(image):
    points, visible = to_image(t_pose()), np.zeros(NUM_JOINTS)
    np.testing.assert_array_equal(draw_skeleton_2d(image, points, visible=visible), image)
    np.testing.assert_array_equal(draw_skeleton_2d(image, np.full((NUM_JOINTS, 2), np.nan)), image)
    far_away = draw_skeleton_2d(image, np.full((NUM_JOINTS, 2), 1e9))
    np.testing.assert_array_equal(far_away, image)


def test_missing_joints_are_bridged():
    known = np.ones(NUM_JOINTS, bool)
    assert set(bones_to_draw(known)) == set(DRAWN_BONES)
    known[[0, 7, 8, 10, 17]] = False  # COCO
    bones = bones_to_draw(known)
    assert (1, 4) in bones and (11, 14) in bones
    assert all(known[a] and known[b] for a, b in bones)


def test_near_limbs_cover_far_ones(image):
    points = to_image(t_pose())
    # Both forearms cross at one spot; the nearer one must win, whichever it is.
    points[12], points[13] = (100, 300, 0), (160, 360, 0)
    points[15], points[16] = (160, 300, 0), (100, 360, 0)
    for depth, color in ((-50, LEFT_COLOR), (50, RIGHT_COLOR)):
        points[[12, 13], 2] = depth
        assert pixel(draw_skeleton_2d(image, points), (130, 330)) == color


def test_several_people(image):
    people = np.stack([to_image(t_pose(0.4), center=(75, 120)), to_image(t_pose(0.4), center=(220, 300))])
    drawn = draw_skeleton_2d(image, people, np.ones((2, NUM_JOINTS)))
    for person in people:
        assert pixel(drawn, person[LEFT_WRIST]) == LEFT_COLOR
    one = draw_skeleton_2d(image, people[0])
    assert (drawn != one).any()


def test_uncertainty_reaches_as_far_as_it_says(image):
    points = to_image(t_pose())
    std = np.zeros((NUM_JOINTS, 3))
    std[LEFT_WRIST] = (9, 20, 5)
    changed = (draw_skeleton_2d(image, points, std=std) != draw_skeleton_2d(image, points)).any(axis=-1)
    rows, columns = np.nonzero(changed)
    x, y = points[LEFT_WRIST, :2]
    assert rows.max() == pytest.approx(y + 20, abs=1.5) and rows.min() == pytest.approx(y - 20, abs=1.5)
    assert columns.max() == pytest.approx(x + 9, abs=1.5)


def test_thin_style_differs_and_shows_both(image):
    points = to_image(t_pose())
    solid, thin = draw_skeleton_2d(image, points), draw_skeleton_2d(image, points, style='thin')
    assert 0 < (thin != image).any(axis=-1).sum() < (solid != image).any(axis=-1).sum()


def test_width_follows_picture_and_person():
    small = to_image(t_pose(), 0.05)[:, :2]
    large = to_image(t_pose(), 0.5)[:, :2]
    assert stroke_width((1000, 1000), small) < stroke_width((1000, 1000), large)
    assert stroke_width((200, 200), large) < stroke_width((1000, 1000), large)
    assert stroke_width((10, 10), small) == 1.0


@pytest.mark.parametrize('arguments, words', [
    (dict(keypoints=np.zeros((17, 2))), 'keypoints: shape'),
    (dict(scores=np.ones(17)), r'scores: shape \(1, 18'),
    (dict(style='dotted'), "style: 'solid' or 'thin'"),
    (dict(channel_order='gbr'), "channel_order: 'rgb' or 'bgr'"),
    (dict(image=np.zeros((4, 4, 3))), 'image: uint8'),
])
def test_wrong_arguments_are_named(image, arguments, words):
    with pytest.raises(ValueError, match=words):
        draw_skeleton_2d(**dict(dict(image=image, keypoints=np.zeros((18, 2))), **arguments))


def test_joint_names_are_written(image):
    points = to_image(t_pose())
    assert (draw_skeleton_2d(image, points, joint_names=range(18)) != draw_skeleton_2d(image, points)).any()


def test_dashes_cover_their_share():
    dashes = dash((0, 0), (100, 0), 6, 4)
    assert dashes.shape == (10, 2, 2)
    np.testing.assert_allclose(np.linalg.norm(dashes[:, 1] - dashes[:, 0], axis=1), 6)
    assert dash((3, 3), (3, 3), 6, 4).shape == (0, 2, 2)
    assert dash((0, 0), (0, 7), 6, 4)[0].tolist() == [[0, 0], [0, 6]]
    assert len(dash((0, 0), (1e9, 0), 6, 4)) <= 501


def test_text_is_cut_at_the_edge_and_may_be_empty():
    canvas = blank((40, 20))
    assert put_text(canvas, '', (5, 5)) == (0, 0)
    assert (canvas == 255).all()
    for xy in ((-10, -5), (35, 15), (500, 500)):
        put_text(canvas, '\u22121000 mm', xy, 12)
    assert (canvas != 255).any()
    wide, high = put_text(canvas, 'mm', (0, 0), 12)
    assert put_text(canvas, 'mm', (0, 0), 12, upright=True) == (high, wide)


def test_ellipses_outside_the_canvas_do_nothing():
    canvas = blank((30, 30))
    shade_ellipses(canvas, np.array([[-100.0, 5.0]]), np.eye(2)[None] * 4, [(0, 0, 0)])
    shade_ellipses(canvas, np.zeros((0, 2)), np.zeros((0, 2, 2)), [])
    assert (canvas == 255).all()


def test_grey_images_become_three_channels():
    assert as_canvas(np.zeros((4, 5), np.uint8)).shape == (4, 5, 3)


def test_pictures_are_written_whole_or_not_at_all(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    save_picture(picture, tmp_path / 'new' / 'a.png')
    import cv2
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'new' / 'a.png'))[..., ::-1], picture)
    with pytest.raises(OSError, match='ends in .png or .jpg'):
        save_picture(picture, tmp_path / 'a.txt')
    assert [path.name for path in tmp_path.rglob('*') if path.is_file()] == ['a.png']


def test_tags_keep_clear_of_each_other():
    canvas = blank((200, 120), (200, 200, 200))
    places = [(100, 60), (104, 62), (96, 58), (np.nan, 5), (2, 1), (199, 119)]
    tags = put_tags(canvas, [f'#{n}' for n in range(6)], places, 12, [(90, 20, 110, 40)])
    assert len(tags) == 5, 'none for a place that is nowhere'
    for n, (left, top, right, bottom) in enumerate(tags):
        assert 0 <= left < right <= 200 and 0 <= top < bottom <= 120
        assert (canvas[top:bottom, left:right] == INK).all(axis=-1).mean() > 0.3
        for other in [*tags[:n], (90, 20, 110, 40)]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
    assert tags[0][3] == 60 and tags[0][0] + tags[0][2] == pytest.approx(200, abs=1)
    put_tags(blank((8, 5)), ['a long name'], [(3, 3)], 12)


def test_heads_are_the_highest_known_joints():
    people = np.stack([to_image(t_pose()), to_image(t_pose(), 0.1), np.full((18, 3), np.nan)])
    people[1, 10] = np.nan
    heads = head_places(people)
    np.testing.assert_allclose(heads[:2], [people[0, 10, :2], people[1, 9, :2]])
    assert np.isnan(heads[2]).all() and head_places(np.zeros((0, 18, 2))).shape == (0, 2)
