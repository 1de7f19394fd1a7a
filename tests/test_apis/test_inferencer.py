"""The inferencer against mmpose's own top-down inference, batch by batch, and against the truth of rendered frames."""
import json
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmpose.apis import inference_topdown, init_model
from mmpose.registry import INFERENCERS
from PIL import Image

from mmpose_integral.apis import IntegralPose3DInferencer, MMPoseInferencer, register_alias
from mmpose_integral.evaluation.functional import mpjpe, rescale_to_bone_length, skeleton_length
from mmpose_integral.synthetic import make_standin

REPO = Path(__file__).parents[2]
CONFIG = str(REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py')
CHECKPOINT = str(REPO / 'mmpose_integral' / 'assets' / 'integral_r18w32_standin.pth')
DETECTOR_CONFIG = str(REPO / 'configs' / 'quickstart' / 'detector_rtmdet_nano.py')
DETECTOR = str(REPO / 'mmpose_integral' / 'assets' / 'detector_rtmdet_nano_standin.pth')


@pytest.fixture(scope='module')
def inferencer():
    return MMPoseInferencer(pose3d='standin', device='cpu')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """20 frames of the size that the shipped models know, with their truth."""
    root = tmp_path_factory.mktemp('frames')
    make_standin(root, num_train=0, num_val=20, num_test=0, num_mpii=0, num_coco=0, seed=7, num_workers=1,
                 progress=False)
    return root


@pytest.fixture(scope='module')
def truth(folder):
    with np.load(folder / 'truth' / 'h80k_val.npz') as file:
        return dict(file)


@pytest.fixture(scope='module')
def images(folder):
    return folder / 'h80k' / 'Val' / 'IMG'


@pytest.fixture(scope='module')
def video(images, tmp_path_factory):
    """Seven frames at 10 a second."""
    path = tmp_path_factory.mktemp('video') / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (256, 256))
    for number in range(7):
        writer.write(cv2.imread(str(images / f'{number // 3 + 1:05d}.jpg')))
    writer.release()
    return path


def people_of(result):
    (people, ) = result['predictions']
    return people


def test_the_parts_are_what_mmpose_knows(inferencer):
    assert isinstance(inferencer.inferencer, IntegralPose3DInferencer)
    assert INFERENCERS.get('IntegralPose3DInferencer') is IntegralPose3DInferencer
    from mmpose.apis import MMPoseInferencer as Stock
    assert isinstance(inferencer, Stock) and INFERENCERS.get('MMPoseInferencer') is None


def test_people_equal_mmposes_own_inference(inferencer, images):
    image = cv2.imread(str(images / '00003.jpg'))
    boxes = np.array([[60, 40, 150, 200], [-20, 80, 100.5, 270], [30, 10, 70, 250]], np.float32)
    model = init_model(CONFIG, CHECKPOINT, device='cpu')
    samples = inference_topdown(model, image, boxes)
    people = people_of(next(inferencer(image, bboxes=boxes, bone_length=4000)))
    assert len(people) == 3
    for person, sample, box in zip(people, samples, boxes, strict=True):
        px = sample.pred_instances.keypoints[0]
        np.testing.assert_allclose(person['keypoints'], rescale_to_bone_length(px, 4000), atol=0.05)
        np.testing.assert_allclose(person['keypoints_2d'], px[:, :2], atol=1e-3)
        np.testing.assert_allclose(person['keypoint_scores'], sample.pred_instances.keypoint_scores[0], atol=1e-5)
        mm_per_px = 4000 / skeleton_length(px)
        np.testing.assert_allclose(person['keypoint_std'], sample.pred_instances.keypoint_std[0] * mm_per_px, rtol=1e-3)
        np.testing.assert_allclose(person['bbox'], box[None])
        assert person['bbox_score'] == 1 and person['bone_length'] == 4000 and person['keypoints'][0] == [0, 0, 0]
    assert json.loads(json.dumps(people)) == people


def test_found_people_are_near_the_truth(inferencer, images, truth):
    results = list(inferencer(str(images), batch_size=6))
    assert len(results) == 20
    best = [max(people_of(one), key=lambda person: person['bbox_score']) for one in results]
    predicted = np.array([person['keypoints'] for person in best])
    error = mpjpe(predicted, truth['keypoints_mm']).mean()
    mean_pose = mpjpe(np.broadcast_to(truth['keypoints_mm'].mean(0), predicted.shape), truth['keypoints_mm']).mean()
    assert error < 0.75 * mean_pose
    flat = np.array([person['keypoints_2d'] for person in best])
    assert np.median(np.linalg.norm(flat - truth['keypoints_2d'], axis=-1)) < 10


def test_batches_change_nothing(inferencer, images):
    files = sorted(map(str, images.iterdir()))[:7]
    one, three = (list(inferencer(files, batch_size=size)) for size in (1, 3))
    assert len(one) == len(three) == 7
    for a, b in zip(one, three, strict=True):
        assert len(people_of(a)) == len(people_of(b))
        for left, right in zip(people_of(a), people_of(b), strict=True):
            np.testing.assert_allclose(left['keypoints'], right['keypoints'], atol=0.5)


def test_more_people_than_fit_into_one_pass(inferencer, images, monkeypatch):
    monkeypatch.setattr('mmpose_integral.apis.integral_pose3d_inferencer.PEOPLE_PER_PASS', 3)
    sizes = []
    step = inferencer.inferencer.model.test_step
    monkeypatch.setattr(inferencer.inferencer.model, 'test_step',
                        lambda data: sizes.append(len(data['inputs'])) or step(data))
    files = sorted(map(str, images.iterdir()))[:4]
    counts = [2, 0, 4, 1]
    boxes = [np.array([[40 + 5 * n, 30, 160, 220] for n in range(count)]).reshape(-1, 4) for count in counts]
    results = list(inferencer(files, bboxes=boxes, batch_size=4))
    assert sizes == [3, 3, 1] and [len(people_of(one)) for one in results] == counts
    alone = people_of(next(inferencer(files[2], bboxes=boxes[2])))
    np.testing.assert_allclose(people_of(results[2])[3]['keypoints'], alone[3]['keypoints'], atol=0.5)


def test_exif_turns_a_photo(inferencer, images, tmp_path):
    upright = Image.open(images / '00001.jpg').crop((20, 0, 230, 250))
    upright.save(tmp_path / 'upright.jpg', quality=100, subsampling=0)
    exif = upright.getexif()
    exif[0x0112] = 6
    upright.rotate(90, expand=True).save(tmp_path / 'turned.jpg', exif=exif, quality=100, subsampling=0)
    box = [50, 60, 160, 200]
    turned, straight = (people_of(next(inferencer(str(tmp_path / f'{name}.jpg'), bboxes=[box])))[0]
                        for name in ('turned', 'upright'))
    np.testing.assert_allclose(turned['keypoints_2d'], straight['keypoints_2d'], atol=1)


def test_bone_length_by_number_person_height_and_checkpoint(inferencer, images):
    photo, boxes = str(images / '00002.jpg'), [[60, 40, 150, 200], [80, 60, 140, 190]]

    def lengths(**kwargs):
        people = people_of(next(inferencer(photo, bboxes=boxes, **kwargs)))
        np.testing.assert_allclose([skeleton_length(person['keypoints']) for person in people],
                                   [person['bone_length'] for person in people], rtol=1e-6)
        return [person['bone_length'] for person in people]

    stored = torch.load(CHECKPOINT)['meta']['dataset_meta']['skeleton_length']['train+val']
    assert lengths() == [stored, stored]
    assert lengths(bone_length=4100.5) == [4100.5, 4100.5]
    assert lengths(bone_length={1: 4800}) == [stored, 4800]
    assert lengths(body_height={0: 1700}, bone_length={1: 4800}) == [pytest.approx(1700 * 2.62), 4800]
    own = MMPoseInferencer(pose3d=CONFIG, pose3d_weights=CHECKPOINT, device='cpu', det_model='whole_image',
                           body_height=1600)
    assert people_of(next(own(photo)))[0]['bone_length'] == pytest.approx(1600 * 2.62)
    assert people_of(next(own(photo, bone_length=4000)))[0]['bone_length'] == 4000
    with pytest.raises(ValueError, match='mm expected, 500 to 2500, got 1.75'):
        lengths(body_height=1.75)
    with pytest.raises(ValueError, match='person 0 has both'):
        lengths(body_height=1700, bone_length=4000)


def test_absolute_position_against_the_truth(inferencer, images, truth):
    results = list(inferencer(str(images), batch_size=5, focal_length=float(truth['focal'][0])))
    best = [max(people_of(one), key=lambda person: person['bbox_score']) for one in results]
    depth = np.array([person['camera']['root_position'][2] for person in best])
    # The small model draws people in, some 20 % too small, and so puts them that much too far away.
    assert np.median(np.abs(depth / truth['root_depth_mm'] - 1)) < 0.35
    for person in best:
        camera, root = person['camera'], np.array(person['camera']['root_position'])
        back = np.array(camera['focal_length']) * root[:2] / root[2] + camera['principal_point']
        np.testing.assert_allclose(back, person['keypoints_2d'][0], atol=1e-6)


def test_uncertainty_and_place_are_drawn_when_asked_for(inferencer, images):
    def picture(**kwargs):
        return next(inferencer(str(images / '00002.jpg'), bboxes=[[60, 40, 150, 200], [120, 60, 180, 190]],
                               focal_length=293, return_vis=True, **kwargs))['visualization'][0]

    plain = picture()
    assert (picture() == plain).all()
    for wish in (dict(draw_std=True), dict(absolute=True), dict(views=('top', ))):
        other = picture(**wish)
        assert other.shape != plain.shape or (other != plain).mean() > 0.005, wish
    with pytest.raises(ValueError, match='absolute: .* only with focal_length='):
        next(inferencer(str(images / '00002.jpg'), bboxes=[[60, 40, 150, 200]], absolute=True, return_vis=True))


def test_nobody_is_said_and_never_made_up(inferencer, monkeypatch):
    said = []
    monkeypatch.setattr('mmpose_integral.apis.integral_pose3d_inferencer.print_log',
                        lambda text, **kwargs: said.append(text))
    grey = np.full((200, 300, 3), 127, np.uint8)
    result = next(inferencer(grey, bbox_thr=0.9, return_vis=True))
    assert said == ['000000.jpg: nobody found; give bboxes=, a lower bbox_thr, or det_model="whole_image"']
    assert result['predictions'] == [[]] and result['visualization'][0].ndim == 3
    whole = MMPoseInferencer(pose3d='standin', det_model='whole_image', device='cpu')
    (person, ) = people_of(next(whole(grey)))
    assert person['bbox'] == [[0, 0, 300, 200]]


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
    for person in people_of(results[4]):
        assert skeleton_length(person['keypoints']) == pytest.approx(person['bone_length'])
    film = cv2.VideoCapture(str(tmp_path / 'visualizations' / 'clip.mp4'))
    assert film.get(cv2.CAP_PROP_FPS) == 10
    count = 0
    while film.read()[0]:
        count += 1
    assert count == 7


def test_smoothing_calms_repeated_frames(inferencer, video):
    box = [[[60, 40, 150, 200]]] * 7
    raw, smooth = ([np.array(people_of(one)[0]['keypoints']) for one in inferencer(str(video), bboxes=box, smooth=wish)]
                   for wish in (False, dict(min_cutoff=0.1, beta=0.0)))
    np.testing.assert_allclose(raw[0], smooth[0], atol=1e-6)
    assert np.abs(smooth[3] - smooth[2]).max() < 0.5 * np.abs(raw[3] - raw[2]).max()  # the person changes there


def test_an_abandoned_video_is_finished(inferencer, video, tmp_path):
    run = inferencer(str(video), out_dir=str(tmp_path))
    next(run), next(run)
    run.close()
    assert len(json.loads((tmp_path / 'predictions' / 'clip.json').read_text())) == 2
    assert cv2.VideoCapture(str(tmp_path / 'visualizations' / 'clip.mp4')).read()[0]
    assert not [path for path in tmp_path.rglob('.*')]


def test_datasamples_hold_millimetres(inferencer, images):
    result = next(inferencer(str(images / '00001.jpg'), return_datasamples=True, bboxes=[[60, 40, 150, 200]]))
    (sample, ) = result['predictions']
    people = sample.pred_instances
    assert people.keypoints.shape == (1, 18, 3) and people.keypoints_2d.shape == (1, 18, 2)
    assert skeleton_length(people.keypoints)[0] == pytest.approx(people.bone_lengths[0])


def test_a_registered_name_and_an_ensemble(images, tmp_path, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path))
    register_alias('mine', CONFIG, CHECKPOINT)
    box = [[60, 40, 150, 200]]
    single = people_of(next(MMPoseInferencer(pose3d='mine', device='cpu')(str(images / '00001.jpg'), bboxes=box)))[0]
    config = tmp_path / 'ensemble.py'
    members = [dict(config=CONFIG, checkpoint=CHECKPOINT)] * 2
    config.write_text(f"""
_base_ = {CONFIG!r}
members = {members!r}
model = dict(_delete_=True, type='EnsembleEstimator', members=members)
pipeline = [dict(type='LoadImage'), dict(type='MemberInputs', configs=[member['config'] for member in members])]
test_dataloader = dict(dataset=dict(pipeline=pipeline))
""")
    both = people_of(next(MMPoseInferencer(pose3d=str(config), device='cpu')(str(images / '00001.jpg'), bboxes=box)))[0]
    np.testing.assert_allclose(both['keypoints'], single['keypoints'], atol=0.05)
    assert both['bone_length'] == single['bone_length']


@pytest.mark.parametrize('error, kwargs, message', [
    (TypeError, dict(bone_lenght=4000), "unexpected keyword argument 'bone_lenght'; known ones: .*bone_length"),
    (ValueError, dict(bboxes=[[1, 2, 3]]), r'bboxes of .*00001.jpg: \(N, 4\)'),
    (ValueError, dict(bboxes=[[50, 20, 20, 90]]), r'x1 < x2 and y1 < y2, .*image of 256x256 px.*got \[50.0'),
    (ValueError, dict(bboxes=[[0, 0, np.nan, 9]]), 'x1 < x2'),
    (ValueError, dict(bone_length=-1), 'bone_length: mm expected, 500 to 20000 .*, got -1'),
    (ValueError, dict(bone_length=4.4), 'got 4.4'),
    (ValueError, dict(principal_point=(9, 9)), 'principal_point: has a meaning with focal_length only'),
    (ValueError, dict(smooth={}), 'smooth: frames that follow each other'),
    (TypeError, dict(bone_length='4 m'), "bone_length: mm, or a dict .*got '4 m'"),
    (TypeError, dict(bone_length={'Ann': 4000}), "a dict from the person .*'Ann'"),
    (ValueError, dict(focal_length=0), 'focal_length: a positive number of px'),
    (ValueError, dict(focal_length=900, principal_point=3), r'principal_point: \(cx, cy\) px expected'),
    (ValueError, dict(smooth=True), 'smooth: frames that follow each other'),
    (ValueError, dict(batch_size=0), 'batch_size: at least 1 expected')])
def test_mistakes_in_a_call_are_named(error, kwargs, message, inferencer, images):
    kwargs = dict(dict(bboxes=[[60, 40, 150, 200]]), **kwargs)
    with pytest.raises(error, match=message):
        next(inferencer(str(images / '00001.jpg'), **kwargs))


@pytest.mark.parametrize('error, kwargs, message', [
    (ValueError, dict(pose3d=CONFIG), 'a checkpoint is needed beside the config'),
    (FileNotFoundError, dict(pose3d='absent.py'), 'absent.py: no such config'),
    (FileNotFoundError, dict(pose3d=CONFIG, pose3d_weights='absent.pth'), 'absent.pth: no such checkpoint'),
    (ValueError, dict(pose3d='official'), 'without weights; `python tools/model_converters/convert_official.py'),
    (ValueError, dict(pose3d='standin', pose2d='human'), 'takes no 2D model'),
    (ValueError, dict(pose3d='standin', pose3d_weights=DETECTOR), 'the checkpoint is not of this config: it has no'),
    (ValueError, dict(pose3d='standin', det_weights='a.pth'), 'belong to a det_model'),
    (FileNotFoundError, dict(pose3d='standin', det_model='absent.py'), 'absent.py: no such config'),
    (ValueError, dict(), 'Either 2d or 3d')])
def test_mistakes_in_building_are_named(error, kwargs, message, tmp_path, monkeypatch, images):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path))
    with pytest.raises(error, match=message):
        next(MMPoseInferencer(device='cpu', **kwargs)(str(images / '00001.jpg')))


def test_weights_of_another_size_and_models_of_another_kind_are_refused(tmp_path):
    wide = tmp_path / 'wide.py'
    wide.write_text(f'_base_ = {CONFIG!r}\nmodel = dict(head=dict(depth_bins=16))\n')
    with pytest.raises(ValueError, match=r'final_layer.weight has shape \(432, 64, 1, 1\), \(288, 64, 1, 1\) is'):
        IntegralPose3DInferencer(str(wide), CHECKPOINT, device='cpu')
    for name in ('quickstart/keypoints_2d_r18_mpii', 'keypoints_2d/integral_res50_8xb32-140e_mpii-256x256'):
        with pytest.raises(ValueError, match='is no image-based 3D model'):
            IntegralPose3DInferencer(str(REPO / 'configs' / f'{name}.py'), CHECKPOINT, device='cpu')


def test_calls_do_not_disturb_each_other(inferencer, video, images):
    box = [[[60, 40, 150, 200]]] * 7
    alone = [people_of(one)[0]['keypoints'] for one in inferencer(str(video), bboxes=box, smooth=True)]
    first, second = (inferencer(str(video), bboxes=box, smooth=True) for _ in range(2))
    together = []
    for one, two in zip(first, second, strict=True):
        next(inferencer(str(images / '00001.jpg'), bboxes=box[0]))
        together.append(people_of(one)[0]['keypoints'])
        np.testing.assert_array_equal(people_of(two)[0]['keypoints'], together[-1])
    np.testing.assert_array_equal(together, alone)


def test_paths_and_strips(images, tmp_path):
    inferencer = MMPoseInferencer(pose3d=Path(CONFIG), pose3d_weights=Path(CHECKPOINT), det_model=Path(DETECTOR_CONFIG),
                                  det_weights=Path(DETECTOR), device='cpu')
    assert people_of(next(inferencer(images / '00001.jpg')))
    with pytest.raises(ValueError, match='an image of 2x4000 px is too narrow for the person detector'):
        next(inferencer(np.zeros((4000, 2, 3), np.uint8)))
    with pytest.raises(ValueError, match='the checkpoint is not of this config: it has no'):
        MMPoseInferencer(pose3d='standin', det_model=DETECTOR_CONFIG, det_weights=CHECKPOINT, det_cat_ids=[0],
                         device='cpu')
    with pytest.raises(ValueError, match='device nonsense cannot be used here'):
        MMPoseInferencer(pose3d='standin', device='nonsense')
