"""The inferencer against mmpose's own top-down inference, across batches, and against the truth of rendered frames."""
import json
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmpose.apis import MMPoseInferencer as Stock
from mmpose.apis import inference_topdown, init_model
from mmpose.registry import INFERENCERS

from mmpose_integral.apis import IntegralPose3DInferencer, MMPoseInferencer, register_alias
from mmpose_integral.apis.pictures import Frame
from mmpose_integral.evaluation.functional import mpjpe, px_to_mm, skeleton_length

REPO = Path(__file__).parents[2]
CONFIG = str(REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py')
CHECKPOINT = str(REPO / 'mmpose_integral' / 'assets' / 'integral_r18_standin.pth')
DETECTOR_CONFIG = str(REPO / 'configs' / 'quickstart' / 'detector_rtmdet_nano.py')
DETECTOR = str(REPO / 'mmpose_integral' / 'assets' / 'detector_rtmdet_nano_standin.pth')
BOX, OTHER_BOX = [60, 40, 150, 200], [120, 60, 180, 190]


@pytest.fixture(scope='module')
def inferencer():
    return MMPoseInferencer(pose3d='standin', device='cpu')


@pytest.fixture(scope='module')
def weak(tmp_path_factory):
    """The shipped model without the camera of its labels, as if they came from weak-perspective cameras."""
    checkpoint, path = torch.load(CHECKPOINT), tmp_path_factory.mktemp('weak') / 'weak.pth'
    del checkpoint['meta']['dataset_meta']['camera']
    torch.save(checkpoint, path)
    return MMPoseInferencer(pose3d=CONFIG, pose3d_weights=str(path), device='cpu')


@pytest.fixture(scope='module')
def video(images, tmp_path_factory):
    """Seven frames at 10 frames per second, of two people in turn."""
    path = tmp_path_factory.mktemp('video') / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (256, 256))
    for number in range(7):
        writer.write(cv2.imread(str(images / f'{number // 3 + 1:05d}.jpg')))
    writer.release()
    return path


@pytest.fixture(scope='module')
def best(inferencer, images, truth):
    """The person of the highest score in each of the 20 frames, as arrays."""
    results = list(inferencer(str(images), batch_size=6, focal_length=float(truth['focal'][0])))
    assert len(results) == 20
    return [max(people_of(one), key=lambda person: person['bbox_score']) for one in results]


def people_of(result):
    (people, ) = result['predictions']
    return people


def test_mmpose_knows_the_classes(inferencer):
    assert isinstance(inferencer.inferencer, IntegralPose3DInferencer)
    assert INFERENCERS.get('IntegralPose3DInferencer') is IntegralPose3DInferencer
    assert isinstance(inferencer, Stock) and INFERENCERS.get('MMPoseInferencer') is None


def test_people_equal_mmposes_own_inference(inferencer, images):
    image = cv2.imread(str(images / '00003.jpg'))
    boxes = np.array([BOX, [-20, 80, 100.5, 270], [30, 10, 70, 250]], np.float32)
    samples = inference_topdown(init_model(CONFIG, CHECKPOINT, device='cpu'), image, boxes)
    people = people_of(next(inferencer(image, bboxes=boxes, bone_length=4000, focal_length=400)))
    assert len(people) == 3
    for person, sample, box in zip(people, samples, boxes, strict=True):
        px = sample.pred_instances.keypoints[0]
        mm, mm_per_px = px_to_mm(px, 4000, np.array([400, 127.5, 127.5]))
        np.testing.assert_allclose(person['keypoints'], mm, atol=0.05)
        np.testing.assert_allclose(person['keypoints_2d'], px[:, :2], atol=1e-3)
        np.testing.assert_allclose(person['keypoint_scores'], sample.pred_instances.keypoint_scores[0], atol=1e-5)
        np.testing.assert_allclose(person['keypoint_std'], sample.pred_instances.keypoint_std[0] * mm_per_px, rtol=1e-3)
        np.testing.assert_allclose(person['bbox'], box[None])
        assert person['bbox_score'] == 1 and person['bone_length'] == 4000 and person['keypoints'][0] == [0, 0, 0]
    assert json.loads(json.dumps(people)) == people


def test_detected_people_are_near_the_truth(best, truth):
    predicted = np.array([person['keypoints'] for person in best])
    mean_pose = np.broadcast_to(truth['keypoints_mm'].mean(0), predicted.shape)
    assert mpjpe(predicted, truth['keypoints_mm']).mean() < 0.45 * mpjpe(mean_pose, truth['keypoints_mm']).mean()
    flat = np.array([person['keypoints_2d'] for person in best])
    assert np.median(np.linalg.norm(flat - truth['keypoints_2d'], axis=-1)) < 10


def test_absolute_position_against_the_truth(best, truth):
    roots = np.array([person['camera']['root_position'] for person in best])
    assert np.median(np.abs(roots[:, 2] / truth['root_depth_mm'] - 1)) < 0.15
    for person, root in zip(best, roots, strict=True):
        assert np.linalg.norm(project(person, root) - person['keypoints_2d'], axis=-1).max() < 1e-3


def project(person, root):
    points, camera = np.array(person['keypoints']) + root, person['camera']
    return points[:, :2] / points[:, 2:] * camera['focal_length'] + camera['principal_point']


def test_poses_are_decoded_by_the_camera_model_that_the_checkpoint_names(inferencer, weak, images, truth):
    files, focal = sorted(map(str, images.iterdir()))[:4], float(truth['focal'][0])
    for given, source in ((focal, 'argument'), (None, 'default')):
        for result in inferencer(files, focal_length=given):
            for person in people_of(result):
                camera = person['camera']
                assert camera['focal_length_source'] == source and person['keypoints'][0] == [0, 0, 0]
                np.testing.assert_allclose(
                    project(person, camera['root_position']), person['keypoints_2d'], atol=1e-3)
                assert skeleton_length(np.array(person['keypoints'])) == pytest.approx(person['bone_length'])
    (flat, *_), (deep, *_) = (people_of(next(model(files[0], focal_length=focal))) for model in (weak, inferencer))
    assert np.abs(np.array(flat['keypoints']) - deep['keypoints']).max() > 5
    np.testing.assert_allclose(flat['keypoints_2d'], deep['keypoints_2d'], atol=1e-3)
    ratio = np.ptp(flat['keypoints'], axis=0)[:2] / np.ptp(flat['keypoints_2d'], axis=0)
    np.testing.assert_allclose(ratio, 1 / flat['camera']['scale'], rtol=1e-3)


def test_the_batch_size_does_not_change_the_results(inferencer, images):
    """Of detected boxes, the last bits depend on it; with given boxes, only rounding errors of the network remain."""
    files = sorted(map(str, images.iterdir()))
    boxes = [np.array([BOX]) for _ in files]
    for options, largest_mm in (({}, 0.5), (dict(bboxes=boxes), 0.02)):
        one, many = ([people_of(result) for result in inferencer(files, batch_size=size, **options)]
                     for size in (1, 32))
        assert list(map(len, one)) == list(map(len, many))
        for left, right in zip(sum(one, []), sum(many, []), strict=True):
            np.testing.assert_allclose(left['bbox'], right['bbox'], atol=1e-3)
            np.testing.assert_allclose(left['keypoints'], right['keypoints'], atol=largest_mm)


def test_many_people_are_predicted_in_several_passes(inferencer, images, monkeypatch):
    monkeypatch.setattr('mmpose_integral.models.upright_crops.PEOPLE_PER_PASS', 3)
    sizes, model = [], inferencer.inferencer.model
    step = model.test_step
    monkeypatch.setattr(model, 'test_step', lambda data: sizes.append(len(data['inputs'])) or step(data))
    files, counts = sorted(map(str, images.iterdir()))[:4], [2, 0, 4, 1]
    boxes = [np.array([[40 + 5 * n, 30, 160, 220] for n in range(count)]).reshape(-1, 4) for count in counts]
    results = list(inferencer(files, bboxes=boxes, batch_size=4))
    assert sizes == [3, 3, 1] and [len(people_of(one)) for one in results] == counts
    alone = people_of(next(inferencer(files[2], bboxes=boxes[2])))
    np.testing.assert_allclose(people_of(results[2])[3]['keypoints'], alone[3]['keypoints'], atol=0.5)


def test_bone_length_by_number_person_height_and_checkpoint(inferencer, images):
    photo, boxes = str(images / '00002.jpg'), [BOX, [80, 60, 140, 190]]

    def lengths(**kwargs):
        people = people_of(next(inferencer(photo, bboxes=boxes, **kwargs)))
        assert all(skeleton_length(person['keypoints']) == pytest.approx(person['bone_length']) for person in people)
        return [person['bone_length'] for person in people]

    stored = torch.load(CHECKPOINT)['meta']['dataset_meta']['skeleton_length']['train+val']
    assert lengths() == [stored, stored]
    assert lengths(body_height={0: 1700}, bone_length={1: 4800}) == [pytest.approx(1700 * 2.62), 4800]
    own = MMPoseInferencer(pose3d=CONFIG, pose3d_weights=CHECKPOINT, device='cpu', det_model='whole_image',
                           body_height=1600)
    assert people_of(next(own(photo)))[0]['bone_length'] == pytest.approx(1600 * 2.62)
    assert people_of(next(own(photo, bone_length=4000)))[0]['bone_length'] == 4000


def test_drawing_options_change_the_picture(inferencer, weak, images):
    def picture(**kwargs):
        call = dict(dict(bboxes=[BOX, OTHER_BOX], focal_length=293, return_vis=True), **kwargs)
        return next(inferencer(str(images / '00002.jpg'), **call))['visualization'][0]

    plain = picture()
    assert (picture() == plain).all()
    for option in (dict(draw_std=True), dict(absolute=True), dict(views=('top', ))):
        other = picture(**option)
        assert other.shape != plain.shape or (other != plain).mean() > 0.005, option
    with pytest.raises(ValueError, match='absolute: .* with focal_length= only'):
        next(weak(str(images / '00002.jpg'), bboxes=[BOX], return_vis=True, absolute=True))


def test_an_image_without_people_gives_a_warning(inferencer, monkeypatch):
    said, grey = [], np.full((200, 300, 3), 127, np.uint8)
    monkeypatch.setattr('mmpose_integral.apis.people.print_log', lambda text, **kwargs: said.append(text))
    result = next(inferencer(Frame(grey, '\x1b[2J.jpg'), bbox_thr=0.9, return_vis=True))
    assert said == ['\\x1b[2J.jpg: no person was detected; give bboxes=, a lower bbox_thr, or det_model="whole_image"']
    assert result['predictions'] == [[]] and result['visualization'][0].ndim == 3
    whole = MMPoseInferencer(pose3d='standin', det_model='whole_image', device='cpu')
    assert [person['bbox'] for person in people_of(next(whole(grey)))] == [[[0, 0, 300, 200]]]


def test_pictures_and_predictions_are_written(inferencer, images, tmp_path):
    files = [str(images / '00001.jpg'), cv2.imread(str(images / '00002.jpg')), str(images / '00001.jpg')]
    results = list(inferencer(files, out_dir=str(tmp_path), draw_bbox=True))
    written = {path.stem for path in (tmp_path / 'predictions').iterdir()}
    assert written == {'00001', '000001', '00001_1'} == {path.stem for path in (tmp_path / 'visualizations').iterdir()}
    assert json.loads((tmp_path / 'predictions' / '00001.json').read_text()) == people_of(results[0])
    picture = mmcv.imread(str(tmp_path / 'visualizations' / '00001.jpg'))
    assert picture.shape[1] > picture.shape[0] >= 480 and results[0]['visualization'] == []


def test_a_video_keeps_its_frames_in_order(inferencer, video, tmp_path):
    results = list(inferencer(str(video), batch_size=3, out_dir=str(tmp_path), smooth=True))
    frames = json.loads((tmp_path / 'predictions' / 'clip.json').read_text())
    assert [frame['frame_id'] for frame in frames] == list(range(7))
    assert [frame['instances'] for frame in frames] == [people_of(one) for one in results]
    assert all('track_id' in person for one in results for person in people_of(one))
    film = mmcv.VideoReader(str(tmp_path / 'visualizations' / 'clip.mp4'))
    assert film.fps == 10 and len(list(film)) == 7
    with pytest.raises(ValueError, match='bboxes: 2 entries, but the video has more frames'):
        list(inferencer(str(video), bboxes=[[BOX]] * 2))


def test_smoothing_reduces_the_change_between_frames(inferencer, video):
    raw, smooth = ([np.array(people_of(one)[0]['keypoints'])
                    for one in inferencer(str(video), bboxes=[[BOX]] * 7, smooth=smooth)]
                   for smooth in (False, dict(min_cutoff=0.1, beta=0.0)))
    np.testing.assert_allclose(raw[0], smooth[0], atol=1e-6)
    assert np.abs(smooth[3] - smooth[2]).max() < 0.5 * np.abs(raw[3] - raw[2]).max()  # the person changes there


def test_an_interrupted_video_is_completed(inferencer, video, tmp_path):
    run = inferencer(str(video), out_dir=str(tmp_path))
    next(run), next(run)
    run.close()
    assert len(json.loads((tmp_path / 'predictions' / 'clip.json').read_text())) == 2
    assert cv2.VideoCapture(str(tmp_path / 'visualizations' / 'clip.mp4')).read()[0]
    assert not list(tmp_path.rglob('.*'))


def test_datasamples_hold_millimetres(inferencer, images):
    (sample, ) = next(inferencer(str(images / '00001.jpg'), return_datasamples=True, bboxes=[BOX]))['predictions']
    people = sample.pred_instances
    assert people.keypoints_2d.shape == (1, 18, 2)
    assert skeleton_length(people.keypoints)[0] == pytest.approx(people.bone_lengths[0])


def test_a_registered_name_and_an_ensemble(images, tmp_path, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path))
    register_alias('mine', CONFIG, CHECKPOINT)
    config, members = tmp_path / 'ensemble.py', [dict(config=CONFIG, checkpoint=CHECKPOINT)] * 2
    config.write_text(f"""
_base_ = {CONFIG!r}
members = {members!r}
model = dict(_delete_=True, type='EnsembleEstimator', members=members)
pipeline = [dict(type='LoadImage'), dict(type='MemberInputs', configs=[member['config'] for member in members])]
test_dataloader = dict(dataset=dict(pipeline=pipeline))
""")
    single, both = (people_of(next(MMPoseInferencer(pose3d=model, device='cpu')(str(images / '00001.jpg'),
                                                                                bboxes=[BOX])))[0]
                    for model in ('mine', str(config)))
    np.testing.assert_allclose(both['keypoints'], single['keypoints'], atol=0.05)
    assert both['bone_length'] == single['bone_length']


@pytest.mark.parametrize('error, kwargs, message', [
    (TypeError, dict(bone_lenght=4000), "unexpected keyword argument 'bone_lenght'; known ones: .*bone_length"),
    (ValueError, dict(bboxes=[[1, 2, 3]]), r'bboxes of .*00001.jpg: \(N, 4\)'),
    (ValueError, dict(bboxes=[[50, 20, 20, 90]]), r'x1 < x2 and y1 < y2, .*image of 256x256 px.*got \[50.0'),
    (ValueError, dict(bone_length=-1), 'bone_length: mm expected, 500 to 20000 .*, got -1'),
    (ValueError, dict(smooth=True), 'smooth: frames that follow each other'),
    (ValueError, dict(batch_size=0), 'batch_size: at least 1 expected')])
def test_mistakes_in_a_call_are_named(error, kwargs, message, inferencer, images):
    with pytest.raises(error, match=message):
        next(inferencer(str(images / '00001.jpg'), **dict(dict(bboxes=[BOX]), **kwargs)))


def test_a_principal_point_alone_has_no_effect_on_weak_perspective(weak, images):
    with pytest.raises(ValueError, match='principal_point, distortion: have an effect with focal_length only'):
        next(weak(str(images / '00001.jpg'), bboxes=[BOX], principal_point=(9, 9)))


@pytest.mark.parametrize('error, kwargs, message', [
    (ValueError, dict(pose3d=CONFIG), 'a checkpoint is needed beside the config'),
    (FileNotFoundError, dict(pose3d='absent.py'), 'absent.py: no such config'),
    (ValueError, dict(pose3d='official'), 'without weights; `mmpose-integral convert-official'),
    (ValueError, dict(pose3d='standin', pose2d='human'), 'takes no 2D model'),
    (ValueError, dict(pose3d='standin', pose3d_weights=DETECTOR),
     f'{DETECTOR}: the checkpoint is not of this config: it has no'),
    (ValueError, dict(pose3d='standin', det_weights='a.pth'), 'belong to a det_model'),
    (FileNotFoundError, dict(pose3d='standin', det_model='absent.py'), 'absent.py: no such config'),
    (ValueError, dict(pose3d='standin', det_model=DETECTOR_CONFIG, det_weights=CHECKPOINT, det_cat_ids=[0]),
     f'{CHECKPOINT}: the checkpoint is not of this config: it has no'),
    (ValueError, dict(pose3d='standin', device='nonsense'), 'device nonsense cannot be used here'),
    (ValueError, dict(), 'Either 2d or 3d')])
def test_mistakes_in_building_are_named(error, kwargs, message, tmp_path, monkeypatch, images):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path))
    with pytest.raises(error, match=message):
        next(MMPoseInferencer(**dict(dict(device='cpu'), **kwargs))(str(images / '00001.jpg')))


@pytest.mark.parametrize('name', ['quickstart/keypoints_2d_r18_mpii',
                                  'keypoints_2d/integral_res50_8xb32-140e_mpii-256x256'])
def test_models_of_another_kind_are_refused(name):
    with pytest.raises(ValueError, match='is no image-based 3D model'):
        IntegralPose3DInferencer(REPO / 'configs' / f'{name}.py', CHECKPOINT, device='cpu')


def test_calls_do_not_influence_each_other(inferencer, video, images):
    boxes, together = [[BOX]] * 7, []
    alone = [people_of(one)[0]['keypoints'] for one in inferencer(str(video), bboxes=boxes, smooth=True)]
    first, second = (inferencer(str(video), bboxes=boxes, smooth=True) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        next(inferencer(str(images / '00001.jpg'), bboxes=boxes[0]))
        together.append(people_of(one)[0]['keypoints'])
        np.testing.assert_array_equal(people_of(two)[0]['keypoints'], together[-1])
    np.testing.assert_array_equal(together, alone)


def test_paths_and_narrow_images(images):
    inferencer = MMPoseInferencer(pose3d=Path(CONFIG), pose3d_weights=Path(CHECKPOINT), det_model=Path(DETECTOR_CONFIG),
                                  det_weights=Path(DETECTOR), device='cpu')
    assert people_of(next(inferencer(images / '00001.jpg')))
    with pytest.raises(ValueError, match='an image of 2x4000 px is too narrow for the person detector'):
        next(inferencer(np.zeros((4000, 2, 3), np.uint8)))
