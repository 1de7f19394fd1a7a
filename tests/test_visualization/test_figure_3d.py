"""The Plotly figure holds the people's own millimetres, upright, at equal scales."""
import json

import numpy as np
import pytest
from bodies import t_pose

from mmpose_integral.structures.skeleton import JOINT_NAMES, LEFT_COLOR, MIDDLE_COLOR, RIGHT_COLOR

pytest.importorskip('plotly', reason='plotly is not installed (pip install gradio plotly)')
from mmpose_integral.visualization.figure_3d import draw_figure_3d  # noqa: E402


def joints_of(figure, person=0):
    """Trace of a person's joints, and its points (M, 3) mm as x, y, z of the camera axes."""
    trace = next(trace for trace in figure.data if trace.name == f'person {person}')
    return trace, np.array([trace.x, trace.z, trace.y]).T


def ranges_of(scene):
    """Low and high of x, y, z of the camera axes as the figure shows them."""
    return np.array([scene.xaxis.range, scene.zaxis.range, scene.yaxis.range])


def turned_pose(rng):
    """A T-pose with three different extents, and errors of three different sizes."""
    return t_pose() * (1.0, 0.9, 1.1) + rng.normal(0, 30, (18, 3))


def test_points_are_the_camera_axes_in_mm_and_stand_upright():
    people = turned_pose(np.random.default_rng(0))
    people -= people[0]
    figure = draw_figure_3d(people)
    trace, points = joints_of(figure)
    np.testing.assert_allclose(points, people, atol=0.0051)
    assert list(trace.text) == [name.replace('_', ' ') for name in JOINT_NAMES]
    scene = figure.layout.scene
    low_high = ranges_of(scene)
    assert low_high[1, 0] > people[:, 1].max() > people[:, 1].min() > low_high[1, 1]  # y down: its axis is reversed
    assert low_high[0, 0] < people[:, 0].min() and low_high[2, 1] > people[:, 2].max()
    ratio = np.array([scene.aspectratio.x, scene.aspectratio.z, scene.aspectratio.y])
    per_mm = ratio / np.abs(low_high[:, 1] - low_high[:, 0])
    np.testing.assert_allclose(per_mm, per_mm[0], rtol=1e-9)  # one mm is as long on every axis
    assert 'right' in scene.xaxis.title.text and 'away' in scene.yaxis.title.text and 'down' in scene.zaxis.title.text


@pytest.mark.parametrize('view, sign', [('front', (0, -1)), ('side', (1, 0)), ('back', (0, 1)), ('left', (-1, 0))])
def test_the_onlooker_starts_where_the_view_says(view, sign):
    camera = draw_figure_3d(t_pose(), view=view).layout.scene.camera
    eye = np.array([camera.eye.x, camera.eye.y])  # right and away
    np.testing.assert_allclose(eye / np.linalg.norm(eye), sign, atol=1e-9)
    assert camera.eye.z > 0 and camera.up.z == 1  # from above


def test_every_bone_is_drawn_in_its_side_s_colour():
    people = turned_pose(np.random.default_rng(1))
    figure = draw_figure_3d(people)
    bones = {trace.name: trace for trace in figure.data if trace.mode == 'lines'}
    colors = dict(left=LEFT_COLOR, right=RIGHT_COLOR, middle=MIDDLE_COLOR)
    assert set(bones) == set(colors)
    names = {tuple(np.round(point, 2)): name for point, name in zip(people, JOINT_NAMES, strict=True)}
    count = 0
    for side, trace in bones.items():
        assert trace.line.color == 'rgb({}, {}, {})'.format(*colors[side])
        points = list(zip(trace.x, trace.z, trace.y, strict=True))
        assert all(point == (None, None, None) for point in points[2::3])
        for start, end in zip(points[::3], points[1::3], strict=True):
            sides = {name.split('_')[0] for name in (names[start], names[end])} & {'left', 'right'}
            assert sides == ({side} if side != 'middle' else set())
            count += 1
    assert count == 17
    trace, _ = joints_of(figure)
    assert trace.marker.color[JOINT_NAMES.index('left_knee')] == 'rgb({}, {}, {})'.format(*LEFT_COLOR)


def test_hovering_tells_name_place_and_uncertainty():
    rng = np.random.default_rng(2)
    people, std = rng.normal(0, 300, (2, 18, 3)), rng.uniform(1, 50, (2, 18, 3))
    people -= people[:, :1]
    figure = draw_figure_3d(people, std=std)
    for n in range(2):
        trace, _ = joints_of(figure, n)
        np.testing.assert_allclose(trace.customdata, np.concatenate([people[n], std[n]], axis=1), atol=0.0051)
        assert trace.hovertemplate.count('\u00b1') == 3 and 'customdata[5]' in trace.hovertemplate
    plain, _ = joints_of(draw_figure_3d(people))
    assert np.shape(plain.customdata) == (18, 3) and '\u00b1' not in plain.hovertemplate


def test_several_people_stand_side_by_side_in_the_image_s_order():
    people = np.stack([t_pose(size) for size in (1.0, 0.8, 1.1)])
    figure = draw_figure_3d(people, positions=[500, 20, 90])
    spans = [(points[:, 0].min(), points[:, 0].max()) for points in (joints_of(figure, n)[1] for n in range(3))]
    assert spans[1][1] < spans[2][0] and spans[2][1] < spans[0][0]
    for n in range(3):
        _, points = joints_of(figure, n)
        np.testing.assert_allclose(points - points[0], people[n] - people[n, 0], atol=0.011)
    assert sum(bool(trace.showlegend) for trace in figure.data) == 3  # each side once


def test_unknown_joints_are_absent_and_unsure_ones_hollow():
    people, scores = t_pose(), np.full(18, 0.9)
    people[7], scores[3] = np.nan, 0.1
    trace, points = joints_of(draw_figure_3d(people, scores=scores, score_thr=0.5))
    assert 'torso' not in trace.text and len(points) == 17 and np.isfinite(points).all()
    hollow = [name for name, symbol in zip(trace.text, trace.marker.symbol, strict=True) if symbol != 'circle']
    assert hollow == ['right ankle']


def test_a_person_who_grows_stays_in_one_room():
    sizes, rooms = (0.5, 1.0, 1.25), []
    for size in sizes:
        people = t_pose(size)
        scene = draw_figure_3d(people, headroom=1.25 / size).layout.scene
        low_high = ranges_of(scene)
        rooms.append(np.append(np.abs(np.diff(low_high)).ravel(), low_high[[0, 2]].ravel()))
        floor = low_high[1, 0] - people[:, 1].max()
        assert 0 < floor < 200  # on the floor at every size
    np.testing.assert_allclose(rooms, [rooms[0]] * 3, rtol=1e-6)


def test_figures_travel_as_plain_lists_and_keep_the_camera():
    first, second, nobody = (json.loads(figure.to_json()) for figure in (
        draw_figure_3d(t_pose()), draw_figure_3d(t_pose(1.2)), draw_figure_3d([])))
    for figure in (first, second, nobody):
        assert 'bdata' not in json.dumps(figure) and 'http' not in json.dumps(figure)
    assert first['layout']['uirevision'] == second['layout']['uirevision'] == nobody['layout']['uirevision']
    assert [trace['name'] for trace in nobody['data']] == ['nobody']


@pytest.mark.parametrize('arguments, message', [
    (dict(people=np.zeros((17, 3))), r'people: shape \(\[N,\] 18, 3\) expected, got \(17, 3\)'),
    (dict(people=t_pose(), headroom=0), 'headroom: a positive number expected, got 0'),
    (dict(people=t_pose(), view='above'), "view: one of front, .*got 'above'"),
    (dict(people=t_pose()[None].repeat(2, 0), std=np.ones((3, 18, 3))), r'std: shape \(2, 18, ...\) expected')])
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_figure_3d(**arguments)
