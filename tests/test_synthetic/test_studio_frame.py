import re
from pathlib import Path

import numpy as np
import pytest

from mmpose_integral.synthetic.body import PART_IDS
from mmpose_integral.synthetic.camera import wild_camera
from mmpose_integral.synthetic.studio import studio_background
from mmpose_integral.synthetic.studio_frame import render_frame, stage_frame
from mmpose_integral.synthetic.wild_frame import draw_scene

REPO = Path(__file__).parents[2]
PRETRAINING_SEED = int(re.search(r'--seed (\d+)', (REPO / 'tools' / 'pretrain.sh').read_text())[1])


@pytest.fixture(scope='module')
def truths():
    return [stage_frame(0, 'train', index, 256)[0].truth for index in range(240)]


@pytest.fixture(scope='module')
def points(truths):
    return np.array([truth.keypoints_mm for truth in truths])


def facing(points):
    """Direction that the trunk faces, (..., 3): hips across, spine up."""
    return np.cross(points[..., 4, :] - points[..., 1, :], points[..., 8, :] - points[..., 0, :])


def test_true_2d_is_the_projection_of_mm_and_root_depth():
    for index in range(20):
        stage, _ = stage_frame(1, 'val', index, 200)
        truth, camera = stage.truth, stage.camera
        ray = np.append((truth.keypoints_2d[0] - camera.center) / camera.focal, 1.0)
        points = truth.keypoints_mm + ray * truth.root_depth_mm
        pixels = truth.focal * points[:, :2] / points[:, 2:] + camera.center
        np.testing.assert_allclose(pixels, truth.keypoints_2d, atol=1e-6)
        assert (truth.keypoints_mm[0] == 0).all()
        assert truth.focal == pytest.approx(1.145 * 200)


def test_people_face_every_way(points):
    front = facing(points)
    counts = np.histogram(np.arctan2(front[:, 0], -front[:, 2]), bins=8, range=(-np.pi, np.pi))[0]
    assert counts.min() > 0.4 * len(points) / 8


def test_left_is_left(truths, points):
    """The left shoulder is at the image's right if the nose points to the camera, and at its left if it points away."""
    upright = [truth.pose not in ('bend', 'turn', 'crouch', 'sit on floor') for truth in truths]
    nose, across = points[:, 8, 2] - points[:, 9, 2], points[:, 11, 0] - points[:, 14, 0]
    clear = upright & (np.abs(nose) >= 70) & (np.abs(across) > 150)
    assert clear.sum() > 50 and (np.sign(nose) * across > 0)[clear].all()


def test_person_is_inside_the_frame_and_small(truths):
    pixels = np.array([truth.keypoints_2d for truth in truths])
    assert pixels.min() > 0 and pixels.max() < 255
    assert 0.3 < np.ptp(pixels[..., 1], axis=1).mean() / 256 < 0.5
    assert pixels[:, 0, 0].std() > 20  # people are off-centre, so that boxes matter
    depth = np.array([truth.root_depth_mm for truth in truths])
    assert 4000 < depth.mean() < 6000 and depth.min() > 3000


def test_only_pixels_at_the_person_differ_from_the_background():
    changed = []
    for index in range(12):
        image, truth, box = render_frame(0, 'train', index, 160)
        stage, _ = stage_frame(0, 'train', index, 160)
        background = studio_background(stage.camera, stage.camera_index, 160)
        exposure = np.median(image / np.maximum(background, 1.0))  # most pixels are background
        difference = np.abs(image - background * exposure).sum(2)
        x, y = np.round(truth.keypoints_2d).astype(int).T
        changed.append(difference[y, x] > 40)
        assert (truth.keypoints_2d > box[:2]).all() and (truth.keypoints_2d < box[2:]).all()
        assert np.median(difference) < 30
    assert np.mean(changed) > 0.85


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
def test_backs_are_dark_and_fronts_are_not(split):
    """Brightness of the trunk, between shoulders and hips, of people who face the camera or turn their back to it."""
    front, back = [], []
    down, across = (grid[..., None] for grid in np.meshgrid([0.3, 0.5, 0.7], [0.25, 0.5, 0.75], indexing='ij'))
    for index in range(90):
        truth = stage_frame(0, split, index, 160)[0].truth
        ahead, pixels = facing(truth.keypoints_mm), truth.keypoints_2d
        if abs(ahead[2]) < 0.8 * np.linalg.norm(ahead):
            continue
        left, right = (pixels[shoulder] * (1 - down) + pixels[hip] * down for shoulder, hip in ((11, 4), (14, 1)))
        x, y = np.moveaxis(np.round(left * (1 - across) + right * across).astype(int), -1, 0)
        (front if ahead[2] < 0 else back).append(render_frame(0, split, index, 160)[0][y, x].mean())
    assert len(front) > 5 and len(back) > 5
    assert np.median(front) > 1.8 * np.median(back), (front, back)


def test_frame_depends_only_on_seed_split_and_index():
    first, again = render_frame(3, 'val', 5, 96), render_frame(3, 'val', 5, 96)
    np.testing.assert_array_equal(first[0], again[0])
    for other in ((4, 'val', 5), (3, 'test', 5), (3, 'val', 6)):
        assert np.abs(first[1].keypoints_mm - stage_frame(*other, 96)[0].truth.keypoints_mm).max() > 1
    larger = stage_frame(3, 'val', 5, 384)[0].truth
    np.testing.assert_allclose(larger.keypoints_mm, first[1].keypoints_mm)
    np.testing.assert_allclose((larger.keypoints_2d + 0.5) / 384, (first[1].keypoints_2d + 0.5) / 96, atol=1e-3)


def test_no_clothes_are_in_two_splits():
    clothes = [{tuple(stage_frame(0, split, index, 128)[0].actor.outfit.shirt) for index in range(count)}
               for split, count in (('train', 6), ('val', 3), ('test', 3))]
    assert [len(shirts) for shirts in clothes] == [6, 3, 3] and len(set.union(*clothes)) == 12


def test_random_people_are_other_people_in_other_clothes():
    frames = [stage_frame(3, 'train', index, 128, random_person=True)[0] for index in (0, 6)]  # both of person 0
    usual = stage_frame(3, 'train', 0, 128)[0]
    bodies = [stage.actor.body.thigh / stage.actor.body.shin for stage in (*frames, usual)]
    shirts = [tuple(stage.actor.outfit.shirt) for stage in (*frames, usual)]
    assert len(set(bodies)) == len(set(shirts)) == 3 and frames[0].truth.subject == -1
    assert frames[0].pose.name == usual.pose.name and frames[0].camera_index == usual.camera_index


def test_the_data_of_the_pretrained_weights_share_no_person_clothes_or_pose():
    others = [stage_frame(PRETRAINING_SEED, 'train', index, 128, random_person=True)[0] for index in range(60)]
    others += [stage_frame(PRETRAINING_SEED, 'val', index, 128, random_person=True)[0] for index in range(20)]
    own = [stage_frame(0, split, index, 128)[0] for split in ('train', 'val', 'test') for index in range(60)]
    for content in (lambda stage: stage.actor.body[:12], lambda stage: (*stage.actor.outfit.shirt,),
                    lambda stage: (*stage.pose.arms.ravel(), *stage.pose.legs.ravel())):
        first, second = ({tuple(np.round(content(stage), 6)) for stage in stages} for stages in (others, own))
        assert len(first) == 80 and not first & second


def test_the_data_of_the_pretrained_weights_share_no_person_with_the_mpii_and_coco_parts():
    def people(seed, part):
        for index in range(20):
            rng = np.random.default_rng((seed, PART_IDS[part], index))
            size = int(48 * rng.uniform(0.85, 1.3)), int(48 * rng.uniform(0.85, 1.1))  # as in render_wild
            yield from draw_scene(rng, wild_camera(rng, size), 48).actors
    others, own = ([actor for part in ('mpii', 'coco') for actor in people(seed, part)]
                   for seed in (PRETRAINING_SEED, 0))
    for content in (lambda actor: actor.body[:12], lambda actor: actor.figure.joints.ravel()):
        first, second = ({tuple(np.round(content(actor), 6)) for actor in actors} for actors in (others, own))
        assert len(first) == len(others) > 40 and not first & second


def test_random_backgrounds_change_the_scene_and_not_the_person():
    studio, wild, again = (render_frame(3, 'val', 5, 128, random) for random in (False, True, True))
    np.testing.assert_array_equal(wild[0], again[0])
    np.testing.assert_array_equal(wild[1].keypoints_mm, studio[1].keypoints_mm)
    np.testing.assert_array_equal(wild[2], studio[2])
    difference = np.abs(wild[0].astype(int) - studio[0]).max(axis=-1)
    x, y = np.round(studio[1].keypoints_2d[[0, 7, 8]]).astype(int).T
    assert (difference > 15).mean() > 0.8 and difference[y, x].max() < 40  # the trunk is the same, up to the noise
