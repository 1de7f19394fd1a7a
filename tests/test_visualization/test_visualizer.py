"""What is drawn of people, and from which numbers."""
import contextlib
import sys

import cv2
import numpy as np
import pytest
from bodies import t_pose, to_image
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from pose_samples import LENGTH, make_sample

import mmpose_integral  # noqa: F401  registers the visualizer and the hook
from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS, skeleton_length
from mmpose_integral.structures.bone_length import resolve_bone_length
from mmpose_integral.visualization import check_window
from mmpose_integral.visualization.instances import read_people, read_truth


def test_px_become_mm_by_bone_length():
    sample = make_sample(people=2)
    people = read_people(sample.pred_instances, LENGTH)
    np.testing.assert_allclose(skeleton_length(people.keypoints_mm), LENGTH)
    np.testing.assert_allclose(people.keypoints_mm[1], t_pose() * LENGTH / skeleton_length(t_pose()), atol=0.1)
    # One px of error is worth as many mm as one px of skeleton.
    for n, scale in ((0, 0.2), (1, 0.18)):
        np.testing.assert_allclose(people.std_mm[n], 4.0 / scale * LENGTH / skeleton_length(t_pose()), rtol=1e-4)
    assert people.rescaled and people.first(-1) is people
    assert [len(value) for value in people.first(1) if isinstance(value, np.ndarray)] == [1] * 6


def test_the_inferencers_mm_are_taken_as_they_are():
    sample = make_sample(keypoints_2d=to_image(t_pose())[None, :, :2])
    sample.pred_instances.set_field(t_pose()[None], 'keypoints')
    sample.pred_instances.set_field(np.full((1, 18, 3), 30.0), 'keypoint_std')
    people = read_people(sample.pred_instances, LENGTH)
    np.testing.assert_array_equal(people.keypoints_mm[0], t_pose())
    np.testing.assert_array_equal(people.keypoints_2d[0], to_image(t_pose())[:, :2])
    np.testing.assert_allclose(people.std_px, 30.0 * 0.2, rtol=1e-6)
    np.testing.assert_array_equal(people.std_mm, 30.0)
    assert not people.rescaled


def test_given_mm_win_over_rescaling():
    people = read_people(make_sample(keypoints_mm=2 * t_pose()[None]).pred_instances, LENGTH)
    np.testing.assert_array_equal(people.keypoints_mm[0], 2 * t_pose())
    assert not people.rescaled


def test_unusable_predictions_do_not_stop_a_run(image, visualizer, tmp_path):
    collapsed = make_sample()
    collapsed.pred_instances.keypoints[:] = 50.0
    assert np.isnan(read_people(collapsed.pred_instances, LENGTH).keypoints_mm).all()
    visualizer.add_datasample('collapsed', image, collapsed, out_file=str(tmp_path / 'a.png'))
    nobody = PoseDataSample()
    nobody.pred_instances = InstanceData()
    visualizer.add_datasample('nobody', image, nobody, out_file=str(tmp_path / 'b.png'))
    visualizer.add_datasample('nothing', image, PoseDataSample(), out_file=str(tmp_path / 'c.png'))
    flat = PoseDataSample()
    flat.pred_instances = InstanceData(keypoints=to_image(t_pose())[None, :, :2])
    assert visualizer.add_datasample('2d', image, flat, crop=True).shape[1] < 480


def test_truth_is_read_where_there_is_some():
    instances = InstanceData(keypoints_mm=t_pose()[None], keypoints=np.zeros((1, 18, 2)))
    truth = read_truth(instances)
    assert truth.keypoints_2d is None and truth.keypoints_mm.shape == (1, 18, 3)
    instances.keypoints_2d = to_image(t_pose())[None]
    np.testing.assert_array_equal(read_truth(instances).keypoints_2d, instances.keypoints_2d)
    assert read_truth(InstanceData()).keypoints_mm is None


@pytest.mark.parametrize('wish, meta, expected', [
    (1234, {'skeleton_length': {'train+val': 5}}, 1234), (None, {'skeleton_length': {'train': 4, 'train+val': 5}}, 5),
    (None, {'skeleton_length': {'train': 4}}, 4), (None, {}, PUBLISHED_SKELETON_LENGTHS['train+val']),
    (None, None, PUBLISHED_SKELETON_LENGTHS['train+val'])])
def test_bone_length_comes_from_the_best_source(wish, meta, expected):
    assert resolve_bone_length(wish, dataset_meta=meta) == expected


def test_other_skeletons_are_refused(image, visualizer):
    sample = make_sample()
    sample.pred_instances = InstanceData(keypoints=np.zeros((1, 17, 2)))
    with pytest.raises(ValueError, match=r'pred_instances.keypoints: shape \(N, 18'):
        visualizer.add_datasample('x', image, sample)
    with pytest.raises(ValueError, match="skeleton_style: 'mmpose'"):
        visualizer.add_datasample('x', image, make_sample(), skeleton_style='openpose')


def test_arguments_of_mmposes_callers(image, visualizer, tmp_path):
    out_file = tmp_path / 'new' / 'folder' / 'a.jpg'
    picture = visualizer.add_datasample(
        'name', image, make_sample(people=2), det_data_sample=None, draw_gt=False, draw_pred=True, draw_2d=True,
        draw_bbox=True, draw_heatmap=True, show_kpt_idx=True, skeleton_style='mmpose', dataset_2d='coco',
        dataset_3d='h36m', convert_keypoint=True, num_instances=1, show=False, wait_time=0.1, out_file=str(out_file),
        kpt_thr=0.5, step=3)
    written = cv2.imread(str(out_file))[..., ::-1]
    assert written.shape == picture.shape and np.abs(written.astype(int) - picture).mean() < 3
    np.testing.assert_array_equal(visualizer.get_image(), picture)
    visualizer.set_image(image)
    assert visualizer.get_image().shape == image.shape


def test_options_show(image, visualizer):
    sample = make_sample(people=2)
    base = visualizer.add_datasample('x', image, sample)

    def changes(**kwargs):
        return (visualizer.add_datasample('x', image, sample, **kwargs) != base).any()

    assert changes(draw_gt=False) and changes(draw_bbox=True) and changes(kpt_thr=0.99) and changes(show_kpt_idx=True)
    assert changes(num_instances=1) and changes(draw_2d=False) and changes(bone_length=3000)
    assert not changes()
    visualizer.radius = 6
    assert changes()
    visualizer.radius, visualizer.line_width = 3, 9
    assert changes()


def test_without_a_file_the_backends_get_it(image, visualizer, tmp_path):
    picture = visualizer.add_datasample('val_00001', image, make_sample(), step=4)
    files = list(tmp_path.rglob('val_00001_4.png'))
    assert len(files) == 1
    np.testing.assert_array_equal(cv2.imread(str(files[0]))[..., ::-1], picture)


def nobody(**fields):
    sample = PoseDataSample()
    sample.pred_instances = InstanceData(**fields)
    return sample


@pytest.mark.parametrize('layout', ['auto', 'row', 'column'])
@pytest.mark.parametrize('steady', [False, True])
def test_a_video_has_one_picture_size(image, visualizer, layout, steady):
    visualizer.layout, visualizer.steady = layout, steady
    frames = [nobody(), make_sample(), make_sample(people=2), make_sample(people=3), nobody(), make_sample(truth=False),
              nobody(keypoints=np.zeros((0, 18, 3)), keypoints_2d=np.zeros((0, 18, 2)), bboxes=np.zeros((0, 4)),
                     keypoint_scores=np.zeros((0, 18)), keypoint_std=np.zeros((0, 18, 3)), track_ids=np.zeros(0, int))]
    shapes = {visualizer.add_datasample('x', image, frame, draw_bbox=True).shape for frame in frames}
    assert len(shapes) == 1
    assert all(side % 2 == 0 for side in shapes.pop()[:2])


def test_nobody_is_said_to_be_there(image, visualizer, monkeypatch):
    from mmpose_integral.visualization import panel
    captions, original = [], panel.legend_bar
    monkeypatch.setattr(panel, 'legend_bar', lambda *args: captions.append(args[3]) or original(*args))
    picture = visualizer.add_datasample('x', image, nobody())
    assert captions == ['no person found']
    assert (picture[:400, :280] == 128).all(), 'the image is there, and nothing on it'
    visualizer.add_datasample('x', image, PoseDataSample())
    visualizer.add_datasample('x', image, make_sample(truth=False))
    missed = nobody()
    missed.gt_instances = make_sample().gt_instances
    with_truth = visualizer.add_datasample('x', image, missed)
    assert captions[1:] == ['', '', 'no person found']
    assert with_truth.shape == picture.shape and (with_truth != picture).any(), 'the missed person is drawn'


def test_people_are_told_apart(image, visualizer):
    people = read_people(make_sample(people=3).pred_instances, LENGTH)
    assert people.labels() == ['#0', '#1', '#2'] and people.first(2).labels() == ['#0', '#1']
    assert people.first(1).labels() is None
    tracked = make_sample(people=2, track_ids=np.array([7, 123]))
    assert read_people(tracked.pred_instances, LENGTH).labels() == ['id 7', 'id 123']
    one = [visualizer.add_datasample('x', image, make_sample(**fields))
           for fields in ({}, dict(track_ids=np.array([7])))]
    changed = (one[0] != one[1]).any(axis=-1)
    assert changed[:, :300].any() and changed[:, 300:].any(), 'in the image and in 3D'
    # Truth boxes of another number must not be taken for the people's.
    tracked.pred_instances.pop('bboxes')
    tracked.gt_instances = InstanceData(bboxes=np.tile([[10.0, 20, 200, 400]], (5, 1)))
    visualizer.add_datasample('x', image, tracked, draw_bbox=True)


def test_absolute_places_are_used_when_asked_for_and_known(image, visualizer):
    sample = make_sample(people=2)
    beside = visualizer.add_datasample('x', image, sample)
    np.testing.assert_array_equal(visualizer.add_datasample('x', image, sample, absolute=True), beside)
    sample.pred_instances.root_positions = np.array([[-800.0, 0, 4000], [800, 0, 5000]])
    np.testing.assert_array_equal(visualizer.add_datasample('x', image, sample), beside)
    scene = visualizer.add_datasample('x', image, sample, absolute=True)
    assert scene.shape == beside.shape and (scene != beside).any()


def test_views_of_one_call(image, visualizer):
    sample = make_sample()
    usual = visualizer.add_datasample('x', image, sample)
    other = visualizer.add_datasample('x', image, sample, views=['top', (30, 10), 'back'])
    np.testing.assert_array_equal(visualizer.add_datasample('x', image, sample), usual)
    visualizer.views = ('top', (30, 10), 'back')
    np.testing.assert_array_equal(visualizer.add_datasample('x', image, sample), other)
    assert other.shape != usual.shape
    assert visualizer.add_datasample('x', image, sample, views=()).shape[1] == 342


@pytest.mark.parametrize('size, expected', [
    ((64, 48), (640, 480)), ((1280, 720), (1280, 720)), ((4000, 3000), (1440, 1080)), ((6000, 600), (1920, 192)),
    ((300, 2000), (162, 1080))])
def test_photos_of_any_size_give_pictures_of_a_usual_size(visualizer, size, expected):
    image = np.full((size[1], size[0], 3), 128, np.uint8)
    sample = make_sample(truth=False)
    sample.pred_instances.keypoints *= size[1] / 420
    whole = visualizer.add_datasample('x', image, sample, views=())
    assert whole.shape[1] == pytest.approx(expected[0], abs=2)
    assert 22 <= whole.shape[0] - expected[1] <= 56, 'the image and the legend'
    assert (image == 128).all(), 'the image is left alone'


def test_rooms_of_a_video_keep_still(image, visualizer, monkeypatch):
    from mmpose_integral.visualization import scene_3d
    drawn, original = [], scene_3d.empty_room
    monkeypatch.setattr(scene_3d, 'empty_room', lambda box, *args: drawn.append(box) or original(box, *args))

    def rooms_of(sizes):
        drawn.clear()
        for size in sizes:
            visualizer.add_datasample('x', image, make_sample(keypoints_mm=t_pose(size)[None], truth=False))
        return [np.concatenate([box.low, box.high]) for box in drawn[::2]]

    sizes = (1.0, 1.3, 0.7, 1.0)
    breathing = rooms_of(sizes)
    visualizer.steady = True
    steady = rooms_of(sizes)
    assert (breathing[2] != breathing[1]).any() and (breathing[0] == steady[0]).all()
    for room in steady[2:]:
        np.testing.assert_array_equal(room, steady[1])
    visualizer.forget_rooms()
    np.testing.assert_array_equal(rooms_of([0.7])[0], breathing[2])


@pytest.mark.parametrize('framework, variables, message', [
    ('', {'DISPLAY': ':0'}, 'pip install opencv-python=='), ('QT6', {}, 'no display'), ('QT6', {'DISPLAY': ':0'}, None),
    ('GTK3', {'WAYLAND_DISPLAY': 'wayland-0'}, None)])
def test_window_that_cannot_be_opened(framework, variables, message, monkeypatch):
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: framework)
    monkeypatch.setattr(sys, 'platform', 'linux')
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OSError, match=message) if message else contextlib.nullcontext():
        check_window()
