import numpy as np
import pytest

from mmpose_integral.synthetic.wild_frame import render_wild


@pytest.fixture(scope='module')
def images():
    return [render_wild(0, 'coco', index, 128) for index in range(24)]


def test_images_show_one_to_three_people_of_many_sizes(images):
    counts = [len(people) for _, people in images]
    assert max(counts) <= 3 and np.mean(counts) > 0.9 and max(counts) > 1
    heights = [(p.box[3] - p.box[1]) / image.shape[0] for image, people in images for p in people]
    assert np.std(heights) > 0.1
    assert len({image.shape for image, _ in images}) > 12


def test_boxes_are_those_of_the_masks(images):
    for image, people in images:
        masks = np.array([person.mask for person in people]).reshape(-1, *image.shape[:2])
        assert (masks.sum(0) <= 1).all()  # no pixel belongs to two people
        for person, mask in zip(people, masks, strict=True):
            rows, columns = np.nonzero(mask)
            expected = (columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5)
            np.testing.assert_allclose(person.box, expected)


def test_visible_joints_are_on_the_mask_and_some_are_hidden(images):
    on_mask, hidden = [], 0
    for image, person in ((image, person) for image, people in images for person in people):
        cells = np.round(person.keypoints).astype(int)
        inside = (cells >= 0).all(1) & (cells < image.shape[1::-1]).all(1)
        assert not (person.visible & ~inside).any()
        hidden += int((inside & ~person.visible).sum())
        x, y = cells[person.visible].T
        on_mask.extend(person.mask[y, x])
    assert np.mean(on_mask) > 0.85
    assert hidden > 20


def test_head_points_are_in_order(images):
    for person in (person for _, people in images for person in people):
        thorax, upper_neck, top = person.mpii_head
        assert np.linalg.norm(top - thorax) > np.linalg.norm(upper_neck - thorax)
        low, high = person.head_box.reshape(2, 2)
        assert (low < person.face.mean(0)).all() and (person.face.mean(0) < high).all()
        assert (low - 2 < top).all() and (top < high + 2).all()


def test_image_depends_only_on_seed_part_and_index(images):
    again, people = render_wild(0, 'coco', 7, 128)
    np.testing.assert_array_equal(again, images[7][0])
    np.testing.assert_array_equal(people[0].keypoints, images[7][1][0].keypoints)
    assert render_wild(0, 'mpii', 7, 128)[1][0].keypoints[0, 0] != people[0].keypoints[0, 0]
