import numpy as np
import pytest

from mmpose_integral.synthetic.wild_frame import render_wild


@pytest.fixture(scope='module')
def images():
    return [render_wild(0, 'coco', index, 128) for index in range(24)]


def test_images_hold_one_to_three_people_of_many_sizes(images):
    counts = [len(people) for _, people in images]
    assert max(counts) <= 3 and np.mean(counts) > 0.9 and max(counts) > 1
    heights = [(p.box[3] - p.box[1]) / image.shape[0] for image, people in images for p in people]
    assert np.std(heights) > 0.1
    assert len({image.shape for image, _ in images}) > 12


def test_boxes_are_those_of_the_masks(images):
    for image, people in images:
        for person in people:
            assert person.mask.shape == image.shape[:2]
            rows, columns = np.nonzero(person.mask)
            expected = (columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5)
            np.testing.assert_allclose(person.box, expected)
        for k, person in enumerate(people):
            assert not any((person.mask & other.mask).any() for other in people[k + 1:])


def test_visible_joints_lie_on_the_mask_and_some_are_hidden(images):
    on_mask, hidden = [], 0
    for image, people in images:
        height, width = image.shape[:2]
        for person in people:
            cells = np.round(person.keypoints).astype(int)
            inside = (cells >= 0).all(1) & (cells < (width, height)).all(1)
            assert not (person.visible & ~inside).any()
            hidden += int((inside & ~person.visible).sum())
            seen = cells[person.visible]
            on_mask.extend(person.mask[seen[:, 1], seen[:, 0]])
    assert np.mean(on_mask) > 0.85
    assert hidden > 20


def test_head_points_are_in_order(images):
    for _, people in images:
        for person in people:
            thorax, upper_neck, top = person.mpii_head
            assert np.linalg.norm(top - thorax) > np.linalg.norm(upper_neck - thorax)
            x1, y1, x2, y2 = person.head_box
            assert x1 < person.face[:, 0].mean() < x2 and y1 < person.face[:, 1].mean() < y2
            assert x1 - 2 < top[0] < x2 + 2 and y1 - 2 < top[1] < y2 + 2


def test_image_depends_on_seed_part_and_index_alone(images):
    again, people = render_wild(0, 'coco', 7, 128)
    np.testing.assert_array_equal(again, images[7][0])
    np.testing.assert_array_equal(people[0].keypoints, images[7][1][0].keypoints)
    assert render_wild(0, 'mpii', 7, 128)[1][0].keypoints[0, 0] != people[0].keypoints[0, 0]
