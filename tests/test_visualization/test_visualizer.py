"""What is drawn of people, and from which numbers."""
import contextlib
import sys

import cv2
import numpy as np
import pytest
from bodies import LENGTH, make_sample, t_pose, to_image
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS, skeleton_length
from mmpose_integral.structures.bone_length import resolve_bone_length
from mmpose_integral.visualization import IntegralPose3dVisualizer, check_window, panel, pose_visualizer, scene_3d
from mmpose_integral.visualization.people import People, read_people

MM, FLAT = t_pose()[None], to_image(t_pose())[None]


@pytest.fixture
def captions(monkeypatch):
    """Texts at the right of the legend."""
    texts, original = [], panel.legend_bar
    monkeypatch.setattr(panel, 'legend_bar', lambda *args: texts.append(args[3]) or original(*args))
    return texts


def make_empty(**fields):
    """A data sample without people."""
    return PoseDataSample(pred_instances=InstanceData(**fields))


def test_px_become_mm_with_the_bone_length():
    instances = make_sample(people=2).pred_instances
    people = read_people(instances, 'px', LENGTH)
    np.testing.assert_allclose(skeleton_length(people.keypoints_mm), LENGTH)
    np.testing.assert_allclose(people.keypoints_mm[1], t_pose() * LENGTH / skeleton_length(t_pose()), atol=0.1)
    # A standard deviation has the scale of its skeleton.
    for n, scale in ((0, 0.2), (1, 0.18)):
        np.testing.assert_allclose(people.std_mm[n], 4.0 / scale * LENGTH / skeleton_length(t_pose()), rtol=1e-4)
    assert read_people(instances, 'px').keypoints_mm is None
    assert [len(value) for value in read_people(instances, 'px', LENGTH, 1) if value is not None] == [1] * 5


@pytest.mark.parametrize('given, meta, expected', [
    (1234, {'skeleton_length': {'train+val': 5}}, 1234), (None, {'skeleton_length': {'train': 4e3}}, 4000),
    (None, {'skeleton_length': {'train': 4000, 'train+val': 5000}}, 5000),
    (None, {}, PUBLISHED_SKELETON_LENGTHS['train+val'])])
def test_bone_length_is_that_of_the_first_source(given, meta, expected):
    assert resolve_bone_length(given, dataset_meta=meta) == expected


@pytest.mark.parametrize('given, stored, source', [
    (0, 4500, 'bone_length'), (4.5, 4500, 'bone_length'), (1e5, 4500, 'bone_length'), (np.nan, 4500, 'bone_length'),
    (None, 4.5, r"skeleton_length\['train\+val'\] of the checkpoint"), (None, 450, 'skeleton_length')])
def test_a_length_that_is_no_bodys_is_refused_with_its_source(given, stored, source, image, visualizer, monkeypatch):
    meta = {'skeleton_length': {'train+val': stored}}
    with pytest.raises(ValueError, match=f'{source}.*: mm expected, 500 to 20000 .an adult has about 4500., got'):
        resolve_bone_length(given, dataset_meta=meta)
    monkeypatch.setattr(visualizer, 'dataset_meta', meta)
    with pytest.raises(ValueError, match=source):  # also for 0, which is not the default
        visualizer.add_datasample('x', image, make_sample(), bone_length=given)


def test_mm_of_the_inferencer_are_not_changed():
    instances = make_sample(keypoints=MM, keypoints_2d=FLAT[..., :2], keypoint_std=MM + 30).pred_instances
    people = read_people(instances, 'mm', LENGTH)
    np.testing.assert_array_equal(people.keypoints_mm, MM)
    np.testing.assert_array_equal(people.keypoints_2d, FLAT[..., :2])
    np.testing.assert_array_equal(people.std_mm, MM + 30)


@pytest.mark.parametrize('unit', ['px', 'mm'])
def test_given_mm_take_precedence(unit):
    people = read_people(make_sample(keypoints_mm=2 * MM).pred_instances, unit, LENGTH)
    np.testing.assert_array_equal(people.keypoints_mm, 2 * MM)


def test_the_unit_is_given_and_not_guessed(image, visualizer, captions):
    visualizer.add_datasample('x', image, make_sample(keypoints_mm=MM))
    visualizer.add_datasample('x', image, make_sample(), bone_length=4000)
    assert ' at bone length 4000 mm' in captions[1] and 'bone length' not in captions[0]
    sample = make_sample(keypoints=MM, keypoints_2d=FLAT[..., :2])
    visualizer.add_datasample('x', image, sample, unit='mm')
    assert captions[2] == 'MPJPE 0.0 mm'
    with pytest.raises(ValueError, match="pred_instances have keypoints_2d.* pass unit='mm'"):
        visualizer.add_datasample('x', image, sample)
    with pytest.raises(ValueError, match="unit: 'px' or 'mm' expected, got 'cm'"):
        visualizer.add_datasample('x', image, sample, unit='cm')


def test_unusable_predictions_are_drawn_without_an_error(image, visualizer, tmp_path):
    collapsed = make_sample(keypoints=np.full((1, 18, 3), 50.0))
    assert np.isnan(read_people(collapsed.pred_instances, 'px', LENGTH).keypoints_mm).all()
    for sample in (collapsed, make_empty(), PoseDataSample()):
        visualizer.add_datasample('x', image, sample, out_file=str(tmp_path / 'a.png'))
    flat = make_empty(keypoints=FLAT[..., :2])
    assert visualizer.add_datasample('x', image, flat, crop=True).shape[1] < 480


def test_truth_without_joints_in_the_image(image, visualizer):
    sample = PoseDataSample(gt_instances=InstanceData(keypoints_mm=MM, keypoints=np.zeros((1, 18, 2))))
    assert (visualizer.add_datasample('x', image, sample)[:400, :280] == 128).all()
    sample.gt_instances.keypoints = FLAT
    assert (visualizer.add_datasample('x', image, sample)[:400, :280] != 128).any()
    assert read_people(InstanceData(), 'px') == People()


@pytest.mark.parametrize('arguments, sample, words', [
    ({}, make_empty(keypoints=np.zeros((1, 17, 2))), r'keypoints: shape \(N, 18'),
    (dict(skeleton_style='openpose'), make_sample(), "skeleton_style: 'mmpose'")])
def test_other_skeletons_raise_an_error(image, visualizer, arguments, sample, words):
    with pytest.raises(ValueError, match=words):
        visualizer.add_datasample('x', image, sample, **arguments)


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


@pytest.mark.parametrize('options, attributes', [
    (dict(draw_gt=False), {}), (dict(draw_bbox=True), {}), (dict(kpt_thr=0.99), {}), (dict(show_kpt_idx=True), {}),
    (dict(num_instances=1), {}), (dict(draw_2d=False), {}), (dict(bone_length=3000), {}), ({}, dict(radius=6)),
    ({}, dict(line_width=9)), ({}, dict(draw_std=False)), ({}, dict(perspective=False)), ({}, dict(extent=2000))])
def test_options_change_the_picture(image, visualizer, options, attributes):
    sample = make_sample(people=2)
    base = visualizer.add_datasample('x', image, sample)
    np.testing.assert_array_equal(visualizer.add_datasample('x', image, sample), base)
    vars(visualizer).update(attributes)
    changed = visualizer.add_datasample('x', image, sample, **options)
    assert changed.shape != base.shape or (changed != base).any()


def test_without_a_file_the_backends_get_the_picture(image, visualizer, tmp_path):
    picture = visualizer.add_datasample('val_00001', image, make_sample(), step=4)
    file, = tmp_path.rglob('val_00001_4.png')
    np.testing.assert_array_equal(cv2.imread(str(file))[..., ::-1], picture)


@pytest.mark.parametrize('layout', ['auto', 'row', 'column'])
@pytest.mark.parametrize('steady', [False, True])
def test_a_video_has_one_picture_size(image, visualizer, layout, steady):
    visualizer.layout, visualizer.steady = layout, steady
    zero = dict(keypoints=np.zeros((0, 18, 3)), bboxes=np.zeros((0, 4)), keypoint_scores=np.zeros((0, 18)),
                keypoint_std=np.zeros((0, 18, 3)), track_ids=np.zeros(0, int))
    frames = [make_empty(), make_sample(), make_sample(people=2), make_sample(people=3), make_empty(),
              make_sample(truth=False), make_empty(**zero)]
    (height, width, _), = {visualizer.add_datasample('x', image, frame, draw_bbox=True).shape for frame in frames}
    assert height % 2 == width % 2 == 0


def test_the_picture_says_that_no_person_was_found(image, visualizer, captions):
    picture = visualizer.add_datasample('x', image, make_empty())
    assert (picture[:400, :280] == 128).all(), 'nothing is drawn over the image'
    visualizer.add_datasample('x', image, PoseDataSample())
    visualizer.add_datasample('x', image, make_sample(truth=False))
    missed = make_empty()
    missed.gt_instances = make_sample().gt_instances
    with_truth = visualizer.add_datasample('x', image, missed)
    assert captions == ['no person found', '', '', 'no person found']
    assert with_truth.shape == picture.shape and (with_truth != picture).any(), 'the missed person is drawn'


def test_labels_of_people(image, visualizer):
    instances = make_sample(people=3).pred_instances
    assert [read_people(instances, 'px', LENGTH, number).labels for number in (-1, 2, 1)] == [
        ['#0', '#1', '#2'], ['#0', '#1'], None]
    tracked = make_sample(people=2, track_ids=np.array([7, 123]))
    assert read_people(tracked.pred_instances, 'px', LENGTH).labels == ['id 7', 'id 123']
    changed = (visualizer.add_datasample('x', image, make_sample(track_ids=np.array([7])))
               != visualizer.add_datasample('x', image, make_sample())).any(axis=-1)
    assert changed[:, :300].any() and changed[:, 300:].any(), 'in the image and in 3D'
    tracked.pred_instances.pop('bboxes')  # the boxes of five true people are not those of the two predicted ones
    tracked.gt_instances = InstanceData(bboxes=np.tile([[10.0, 20, 200, 400]], (5, 1)))
    visualizer.add_datasample('x', image, tracked, draw_bbox=True)


def test_absolute_positions_are_used_if_requested_and_known(image, visualizer):
    roots = np.array([[-800.0, 0, 4000], [800, 0, 5000]])
    beside, unknown, unused, used = (
        visualizer.add_datasample('x', image, make_sample(people=2, **fields), absolute=absolute)
        for fields in ({}, dict(root_positions=roots)) for absolute in (False, True))
    assert (unknown == beside).all() and (unused == beside).all() and (used != beside).any()


def test_views_of_one_call(image, visualizer):
    sample, views = make_sample(), ('top', (30, 10), 'back')
    other = visualizer.add_datasample('x', image, sample, views=views)
    assert visualizer.add_datasample('x', image, sample).shape != other.shape
    visualizer.views = views
    np.testing.assert_array_equal(visualizer.add_datasample('x', image, sample), other)
    assert visualizer.add_datasample('x', image, sample, views=()).shape[1] == 342


@pytest.mark.parametrize('size, expected', [
    ((64, 48), (640, 480)), ((1280, 720), (1280, 720)), ((4000, 3000), (1440, 1080)), ((6000, 600), (1920, 192)),
    ((300, 2000), (162, 1080))])
def test_photos_of_any_size_give_pictures_of_a_usual_size(visualizer, size, expected):
    image = np.full((size[1], size[0], 3), 128, np.uint8)
    whole = visualizer.add_datasample('x', image, make_sample(truth=False, keypoints=FLAT * size[1] / 420), views=())
    assert whole.shape[1] == pytest.approx(expected[0], abs=2)
    assert 22 <= whole.shape[0] - expected[1] <= 56, 'the image and the legend'
    assert (image == 128).all(), "the caller's image is unchanged"


def test_rooms_of_a_video_are_kept(image, visualizer, monkeypatch):
    drawn, original = [], scene_3d.empty_room
    monkeypatch.setattr(scene_3d, 'empty_room', lambda box, *args: drawn.append(box) or original(box, *args))

    def rooms_of(*sizes):
        drawn.clear()
        for size in sizes:
            visualizer.add_datasample('x', image, make_sample(keypoints_mm=size * MM, truth=False))
        return drawn[::2]

    changing = rooms_of(1.0, 1.3, 0.7, 1.0)
    visualizer.steady = True
    steady = rooms_of(1.0, 1.3, 0.7, 1.0)
    assert changing[2] != changing[1] and changing[0] == steady[0]
    assert steady[1] == steady[2] == steady[3]
    visualizer.forget_rooms()
    assert rooms_of(0.7)[0] == changing[2]


@pytest.mark.parametrize('framework, variables, message', [
    ('', {'DISPLAY': ':0'}, 'pip install opencv-python=='), ('QT6', {}, 'no display'), ('QT6', {'DISPLAY': ':0'}, None),
    ('GTK3', {'WAYLAND_DISPLAY': 'wayland-0'}, None)])
def test_window_that_cannot_be_opened(framework, variables, message, monkeypatch):
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: framework)
    monkeypatch.setattr(sys, 'platform', 'linux')
    monkeypatch.setattr('os.environ', variables)
    monkeypatch.setattr(pose_visualizer, '_OPEN_WINDOW', 'pass')
    pose_visualizer._try_window.cache_clear()
    with pytest.raises(OSError, match=message) if message else contextlib.nullcontext():
        check_window()


@pytest.mark.parametrize('script, message', [
    ('import os, sys; sys.stderr.write("could not connect to display\\nmore\\n"); sys.stderr.flush(); os.abort()',
     'could not connect to display$'), ('import os; os.abort()', 'the process ended with status -6'), ('pass', None)])
def test_a_window_that_ends_the_process_is_tried_in_another_one(script, message, monkeypatch):
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: 'QT6')
    monkeypatch.setattr(pose_visualizer, '_OPEN_WINDOW', script)
    monkeypatch.setenv('DISPLAY', ':99')
    pose_visualizer._try_window.cache_clear()
    shown = []
    monkeypatch.setattr(IntegralPose3dVisualizer, 'show', lambda self, picture, **options: shown.append(picture.shape))
    visualizer = IntegralPose3dVisualizer(name=f'window{message}')
    with pytest.raises(OSError, match=message) if message else contextlib.nullcontext():
        visualizer.add_datasample('a', np.zeros((60, 40, 3), np.uint8), PoseDataSample(), show=True)
    assert len(shown) == (message is None)
    pose_visualizer._try_window.cache_clear()
