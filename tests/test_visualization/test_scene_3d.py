import numpy as np
import pytest
from bodies import HEAD, LEFT_WRIST, RIGHT_WRIST, t_pose

from mmpose_integral.structures.skeleton import LEFT_COLOR, RIGHT_COLOR
from mmpose_integral.visualization import VIEWS, scene_3d
from mmpose_integral.visualization.room import SteadyRooms, empty_room
from mmpose_integral.visualization.scene_3d import draw_skeletons_3d, place_at, place_beside
from mmpose_integral.visualization.view_3d import Box, View, fit_box, make_view, nice_step, resolve_view, view_rotation

PERSON = t_pose()


@pytest.fixture
def cameras(monkeypatch):
    """The views that drawing makes."""
    made = []

    def record(*args):
        panel, camera = empty_room(*args)
        made.append(camera)
        return panel, camera

    monkeypatch.setattr(scene_3d, 'empty_room', record)
    return made


def test_directions_of_the_views():
    # From the right, "away" is on the right and the camera's right is near. From the top, "away" is up and down is far.
    np.testing.assert_allclose(view_rotation(90, 0), [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(view_rotation(0, 90), [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)
    # The azimuth comes first: "right" stays level, and a raised viewpoint looks down.
    right, away = (np.cos(0.6), 0, np.sin(0.6)), (-np.cos(0.3) * np.sin(0.6), np.sin(0.3), np.cos(0.3) * np.cos(0.6))
    np.testing.assert_allclose(view_rotation(*np.degrees([0.6, 0.3])), [right, np.cross(away, right), away],
                               atol=1e-12)
    assert resolve_view('top') == VIEWS['top'] and resolve_view((5, 6)) == (5.0, 6.0)


def test_projection_in_closed_form():
    point = np.array([300.0, -200.0, 500.0])
    flat = View(np.eye(3), np.zeros(3), 0.2, np.array([100.0, 150.0]), np.inf)
    xy, depth = flat.project(point)
    np.testing.assert_allclose(xy, [160, 110])
    assert depth == 500
    deep = flat._replace(distance=2000.0)
    np.testing.assert_allclose(deep.project(point)[0], [100 + 0.2 * 300 / 1.25, 150 - 0.2 * 200 / 1.25])
    turned = flat._replace(rotation=view_rotation(90, 0), center=np.array([0, 0, 100.0]))
    np.testing.assert_allclose(turned.project(point)[0], [100 + 0.2 * 400, 110])


def test_projected_uncertainty_against_sampling():
    view = View(view_rotation(-40, 20), np.array([10.0, 20, 30]), 0.3, np.zeros(2), 8000.0)
    mean, std = np.array([200.0, -300, 150]), np.array([20.0, 35, 60])
    samples = np.random.default_rng(0).normal(mean, std, (200_000, 3))
    expected = np.cov(view.project(samples)[0].T)
    np.testing.assert_allclose(view.project_std(mean, std, view.rotation), expected, rtol=0.03, atol=0.5)


@pytest.mark.parametrize('extent, step', [(1500, 500), (1499, 250), (3000, 1000), (760, 250), (0.9, 0.25), (6, 2)])
def test_steps_are_round(extent, step):
    assert nice_step(extent) == pytest.approx(step)


def test_box_contains_everybody_and_does_not_change_with_small_motions():
    points = t_pose(0.95)
    box = fit_box(points)
    assert (points >= box.low).all() and (points <= box.high).all()
    assert box.high[1] == points[:, 1].max() and box.low[0] == -box.high[0]
    assert fit_box(points + (3, 0, -2)).low == box.low
    fixed = fit_box(points, extent=1200)
    assert fixed.high[0] == fixed.high[2] == 1200 and fixed.low[1] == -1200
    assert min(fit_box(np.zeros((0, 3))).high) > 0
    row = np.concatenate([PERSON + (1600 * n - 6400, 0, 0) for n in range(9)])
    assert fit_box(row, square=False).low[1] > -1500, 'the room of a long row has the height of people'


def test_ticks_are_multiples_inside_of_the_box():
    assert Box((-600.0, -250, -1), (600.0, 880, 1), 250.0).ticks(1).tolist() == [-250, 0, 250, 500, 750]


@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize('view', [*VIEWS, (17.0, 33.0)])
def test_the_whole_box_is_on_the_panel(view, perspective):
    box = fit_box(PERSON)
    xy = make_view(box, view, (360, 480), perspective, (40, 30, 20, 50)).project(box.corners())[0]
    gaps = np.concatenate([xy.min(axis=0) - (40, 30), (340, 430) - xy.max(axis=0)])
    assert gaps.min() > -1e-6
    assert np.sort(gaps)[:2] == pytest.approx(0, abs=1e-6), 'it touches two opposite margins'


@pytest.mark.parametrize('view', ['front', 'side', 'back', (-40, 20)])
def test_joints_are_drawn_where_the_view_projects_them(cameras, view):
    person = t_pose()
    person[LEFT_WRIST, 2], person[RIGHT_WRIST, 2] = -300, 400
    panel = draw_skeletons_3d(person, view, (360, 480), perspective=False)
    for joint, color in ((LEFT_WRIST, LEFT_COLOR), (RIGHT_WRIST, RIGHT_COLOR)):
        x, y = np.rint(cameras[0].project(person)[0][joint]).astype(int)
        # Far parts fade towards white, by about a third at most.
        share = (panel[y, x].astype(float) - color) / (255.0 - np.array(color))
        assert np.ptp(share) < 0.02 and -0.01 < share.mean() < 0.36


@pytest.mark.parametrize('view, sign', [('front', 1), ('back', -1)])
def test_left_hand_is_on_the_right_of_a_front_view(view, sign):
    panel = draw_skeletons_3d(PERSON, view, (360, 480), perspective=False).astype(int)
    blue, red = (np.nonzero(sign * (panel[..., 2] - panel[..., 0]) > 60)[1].mean() for sign in (1, -1))
    assert np.sign(blue - red) == sign


def test_truth_and_uncertainty_change_the_picture():
    moved = PERSON + np.where(np.arange(18)[:, None] == HEAD, (200, 0, 0), 0)
    plain, with_truth = draw_skeletons_3d(PERSON), draw_skeletons_3d(PERSON, truth=moved)
    assert (with_truth != plain).any()
    assert (draw_skeletons_3d(moved, truth=PERSON) != with_truth).any(), 'truth and prediction look different'
    assert (draw_skeletons_3d(PERSON, std=np.full((18, 3), 60.0)) != plain).any()


def test_joints_of_low_score_are_hollow(cameras):
    scores = np.ones(18)
    scores[LEFT_WRIST] = 0.05
    panel = draw_skeletons_3d(PERSON, 'front', (540, 720), scores=scores, score_thr=0.3)
    x, y = np.rint(cameras[0].project(PERSON)[0][LEFT_WRIST]).astype(int)
    assert panel[y, x].tolist() == [255, 255, 255]
    ring = panel[y - 8:y + 9, x - 8:x + 9].reshape(-1, 3).astype(int)
    assert (ring[:, 2] - ring[:, 0] > 60).any()


@pytest.mark.parametrize('view', ['front', 'side', (-40, 20)])
def test_several_people_stand_side_by_side_in_image_order(view):
    people = np.stack([PERSON, t_pose(0.8), t_pose(1.1)])
    place = place_beside(people, view, positions=[300, 100, 200])
    (azimuth, elevation), placed = resolve_view(view), place.move(people)
    assert place.view == (0.0, elevation)
    spans = [(person[:, 0].min(), person[:, 0].max()) for person in placed]
    assert spans[1][1] < spans[2][0] and spans[2][1] < spans[0][0], 'from left to right without overlap'
    assert min(span[0] for span in spans) == pytest.approx(-max(span[1] for span in spans))
    # Each is the same skeleton seen from the wanted side.
    turned = people @ view_rotation(azimuth, 0).T
    np.testing.assert_allclose(placed - placed[:, :1], turned - turned[:, :1], atol=1e-9)


def test_one_person_keeps_the_view_unless_turned():
    place, turned = place_beside(PERSON[None], 'oblique'), place_beside(PERSON[None], 'side', turn=True)
    assert (place.move(PERSON[None]) == PERSON).all() and place.view == VIEWS['oblique']
    # Seen from the right, what is away is on the right.
    np.testing.assert_allclose(turned.move(PERSON[None])[0, :, 0], PERSON[:, 2], atol=1e-9)
    assert turned.view == (0.0, VIEWS['side'][1])


@pytest.mark.parametrize('view', ['front', 'top', 'side'])
@pytest.mark.parametrize('people', [
    np.where(np.isin(np.arange(18), (3, 13))[:, None], np.nan, PERSON), np.full((2, 18, 3), np.nan),
    np.stack([PERSON, np.full((18, 3), np.nan)]), np.zeros((18, 3)), np.zeros((0, 18, 3))])
def test_incomplete_people_are_drawn(people, view):
    assert draw_skeletons_3d(people, view, (200, 240)).shape == (240, 200, 3)
    assert draw_skeletons_3d(people, view, (40, 30), title='a long title').shape == (30, 40, 3)


@pytest.mark.parametrize('arguments, words', [
    (dict(view='behind'), 'view: one of front'),
    (dict(view=(1, 2, 3)), 'azimuth, elevation'),
    (dict(people=np.zeros((18, 2))), 'people: shape'),
    (dict(truth=np.zeros((2, 18, 3))), r'truth: shape \(1, 18'),
    (dict(std=np.zeros((17, 3))), 'std: shape'),
    (dict(roots=np.zeros((2, 3))), r'roots: shape \(1, 3\)'),
])
def test_errors_name_the_argument(arguments, words):
    with pytest.raises(ValueError, match=words):
        draw_skeletons_3d(**dict(dict(people=PERSON), **arguments))


def test_pictures_do_not_depend_on_those_before():
    empty_room.cache_clear()
    first = draw_skeletons_3d(PERSON, std=np.full((18, 3), 40.0))
    for other in (t_pose(0.5), PERSON, np.stack([PERSON] * 3)):
        draw_skeletons_3d(other, truth=other)
    np.testing.assert_array_equal(draw_skeletons_3d(PERSON, std=np.full((18, 3), 40.0)), first)
    assert empty_room.cache_info().hits == 2, 'one room is drawn once'


def test_rooms_only_grow():
    rooms, small, large = SteadyRooms(), fit_box(t_pose(0.8)), fit_box(t_pose(1.4) + (0, 60, 0))
    assert rooms.grow('a', small) == small
    grown = rooms.grow('a', large)
    for box in (small, large):
        assert np.less_equal(grown.low, box.low).all() and np.greater_equal(grown.high, box.high).all()
    assert rooms.grow('a', small) == grown and rooms.grow('b', small) == small


def test_the_placement_of_several_people_is_kept_in_a_video(cameras):
    rooms = SteadyRooms()
    alone = draw_skeletons_3d(PERSON, 'side', rooms=rooms)
    draw_skeletons_3d(np.stack([PERSON] * 2), 'side', rooms=rooms)
    assert (alone != draw_skeletons_3d(PERSON, 'side', rooms=rooms)).any()
    np.testing.assert_array_equal(cameras[2].rotation, cameras[1].rotation)
    assert cameras[2].scale == cameras[1].scale and cameras[0].scale != cameras[1].scale


def test_names_are_above_heads_and_beside_the_scale_bar(cameras, monkeypatch):
    calls, original = [], scene_3d.put_tags
    monkeypatch.setattr(scene_3d, 'put_tags', lambda *args: calls.append((original(*args), args[-1])))
    draw_skeletons_3d(PERSON, 'front', (360, 480), labels=['id 5'])
    ((left, top, right, bottom), ), (bar, ) = calls[0]
    x, y = cameras[0].project(PERSON)[0][HEAD]
    assert left < x < right and y - 40 < bottom <= y
    assert bar[2] > 0.9 * 360 and bar[3] < 0.1 * 480
    assert right <= bar[0] or left >= bar[2] or top >= bar[3]


def test_people_stand_at_their_roots():
    people, roots = np.stack([PERSON, t_pose(0.8)]), np.array([[-900.0, 100, 4000], [700, 160, 6000]])
    placed = place_at(roots, 'front', 2).move(people)
    np.testing.assert_allclose(placed[1, 0] - placed[0, 0], roots[1] - roots[0])
    np.testing.assert_allclose(placed[:, 0].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(placed - placed[:, :1], people, atol=1e-9)
    half = place_at([[1.0, 2, 3], [np.nan] * 3], 'front', 2).move(people)
    np.testing.assert_allclose(half[0], people[0])
    assert np.isnan(half[1]).all()


@pytest.mark.parametrize('view', ['front', 'side', 'top'])
def test_roots_are_drawn_in_all_views(cameras, view):
    roots = np.array([[-900.0, 0, 4000], [900, 0, 5000]])
    panel = draw_skeletons_3d(np.stack([PERSON] * 2), view, (480, 480), roots=roots, perspective=False)
    for x, z in ((-900, -500), (900, 500)):
        column, row = np.rint(cameras[0].project(PERSON[LEFT_WRIST] + (x, 0, z))[0]).astype(int)
        assert int(panel[row, column, 2]) - int(panel[row, column, 0]) > 50, 'blue'
    assert draw_skeletons_3d(np.zeros((0, 18, 3)), view, (480, 480), roots=np.zeros((0, 3))).shape == panel.shape
