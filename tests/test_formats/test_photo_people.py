"""Readers of people in photographs, against the JSON files as they stand, and against MMPose's reader of MPII."""
import json

import cv2
import numpy as np
import pytest
from mmpose.registry import DATASETS

from mmpose_integral.formats.photo_people import read_photo_people
from mmpose_integral.structures.skeleton import JOINT_NAMES


@pytest.fixture
def own(tmp_path):
    """Function that writes a file of our own format with one person, whose entries can be replaced."""
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((90, 60, 3), np.uint8))
    points = np.arange(54.).reshape(18, 3)
    points[:, 2], points[10] = 1, [7, 7, 0]

    def write(**changes):
        person = dict(file='a.png', box_xyxy=[1, 2, 30, 80], keypoints_2d=points.tolist(),
                      keypoints_mm=(100 * points + 5).tolist(), focal_length=900)
        path = tmp_path / 'people.json'
        path.write_text(json.dumps(dict(frames=[dict(person, **changes)])))
        return path

    return write


def test_own_format(own):
    (person, ) = read_photo_people(own())
    assert person.file.name == 'a.png' and person.box.tolist() == [1, 2, 30, 80] and person.focal_length == 900
    known = np.arange(18) != 10
    np.testing.assert_array_equal(person.keypoints_2d[known], (np.arange(54.).reshape(18, 3)[:, :2])[known])
    np.testing.assert_allclose(person.keypoints_mm[known, 0], 300 * np.arange(18)[known])  # the root is subtracted
    assert np.isnan(person.keypoints_2d[10]).all() and np.isnan(person.keypoints_mm[10]).all()
    assert read_photo_people(own(keypoints_mm=None, focal_length=None))[0].keypoints_mm is None


def test_coco(standin):
    path = standin / 'coco' / 'annotations' / 'person_keypoints_train2017.json'
    content = json.loads(path.read_text())
    path = standin / 'coco' / 'train2017' / 'people.json'
    path.write_text(json.dumps(content))
    names = {image['id']: image['file_name'] for image in content['images']}
    wanted = [one for one in content['annotations'] if np.count_nonzero(one['keypoints'][2::3]) >= 14]
    people = read_photo_people(path, min_joints=9)
    assert len(people) >= len(wanted) > 0
    left_wrist, nose = JOINT_NAMES.index('left_wrist'), JOINT_NAMES.index('nose')
    for one in wanted:
        (person, ) = [person for person in people if np.allclose(person.box[:2], one['bbox'][:2])
                      and person.file.name == names[one['image_id']]]
        np.testing.assert_allclose(person.box[2:] - person.box[:2], one['bbox'][2:], rtol=1e-5)
        for joint, start in ((nose, 0), (left_wrist, 27)):  # COCO's joints 0 and 9
            x, y, seen = one['keypoints'][start:start + 3]
            np.testing.assert_allclose(person.keypoints_2d[joint], [x, y] if seen else [np.nan] * 2)
        assert np.isnan(person.keypoints_2d[JOINT_NAMES.index('root')]).all() and person.keypoints_mm is None
    path.unlink()


def test_mpii(standin):
    path = standin / 'mpii' / 'mpii_train.json'
    path.write_text((standin / 'mpii' / 'annotations' / 'mpii_train.json').read_text())
    people = read_photo_people(path, min_joints=1)
    dataset = DATASETS.build(dict(type='ZeroBasedMpiiDataset', data_root=str(standin / 'mpii'), ann_file=path.name,
                                  data_prefix=dict(img='images/'), pipeline=[]))
    path.unlink()
    assert len(people) == len(dataset) > 0
    for person, sample in zip(people, dataset, strict=True):
        for joint, index in (('right_ankle', 0), ('head', 9), ('left_wrist', 15)):
            point = sample['keypoints'][0, index] if sample['keypoints_visible'][0, index] else [np.nan] * 2
            np.testing.assert_allclose(person.keypoints_2d[JOINT_NAMES.index(joint)], point, atol=1e-3)
        known = sample['keypoints'][0][sample['keypoints_visible'][0] > 0]
        np.testing.assert_allclose(person.box[2:] - person.box[:2], 1.08 * np.ptp(known, axis=0), rtol=1e-4)


@pytest.mark.parametrize('changes, message', [
    (dict(file='b.png'), 'b.png: no such image, nor .*images.b.png'), (dict(box_xyxy=[5, 5, 5, 9]), 'x1 < x2'),
    (dict(keypoints_2d=[[1, 2, 1]] * 17), r'shape \(18, 3\).*got \(17, 3\)'),
    (dict(keypoints_2d=[[1, 2, 0]] * 18), 'nobody in it has 6 joints'),
    (dict(keypoints_mm=[[np.nan] * 3] * 18), 'keypoints_mm: '), (dict(box_xyxy=None), 'person 0')])
def test_errors_name_file_and_person(own, changes, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_photo_people(own(**changes))


def test_files_of_other_formats(tmp_path):
    path = tmp_path / 'x.json'
    for content, message in (('{', ' is not JSON'), ('{"a": 1}', ": 'frames', or COCO's")):
        path.write_text(content)
        with pytest.raises(ValueError, match=f'x.json{message}'):
            read_photo_people(path)
    with pytest.raises(FileNotFoundError, match=r'y.json: no such JSON file of people'):
        read_photo_people(tmp_path / 'y.json')
