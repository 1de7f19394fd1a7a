import cv2
import numpy as np
import pytest
from mmpose.datasets.transforms import RandomBBoxTransform
from mmpose.registry import TRANSFORMS
from PIL import Image

from mmpose_integral.datasets.transforms.occlusion import VocObjects, draw_shape, feather, paste


def box(img_id=1):
    return dict(img_id=img_id, bbox_center=np.array([[100., 60.]], np.float32),
                bbox_scale=np.array([[80., 120.]], np.float32))


def build(name, **options):
    return TRANSFORMS.build(dict(type=name, **options))


def edges(results):
    half = results['bbox_scale'] / 2
    return np.concatenate([results['bbox_center'] - half, results['bbox_center'] + half], 1)[0]


def test_edges_err_by_shares_of_the_side():
    np.random.seed(0)
    transform = build('PerturbBBox', edge_std=0.05)
    errors = np.array([edges(transform(box())) - edges(box()) for _ in range(4000)])
    np.testing.assert_allclose(errors.std(0), 0.05 * np.array([80, 120, 80, 120]), rtol=0.05)
    np.testing.assert_allclose(errors.mean(0), 0, atol=0.4)
    assert np.abs(np.corrcoef(errors.T) - np.eye(4)).max() < 0.06


def test_with_a_seed_errors_belong_to_the_image():
    transform = build('PerturbBBox', edge_std=0.1, seed=3)
    first = edges(transform(box(1)))
    np.testing.assert_array_equal(first, edges(transform(box(1))))
    for other in (transform(box(2)), build('PerturbBBox', edge_std=0.1, seed=4)(box(1))):
        assert np.abs(first - edges(other)).min() > 0


def test_scale_alone_keeps_the_centre():
    result = build('PerturbBBox', edge_std=0, scale=1.5)(box())
    np.testing.assert_allclose(result['bbox_scale'], [[120, 180]])
    np.testing.assert_allclose(result['bbox_center'], [[100, 60]])


def test_released_augmentation_is_clipped_and_rotates_six_in_ten():
    np.random.seed(0)
    transform = build('ReleasedCodeCropBox')
    results = [transform(box()) for _ in range(4000)]
    scales = np.array([result['bbox_scale'][0] / [80, 120] for result in results])
    rotations = np.array([result['bbox_rotation'][0] for result in results])
    assert scales.min() == pytest.approx(0.75) and scales.max() == pytest.approx(1.25)
    assert np.mean(scales[:, 0] == scales[:, 0].max()) == pytest.approx(0.159, abs=0.02)  # P(N > 1)
    assert np.abs(rotations).max() == pytest.approx(60)
    assert np.mean(rotations != 0) == pytest.approx(0.6, abs=0.03)


def test_crop_box_draws_what_mmpose_draws():
    options = dict(shift_factor=0.02, shift_prob=1.0, scale_factor=(0.75, 1.25), rotate_factor=30, rotate_prob=0.6)
    theirs = RandomBBoxTransform(**options)
    ours = build('RandomCropBox', input_size=(20, 30), **options)  # the box has this aspect ratio already
    for seed in range(20):
        results = []
        for transform in (theirs, ours):
            np.random.seed(seed)
            results.append(transform(box()))
        for key in ('bbox_center', 'bbox_scale', 'bbox_rotation'):
            np.testing.assert_allclose(results[0][key], results[1][key], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('old, new, options', [('RandomBBoxTransform3D', 'RandomCropBox', dict(input_size=None)),
                                               ('RandomBBoxReleased', 'ReleasedCodeCropBox', {})])
def test_old_names_warn_and_work(old, new, options):
    with pytest.warns(DeprecationWarning, match=f'{old} is called {new} now'):
        transforms = build(old), build(new, **options)
    results = []
    for transform in transforms:
        np.random.seed(5)
        results.append(transform(box()))
    for key in ('bbox_scale', 'bbox_rotation'):
        np.testing.assert_array_equal(results[0][key], results[1][key])


def test_translation_is_a_share_of_the_crop_on_both_axes():
    np.random.seed(0)
    transform = build('RandomCropBox', input_size=(64, 64), scale_prob=0)
    results = [transform(box()) for _ in range(3000)]
    np.testing.assert_allclose([result['bbox_scale'][0] for result in results], 120)  # 80 x 120 px, made square
    shifts = np.array([result['bbox_center'][0] for result in results]) - [100, 60]
    np.testing.assert_allclose(np.abs(shifts).max(axis=0), 0.02 * 120, rtol=0.02)
    # of a normal distribution cut off at one standard deviation
    np.testing.assert_allclose(shifts.std(axis=0), 0.02 * 120 * 0.5396, rtol=0.05)


@pytest.mark.parametrize('config, error, message', [
    (dict(type='PerturbBBox', scale=0), ValueError, 'scale > 0'),
    (dict(type='RandomOcclusion', prob=2), ValueError, 'prob'),
    (dict(type='RandomOcclusion', scale=(2, 1)), ValueError, r'scale\[0\] <= scale\[1\]'),
    (dict(type='RandomOcclusion', voc_root='nowhere'), FileNotFoundError, 'Annotations')])
def test_bad_arguments_are_named(config, error, message):
    with pytest.raises(error, match=message):
        TRANSFORMS.build(config)


def test_occlusion_has_its_probability_and_does_not_change_its_input():
    np.random.seed(0)
    image = np.full((64, 48, 3), 100, np.uint8)
    transform = build('RandomOcclusion', prob=0.7)
    changed = [(transform(dict(img=image))['img'] != 100).any() for _ in range(400)]
    assert np.mean(changed) == pytest.approx(0.7, abs=0.07)
    assert (image == 100).all()


def test_paste_blends_at_the_place_and_cuts_parts_outside_the_image():
    image = np.zeros((20, 30, 3), np.uint8)
    paste(image, np.full((8, 10, 3), 200, np.uint8), np.full((8, 10), 0.5, np.float32), 0.5, np.array([10, 6]))
    expected = np.zeros_like(image)
    expected[4:8, 8:13] = 100
    np.testing.assert_array_equal(image, expected)
    expected[15:, 24:] = 9
    for center in ((29, 19), (300, 300)):  # in part and wholly outside the image
        paste(image, np.full((8, 10, 3), 9, np.uint8), np.ones((8, 10), np.float32), 1.0, np.array(center))
        np.testing.assert_array_equal(image, expected)


def test_feathered_edges_lie_inside():
    mask = np.zeros((40, 40), bool)
    mask[5:35, 5:35] = True
    alpha = feather(mask)
    assert (alpha[~mask] == 0).all() and alpha[20, 20] == 1 and 0 < alpha[5, 20] < 0.5


def test_generated_shapes_vary_and_are_opaque_within():
    np.random.seed(0)
    shapes = [draw_shape(64) for _ in range(30)]
    for color, opacity in shapes:
        assert color.shape[:2] == opacity.shape and color.dtype == np.uint8
        assert max(opacity.shape) <= 64 and opacity.max() == 1
    assert len({opacity.shape for _, opacity in shapes}) > 15


@pytest.fixture
def voc(tmp_path):
    """One picture in VOC's layout: a dog, a person, a truncated car, and a cat that is too small."""
    for folder in ('Annotations', 'JPEGImages', 'SegmentationObject'):
        (tmp_path / folder).mkdir()
    image, mask = np.full((100, 120, 3), 60, np.uint8), np.zeros((100, 120), np.uint8)
    parts = [('dog', 0, (slice(10, 50), slice(20, 70))), ('person', 0, (slice(50, 90), slice(80, 110))),
             ('car', 1, (slice(60, 90), slice(0, 40))), ('cat', 0, (slice(0, 5), slice(0, 5)))]
    text = ''
    for number, (name, truncated, where) in enumerate(parts, 1):
        mask[where], image[where] = number, (0, 40 * number, 255)
        text += f'<object><name>{name}</name><truncated>{truncated}</truncated><difficult>0</difficult></object>'
    (tmp_path / 'Annotations' / 'a.xml').write_text(f'<annotation>{text}</annotation>')
    cv2.imwrite(str(tmp_path / 'JPEGImages' / 'a.jpg'), image, [cv2.IMWRITE_JPEG_QUALITY, 98])
    picture = Image.fromarray(mask, mode='P')
    picture.putpalette([value for i in range(256) for value in (i, 255 - i, i)])
    picture.save(tmp_path / 'SegmentationObject' / 'a.png')
    return tmp_path


def test_voc_objects_are_whole_and_no_person(voc):
    np.random.seed(0)
    objects = VocObjects(str(voc))
    assert objects.objects == [('a', 1), ('a', 4)]
    for _ in range(5):  # the cat is never drawn
        color, opacity = objects.draw()
        assert opacity.shape == (40, 50)
        assert np.abs(color[20, 25].astype(int) - (0, 40, 255)).max() < 12
    result = build('RandomOcclusion', prob=1.0, voc_root=str(voc))(dict(img=np.zeros((64, 64, 3), np.uint8)))
    assert result['img'][..., 2].max() > 200
    (voc / 'Annotations' / 'a.xml').write_text('<annotation><object><name>person</name></object></annotation>')
    with pytest.raises(ValueError, match='no segmented object'):
        VocObjects(str(voc))
