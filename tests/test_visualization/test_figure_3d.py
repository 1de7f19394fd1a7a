"""The Plotly figure shows people in mm, upright, at equal scales."""
import json

import numpy as np
import pytest
from bodies import t_pose

from mmpose_integral.structures.skeleton import JOINT_NAMES, LEFT_COLOR, MIDDLE_COLOR, RIGHT_COLOR

pytest.importorskip('plotly', reason='plotly is not installed (pip install gradio plotly)')
from mmpose_integral.visualization.figure_3d import draw_figure_3d  # noqa: E402

NAMES = [name.replace('_', ' ') for name in JOINT_NAMES]


def joints_of(figure, person=0):
    """Trace of a person's joints, and its points (M, 3) mm as x, y, z of the camera axes."""
    trace = next(trace for trace in figure.data if trace.name == f'person {person}')
    return trace, np.array([trace.x, trace.z, trace.y]).T


def ranges_of(scene):
    """Low and high of x, y, z of the camera axes as the figure shows them."""
    return np.array([scene.xaxis.range, scene.zaxis.range, scene.yaxis.range])


@pytest.fixture
def person():
    """(18, 3) mm, a T-pose with a different extent along each axis."""
    pose = t_pose() * (1.0, 0.9, 1.1) + np.random.default_rng(0).normal(0, 30, (18, 3))
    return pose - pose[0]


def test_points_are_the_camera_axes_in_mm_and_people_are_upright(person):
    figure = draw_figure_3d(person)
    trace, points = joints_of(figure)
    np.testing.assert_allclose(points, person, atol=0.0051)
    assert list(trace.text) == NAMES
    scene = figure.layout.scene
    low_high = ranges_of(scene)
    assert low_high[1, 0] > person[:, 1].max() > person[:, 1].min() > low_high[1, 1]  # y down: its axis is reversed
    assert low_high[0, 0] < person[:, 0].min() and low_high[2, 1] > person[:, 2].max()
    ratio = np.array([scene.aspectratio.x, scene.aspectratio.z, scene.aspectratio.y])
    per_mm = ratio / np.abs(low_high[:, 1] - low_high[:, 0])
    np.testing.assert_allclose(per_mm, per_mm[0], rtol=1e-9)  # one mm is as long on every axis
    assert 'right' in scene.xaxis.title.text and 'away' in scene.yaxis.title.text and 'down' in scene.zaxis.title.text


@pytest.mark.parametrize('view, sign', [('front', (0, -1)), ('side', (1, 0)), ('back', (0, 1)), ('left', (-1, 0))])
def test_initial_viewpoint(view, sign):
    camera = draw_figure_3d(t_pose(), view=view).layout.scene.camera
    eye = np.array([camera.eye.x, camera.eye.y])  # right and away
    np.testing.assert_allclose(eye / np.linalg.norm(eye), sign, atol=1e-9)
    assert camera.eye.z > 0 and camera.up.z == 1  # from above


def test_bones_have_the_color_of_their_side(person):
    figure = draw_figure_3d(person)
    bones = {trace.name: trace for trace in figure.data if trace.mode == 'lines'}
    colors = dict(left=LEFT_COLOR, right=RIGHT_COLOR, middle=MIDDLE_COLOR)
    assert set(bones) == set(colors)
    names = {tuple(np.round(point, 2)): name for point, name in zip(person, JOINT_NAMES, strict=True)}
    assert sum(len(trace.x) for trace in bones.values()) == 17 * 3
    for side, trace in bones.items():
        assert trace.line.color == 'rgb({}, {}, {})'.format(*colors[side])
        points = list(zip(trace.x, trace.z, trace.y, strict=True))
        assert set(points[2::3]) == {(None, None, None)}
        for start, end in zip(points[::3], points[1::3], strict=True):
            sides = {name.split('_')[0] for name in (names[start], names[end])} & {'left', 'right'}
            assert sides == {side} - {'middle'}
    assert joints_of(figure)[0].marker.color[JOINT_NAMES.index('left_knee')] == bones['left'].line.color


def test_hover_text_has_coordinates_and_standard_deviation():
    rng = np.random.default_rng(2)
    people, std = rng.normal(0, 300, (2, 18, 3)), rng.uniform(1, 50, (2, 18, 3))
    figure = draw_figure_3d(people, std=std)
    for n in range(2):
        trace, _ = joints_of(figure, n)
        np.testing.assert_allclose(trace.customdata, np.concatenate([people[n], std[n]], axis=1), atol=0.0051)
        assert trace.hovertemplate.count('\u00b1') == 3 and 'customdata[5]' in trace.hovertemplate
    plain, _ = joints_of(draw_figure_3d(people))
    assert np.shape(plain.customdata) == (18, 3) and '\u00b1' not in plain.hovertemplate


def test_several_people_stand_side_by_side_in_the_order_of_the_image():
    figure = draw_figure_3d(np.stack([t_pose()] * 3), positions=[500, 20, 90])
    low, high = np.transpose([(points[:, 0].min(), points[:, 0].max()) for points in (
        joints_of(figure, n)[1] for n in (1, 2, 0))])
    assert (high[:-1] < low[1:]).all()
    assert sum(bool(trace.showlegend) for trace in figure.data) == 3  # each side once


def test_unknown_joints_are_left_out_and_those_of_low_score_are_hollow():
    people, scores = t_pose(), np.full(18, 0.9)
    people[7], scores[3] = np.nan, 0.1
    trace, points = joints_of(draw_figure_3d(people, scores=scores, score_thr=0.5))
    assert 'torso' not in trace.text and len(points) == 17 and np.isfinite(points).all()
    assert [name for name, symbol in zip(trace.text, trace.marker.symbol, strict=True) if symbol != 'circle'] == [
        'right ankle']


def test_headroom_keeps_the_size_of_the_room():
    rooms = []
    for size in (0.5, 1.0, 1.25):
        people = t_pose(size)
        low_high = ranges_of(draw_figure_3d(people, headroom=1.25 / size).layout.scene)
        rooms.append(np.append(np.abs(np.diff(low_high)).ravel(), low_high[[0, 2]].ravel()))
        assert 0 < low_high[1, 0] - people[:, 1].max() < 200  # on the floor at every size
    np.testing.assert_allclose(rooms, [rooms[0]] * 3, rtol=1e-6)


def test_figures_are_plain_json_and_keep_the_camera():
    first, second, empty = (json.loads(figure.to_json()) for figure in (
        draw_figure_3d(t_pose()), draw_figure_3d(t_pose(1.2)), draw_figure_3d([])))
    for figure in (first, second, empty):
        assert 'bdata' not in json.dumps(figure) and 'http' not in json.dumps(figure)
    assert first['layout']['uirevision'] == second['layout']['uirevision'] == empty['layout']['uirevision']
    assert [trace['name'] for trace in empty['data']] == ['nobody']


@pytest.mark.parametrize('arguments, message', [
    (dict(people=np.zeros((17, 3))), r'people: shape \(\[N,\] 18, 3\) expected, got \(17, 3\)'),
    (dict(people=t_pose(), headroom=0), 'headroom: a positive number expected, got 0'),
    (dict(people=t_pose(), view='above'), "view: one of front, .*got 'above'"),
    (dict(people=t_pose()[None].repeat(2, 0), std=np.ones((3, 18, 3))), r'std: shape \(2, 18, ...\) expected')])
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_figure_3d(**arguments)
