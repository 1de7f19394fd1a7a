"""A bad image or person, or an output that cannot be written, stops nothing else; originals are never replaced."""
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from video_files import damage_frame, write_video

from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.apis.people import convert_people
from mmpose_integral.apis.pictures import read_picture
from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.structures.skeleton import NUM_JOINTS


@pytest.fixture(scope='module')
def inferencer():
    return MMPoseInferencer(pose3d='standin', device='cpu')


@pytest.fixture
def photos(images, tmp_path):
    """Folder of three photos of one person each, 00001.jpg to 00003.jpg."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for number in (1, 2, 3):
        shutil.copy(images / f'{number:05d}.jpg', folder)
    return folder


def states(results):
    """Number of people of each result, or the reason why there is none."""
    return [result.get('error') or len(result['predictions'][0]) for result in results]


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


@pytest.mark.parametrize('batch_size', [1, 3])
def test_bad_images_keep_their_place(inferencer, photos, batch_size, tmp_path):
    (photos / '00002.jpg').write_text('text')
    narrow, out = np.zeros((4000, 2, 3), np.uint8), tmp_path / 'out'
    items = [str(photos / '00001.jpg'), str(photos / '00002.jpg'), narrow, str(photos / 'absent.jpg'),
             str(photos / '00003.jpg')]
    results = list(inferencer(items, batch_size=batch_size, out_dir=str(out), return_vis=True))
    assert states(results) == [
        1, f'{photos}/00002.jpg cannot be decoded as an image',
        '000002.jpg: an image of 2x4000 px is too narrow for the person detector; give bboxes=',
        f'{photos}/absent.jpg: no such file', 1]
    assert [len(result['visualization']) for result in results] == [1, 0, 0, 0, 1]
    assert files_in(out) == [f'{name}/{stem}' for name, stem in (
        ('predictions', '00001.json'), ('predictions', '00003.json'), ('visualizations', '00001.jpg'),
        ('visualizations', '00003.jpg'))]
    alone, = inferencer(items[-1])
    np.testing.assert_allclose(results[-1]['predictions'][0][0]['keypoints'],
                               alone['predictions'][0][0]['keypoints'], atol=0.5)
    samples = list(inferencer(items, batch_size=batch_size, return_datasamples=True))
    assert [len(result['predictions'][0].pred_instances) for result in samples] == [1, 0, 0, 0, 1]


def test_a_bad_image_alone_raises(inferencer, photos):
    (photos / '00002.jpg').write_text('text')
    with pytest.raises(ValueError, match='00002.jpg cannot be decoded'):
        next(inferencer(str(photos / '00002.jpg')))


def test_boxes_belong_to_their_images_when_one_is_bad(inferencer, photos):
    boxes = [[[60, 40, 150, 200]], [[1, 2, 30, 40]], [[120, 60, 180, 190]]]
    (photos / '00002.jpg').write_text('text')
    results = list(inferencer(str(photos), bboxes=boxes, batch_size=2))
    found = [[person['bbox'][0] for person in result['predictions'][0]] for result in results]
    assert found == [boxes[0], [], boxes[2]]


def test_a_person_whose_pose_reaches_behind_the_camera_is_left_out(inferencer, photos, monkeypatch):
    """With a focal length of 300 px, a joint 400 px before the root is behind the camera."""
    model = inferencer.inferencer.model
    step = model.test_step

    def behind(data):
        samples = step(data)
        samples[1].pred_instances.keypoints[0, 3, 2] = -400
        return samples

    monkeypatch.setattr(model, 'test_step', behind)
    boxes = [[60, 40, 150, 200], [60, 50, 150, 200], [60, 60, 150, 200]]
    result, = inferencer(str(photos / '00001.jpg'), bboxes=boxes, focal_length=300)
    assert [person['bbox'][0] for person in result['predictions'][0]] == [boxes[0], boxes[2]]
    reason, = result['left_out']
    assert reason.startswith(f'{photos}/00001.jpg: person 1 is left out (keypoints: 1 skeleton(s) are not finite')
    both = list(inferencer([str(photos / '00001.jpg'), str(photos / '00002.jpg')], focal_length=300, batch_size=2))
    assert states(both) == [1, 0] and 'left_out' not in both[0]


def test_poses_without_length_or_with_nan_are_left_out():
    points = np.random.default_rng(0).normal(size=(4, NUM_JOINTS, 3))
    points[1], points[3, 2, 0] = 7, np.nan
    people = InstanceData(keypoints=points, keypoint_scores=np.ones((4, NUM_JOINTS)), bboxes=np.zeros((4, 4)),
                          bbox_scores=np.array([0.1, 0.2, 0.3, 0.4]))
    sample = PoseDataSample(pred_instances=people)
    assert convert_people(sample, np.array([4000.0, 4100, 4200, 4300]), None).tolist() == [True, False, True, False]
    assert sample.pred_instances.bbox_scores.tolist() == [0.1, 0.3]
    np.testing.assert_allclose(skeleton_length(sample.pred_instances.keypoints), [4000, 4200])
    assert [reason.split(' ')[1] for reason in sample.left_out] == ['1', '3']


def test_a_damaged_video_states_times_and_loss(inferencer, images, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('mmpose_integral.apis.integral_pose3d_inferencer.print_log',
                        lambda text, **kwargs: said.append(text))
    picture = cv2.imread(str(images / '00001.jpg'))
    path = write_video(tmp_path / 'walk.avi', [picture] * 5, code='MJPG')
    damage_frame(path, 2)
    results = list(inferencer(str(path), smooth=True))
    np.testing.assert_allclose([result['time_s'] for result in results], [0, 0.1, 0.3, 0.4])
    assert [person['track_id'] for result in results for person in result['predictions'][0]] == [0] * 4
    assert said == ['walk.avi: 4 of 5 frames could be decoded; the others are damaged']


@pytest.mark.parametrize('place', ['same', 'link', 'dots', 'file', 'json', 'frame'])
def test_originals_are_never_replaced(place, inferencer, photos, tmp_path, monkeypatch):
    monkeypatch.setattr('mmpose_integral.apis.media.read_picture', None)  # the check comes before any work
    before = {path: path.read_bytes() for path in photos.iterdir()}
    (tmp_path / 'link').symlink_to(photos)
    monkeypatch.chdir(photos)
    inputs, options = str(photos), dict(
        same=dict(vis_out_dir=str(photos)), link=dict(vis_out_dir=str(tmp_path / 'link')), dots=dict(vis_out_dir='.'),
        file=dict(vis_out_dir='00002.jpg'), json=dict(pred_out_dir='.'), frame=dict(vis_out_dir='.'))[place]
    if place == 'frame':
        inputs = read_picture('00002.jpg')
    if place == 'file':
        inputs = '00002.jpg'
    if place == 'json':
        inputs = [str(shutil.move('00001.jpg', '00001.json'))]
        before = {path: path.read_bytes() for path in photos.iterdir()}
    with pytest.raises(OSError, match='would replace an input of this call'):
        next(inferencer(inputs, **options))
    assert {path: path.read_bytes() for path in photos.iterdir()} == before


def test_a_video_beside_its_output_is_kept(inferencer, images, tmp_path, monkeypatch):
    path = write_video(tmp_path / 'walk.mp4', [cv2.imread(str(images / '00001.jpg'))] * 2)
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match='walk.mp4 would replace an input'):
        next(inferencer('walk.mp4', vis_out_dir='.'))
    assert path.read_bytes() == before and files_in(tmp_path) == ['walk.mp4']
    list(inferencer('walk.mp4', out_dir='out'))
    assert files_in(tmp_path) == ['out/predictions/walk.json', 'out/visualizations/walk.mp4', 'walk.mp4']


def test_outputs_fail_one_by_one(inferencer, photos, tmp_path):
    out = tmp_path / 'out'
    (out / 'visualizations' / '00002.jpg').mkdir(parents=True)
    run, done = inferencer(str(photos), out_dir=str(out)), []
    with pytest.raises(OSError, match='00002.jpg: Is a directory'):
        for result in run:
            done.append(result)
    assert len(done) == 3
    assert files_in(out) == ['predictions/00001.json', 'predictions/00002.json', 'predictions/00003.json',
                             'visualizations/00001.jpg', 'visualizations/00003.jpg']


def test_names_that_are_no_utf_8(inferencer, images, tmp_path):
    """OpenCV would end the process with a segmentation fault."""
    folder = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), b'r\xffume')))
    folder.mkdir()
    names = [os.fsdecode(name) for name in (b'\xff\xe9.jpg', b'a.j\xffpg')]
    for name in names:
        shutil.copy(images / '00001.jpg', folder / name)
    clip = write_video(tmp_path / 'clip.mp4', [cv2.imread(str(images / '00001.jpg'))] * 2)
    shutil.move(clip, folder / os.fsdecode(b'\xff.mp4'))
    out = folder / 'out'
    for inputs in ([str(folder / name) for name in names], str(folder / os.fsdecode(b'\xff.mp4'))):
        assert states(inferencer(inputs, out_dir=str(out))) == [1, 1]
    assert [os.fsencode(name) for name in files_in(out)] == [
        b'predictions/' + stem for stem in (b'a.json', b'\xff.json', b'\xff\xe9.json')] + [
        b'visualizations/' + name for name in (b'a.j\xffpg.jpg', b'\xff.mp4', b'\xff\xe9.jpg')]
    assert cv2.imdecode(np.fromfile(os.fsencode(out / 'visualizations' / names[0]), np.uint8), 1).shape[0] >= 480


def test_a_folder_with_a_dot_in_its_name_is_a_folder(inferencer, photos, tmp_path):
    (tmp_path / 'out.v2').mkdir()
    list(inferencer(str(photos), vis_out_dir=str(tmp_path / 'out.v2')))
    assert files_in(tmp_path / 'out.v2') == ['00001.jpg', '00002.jpg', '00003.jpg']


def test_each_result_has_its_reason_where_no_image_can_be_read(inferencer, tmp_path):
    for name in ('a.jpg', 'b.jpg'):
        (tmp_path / name).write_text('text')
    assert states(inferencer(str(tmp_path), batch_size=2)) == [
        f'{tmp_path / name} cannot be decoded as an image' for name in ('a.jpg', 'b.jpg')]
