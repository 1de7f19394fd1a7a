import numpy as np
import pytest
from bodies import t_pose
from scipy.spatial.transform import Rotation

from mmpose_integral.structures.skeleton import LEFT_COLOR, RIGHT_COLOR
from mmpose_integral.visualization import scene_3d
from mmpose_integral.visualization.canvas import WHITE, blank
from mmpose_integral.visualization.room import SteadyRooms, draw_room, empty_room, label_axes, label_margins
from mmpose_integral.visualization.scene_3d import arrange_people, draw_skeletons_3d, place_people
from mmpose_integral.visualization.view_3d import (
    VIEWS,
    Box,
    View,
    fit_box,
    make_view,
    nice_step,
    resolve_view,
    view_rotation,
)

HEAD, LEFT_WRIST, RIGHT_WRIST = 10, 13, 16


@pytest.mark.parametrize('azimuth, elevation', [(0, 0), (90, 0), (-35, 20), (180, 8), (10, 90), (250, -30)])
def test_rotation_against_scipy(azimuth, elevation):
    expected = Rotation.from_euler('x', elevation, degrees=True) * Rotation.from_euler('y', azimuth, degrees=True)
    np.testing.assert_allclose(view_rotation(azimuth, elevation), expected.as_matrix(), atol=1e-12)


def test_views_look_where_they_say():
    right, down, away = np.eye(3)
    np.testing.assert_allclose(view_rotation(0, 0), np.eye(3), atol=1e-12)
    side = view_rotation(90, 0)
    np.testing.assert_allclose(side @ away, [1, 0, 0], atol=1e-12)      # away is on the right
    np.testing.assert_allclose(side @ right, [0, 0, -1], atol=1e-12)    # the camera's right is near
    top = view_rotation(0, 90)
    np.testing.assert_allclose(top @ away, [0, -1, 0], atol=1e-12)      # away is up
    np.testing.assert_allclose(top @ down, [0, 0, 1], atol=1e-12)       # the floor is far
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
    np.testing.assert_allclose(view.project_std(mean, std), expected, rtol=0.03, atol=0.5)


@pytest.mark.parametrize('extent, step', [(1500, 500), (1499, 250), (3000, 1000), (760, 250), (0.9, 0.25), (6, 2)])
def test_steps_are_round(extent, step):
    assert nice_step(extent) == pytest.approx(step)


def test_box_holds_everybody_and_keeps_still():
    points = t_pose(0.95)
    box = fit_box(points)
    assert (points >= box.low).all() and (points <= box.high).all()
    assert box.high[1] == points[:, 1].max() and box.low[0] == -box.high[0]
    nudged = fit_box(points + (3, 0, -2))
    np.testing.assert_array_equal(nudged.low, box.low)
    fixed = fit_box(points, extent=1200)
    assert fixed.high[0] == fixed.high[2] == 1200 and fixed.low[1] == -1200
    assert (fit_box(np.zeros((0, 3))).high > 0).all()


def test_ticks_are_multiples_inside():
    box = Box(np.array([-600.0, -250, -1]), np.array([600.0, 880, 1]), 250.0)
    assert box.ticks(0).tolist() == [-500, -250, 0, 250, 500]
    assert box.ticks(1).tolist() == [-250, 0, 250, 500, 750]


@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize('view', [*VIEWS, (17.0, 33.0)])
def test_the_whole_box_is_on_the_panel(view, perspective):
    box = fit_box(t_pose())
    camera = make_view(box, view, (360, 480), perspective, (40, 30, 20, 50))
    xy = camera.project(box.corners())[0]
    assert (xy >= (40 - 1e-6, 30 - 1e-6)).all() and (xy <= (340 + 1e-6, 430 + 1e-6)).all()
    gaps = np.concatenate([xy.min(axis=0) - (40, 30), (340, 430) - xy.max(axis=0)])
    assert np.sort(gaps)[:2] == pytest.approx(0, abs=1e-6), 'it touches two opposite margins'


def cameras_of(monkeypatch):
    """Record the views that drawing makes."""
    made, original = [], scene_3d.empty_room

    def record(*args):
        panel, camera = original(*args)
        made.append(camera)
        return panel, camera

    monkeypatch.setattr(scene_3d, 'empty_room', record)
    return made


@pytest.mark.parametrize('view', ['front', 'side', 'back', (-40, 20)])
def test_joints_land_where_the_view_says(monkeypatch, view):
    made = cameras_of(monkeypatch)
    person = t_pose()
    person[LEFT_WRIST, 2], person[RIGHT_WRIST, 2] = -300, 400
    panel = draw_skeletons_3d(person, view, (360, 480), perspective=False)
    xy, _ = made[0].project(person)
    for joint, color in ((LEFT_WRIST, LEFT_COLOR), (RIGHT_WRIST, RIGHT_COLOR)):
        x, y = np.rint(xy[joint]).astype(int)
        # Far parts fade towards white, by a third at most.
        share = (panel[y, x].astype(float) - color) / (255.0 - np.array(color))
        assert np.ptp(share) < 0.02 and -0.01 < share.mean() < 0.36


def test_left_is_left():
    # Facing the camera, the person's left hand is on the right of the picture; seen from behind, on the left.
    for view, sign in (('front', 1), ('back', -1)):
        panel = draw_skeletons_3d(t_pose(), view, (360, 480), perspective=False)
        blue = np.nonzero(panel[..., 2].astype(int) - panel[..., 0] > 60)[1].mean()
        red = np.nonzero(panel[..., 0].astype(int) - panel[..., 2] > 60)[1].mean()
        assert np.sign(blue - red) == sign


def test_ghost_and_uncertainty_show():
    plain = draw_skeletons_3d(t_pose())
    moved = t_pose()
    moved[HEAD] += (200, 0, 0)
    with_ghost = draw_skeletons_3d(t_pose(), truth=moved)
    assert (with_ghost != plain).any()
    assert (draw_skeletons_3d(moved, truth=t_pose()) != with_ghost).any(), 'ghost and prediction are told apart'
    assert (draw_skeletons_3d(t_pose(), std=np.full((18, 3), 60.0)) != plain).any()


def test_unsure_joints_stay(monkeypatch):
    made, scores = cameras_of(monkeypatch), np.ones(18)
    scores[LEFT_WRIST] = 0.05
    panel = draw_skeletons_3d(t_pose(), 'front', (540, 720), scores=scores, score_thr=0.3)
    x, y = np.rint(made[0].project(t_pose())[0][LEFT_WRIST]).astype(int)
    assert panel[y, x].tolist() == [255, 255, 255]
    ring = panel[y - 8:y + 9, x - 8:x + 9].reshape(-1, 3).astype(int)
    assert (ring[:, 2] - ring[:, 0] > 60).any()


@pytest.mark.parametrize('view', ['front', 'side', (-40, 20)])
def test_several_people_stand_side_by_side_in_image_order(view):
    people = np.stack([t_pose(), t_pose(0.8), t_pose(1.1)])
    placed, truth, seen = arrange_people(people, view, people + 1, positions=[300, 100, 200])
    azimuth, elevation = resolve_view(view)
    assert seen == (0.0, elevation)
    spans = [(person[:, 0].min(), person[:, 0].max()) for person in placed]
    assert spans[1][1] < spans[2][0] and spans[2][1] < spans[0][0], 'left to right, nobody overlaps'
    assert min(span[0] for span in spans) == pytest.approx(-max(span[1] for span in spans))
    # Each is the same skeleton seen from the wanted side.
    turned = people @ view_rotation(azimuth, 0).T
    np.testing.assert_allclose(placed - placed[:, :1], turned - turned[:, :1], atol=1e-9)
    moved = (truth - placed).reshape(-1, 3)
    np.testing.assert_allclose(moved, np.broadcast_to(view_rotation(azimuth, 0) @ [1, 1, 1], moved.shape), atol=1e-9)


def test_one_person_keeps_the_view():
    person = t_pose()[None]
    placed, truth, seen = arrange_people(person, 'oblique')
    assert placed is person and truth is None and seen == VIEWS['oblique']


def test_drawing_survives_what_is_missing():
    person = t_pose()
    person[[3, 13]] = np.nan
    nobody = np.full((2, 18, 3), np.nan)
    half = np.stack([person, np.full((18, 3), np.nan)])
    for people in (person, nobody, half, np.zeros((18, 3)), np.zeros((0, 18, 3))):
        for view in ('front', 'top', 'side'):
            assert draw_skeletons_3d(people, view, (200, 240)).shape == (240, 200, 3)
    assert draw_skeletons_3d(person, 'front', (40, 30), title='a long title').shape == (30, 40, 3)


@pytest.mark.parametrize('arguments, words', [
    (dict(view='behind'), 'view: one of front'),
    (dict(view=(1, 2, 3)), 'azimuth, elevation'),
    (dict(people=np.zeros((18, 2))), 'people: shape'),
    (dict(truth=np.zeros((2, 18, 3))), r'truth: shape \(1, 18'),
    (dict(std=np.zeros((17, 3))), r'std: shape'),
])
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        draw_skeletons_3d(**dict(dict(people=t_pose()), **arguments))


def draw_by_hand(box, view, size, horizontal):
    camera = make_view(box, resolve_view(view), size, True, label_margins(size[1]))
    panel = blank(size, WHITE)
    draw_room(panel, box, camera)
    label_axes(panel, box, camera, 'mm', horizontal)
    return panel


@pytest.mark.parametrize('view, size, horizontal', [('front', (234, 360), True), ('oblique', (320, 300), False)])
def test_kept_rooms_are_as_drawn_anew(view, size, horizontal):
    box = fit_box(t_pose())
    expected = draw_by_hand(box, view, size, horizontal)
    for _ in range(3):
        panel, _ = empty_room(box, resolve_view(view), size, True, 'mm', horizontal)
        np.testing.assert_array_equal(panel, expected)
        panel[:] = 0    # the caller's own: what is kept must not change
    wider = box._replace(high=box.high + (250, 0, 0))
    np.testing.assert_array_equal(empty_room(wider, resolve_view(view), size, True, 'mm', horizontal)[0],
                                  draw_by_hand(wider, view, size, horizontal))


def test_pictures_do_not_depend_on_those_before():
    first = draw_skeletons_3d(t_pose(), std=np.full((18, 3), 40.0))
    for other in (t_pose(0.5), t_pose(), np.stack([t_pose()] * 3)):
        draw_skeletons_3d(other, truth=other)
    np.testing.assert_array_equal(draw_skeletons_3d(t_pose(), std=np.full((18, 3), 40.0)), first)


def test_rooms_only_grow_until_forgotten():
    rooms, small, large = SteadyRooms(), fit_box(t_pose(0.8)), fit_box(t_pose(1.4) + (0, 60, 0))
    np.testing.assert_array_equal(np.stack(rooms.grow('a', small)[:2]), np.stack(small[:2]))
    grown = rooms.grow('a', large)
    for box in (small, large):
        assert (grown.low <= box.low).all() and (grown.high >= box.high).all()
    again = rooms.grow('a', small)
    np.testing.assert_array_equal(np.stack(again[:2]), np.stack(grown[:2]))
    np.testing.assert_array_equal(rooms.grow('b', small).high, small.high)
    rooms.forget()
    np.testing.assert_array_equal(rooms.grow('a', small).high, small.high)


def test_once_several_always_several(monkeypatch):
    made, rooms = cameras_of(monkeypatch), SteadyRooms()
    alone = draw_skeletons_3d(t_pose(), 'side', rooms=rooms)
    draw_skeletons_3d(np.stack([t_pose()] * 2), 'side', rooms=rooms)
    after = draw_skeletons_3d(t_pose(), 'side', rooms=rooms)
    assert (alone != after).any()
    np.testing.assert_array_equal(made[2].rotation, made[1].rotation)
    assert made[2].scale == made[1].scale and made[0].scale != made[1].scale
    # Whoever is turned still shows the wanted side: seen from the right, an arm held away points right.
    person = t_pose()
    person[LEFT_WRIST] = (0, -470, 600)
    placed, _, seen = arrange_people(person[None], 'side', turn=True)
    assert seen == (0.0, VIEWS['side'][1]) and placed[0, LEFT_WRIST, 0] == pytest.approx(600)


def test_a_long_row_of_people_gets_a_room_of_their_height():
    row = np.concatenate([t_pose() + (1600 * n - 6400, 0, 0) for n in range(9)])
    assert fit_box(row, square=False).low[1] > -1500


def test_names_stand_above_heads_and_off_the_scale_bar(monkeypatch):
    places, original = [], scene_3d.put_tags
    monkeypatch.setattr(scene_3d, 'put_tags', lambda *args: places.extend(original(*args)) or places)
    bars, draw_bar = [], scene_3d.draw_scale_bar
    monkeypatch.setattr(scene_3d, 'draw_scale_bar', lambda *args: bars.append(draw_bar(*args)) or bars[-1])
    made = cameras_of(monkeypatch)
    draw_skeletons_3d(t_pose(), 'front', (360, 480), labels=['id 5'])
    x, y = made[0].project(t_pose())[0][HEAD]
    left, top, right, bottom = places[0]
    assert left < x < right and y - 40 < bottom <= y
    bar = bars[0]
    assert bar[2] > 0.9 * 360 and bar[3] < 0.1 * 480
    assert right <= bar[0] or left >= bar[2] or top >= bar[3]


def test_people_stand_where_they_are():
    people, roots = np.stack([t_pose(), t_pose(0.8)]), np.array([[-900.0, 100, 4000], [700, 160, 6000]])
    placed, truth = place_people(people, people + 5, roots)
    np.testing.assert_allclose(placed[1, 0] - placed[0, 0], roots[1] - roots[0])
    np.testing.assert_allclose(placed[:, 0].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(placed - placed[:, :1], people, atol=1e-9)
    np.testing.assert_allclose(truth - placed, 5, atol=1e-9)
    half, _ = place_people(people, None, np.array([[1.0, 2, 3], [np.nan] * 3]))
    np.testing.assert_allclose(half[0], people[0])
    assert np.isnan(half[1]).all()
    with pytest.raises(ValueError, match=r'roots: shape \(2, 3\)'):
        place_people(people, None, roots[:1])


@pytest.mark.parametrize('view', ['front', 'side', 'top'])
def test_one_scene_shows_the_places(monkeypatch, view):
    made, roots = cameras_of(monkeypatch), np.array([[-900.0, 0, 4000], [900, 0, 5000]])
    panel = draw_skeletons_3d(np.stack([t_pose()] * 2), view, (480, 480), roots=roots, perspective=False)
    for x, z in ((-900, -500), (900, 500)):
        wrist = t_pose()[LEFT_WRIST] + (x, 0, z)
        column, row = np.rint(made[0].project(wrist)[0]).astype(int)
        assert int(panel[row, column, 2]) - int(panel[row, column, 0]) > 50, 'blue'
    assert draw_skeletons_3d(np.zeros((0, 18, 3)), view, (480, 480), roots=np.zeros((0, 3))).shape == panel.shape
