"""Distances between the roots of two people in one frame, against the truth of rendered frames.

With ``pytest -s``, the table of ``docs/cameras.md`` is printed.
"""
import numpy as np
from mmengine.structures import InstanceData

from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.apis.intrinsics import find_intrinsics
from mmpose_integral.apis.people import add_cameras, to_millimetres
from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.structures.skeleton import add_thorax
from mmpose_integral.synthetic.body import people_of_split
from mmpose_integral.synthetic.camera import studio_camera
from mmpose_integral.synthetic.kinematics import pose_figure
from mmpose_integral.synthetic.outfits import studio_outfit
from mmpose_integral.synthetic.poses import random_pose
from mmpose_integral.synthetic.render import Actor, draw_people, place_figure, visible_box
from mmpose_integral.synthetic.studio import studio_background
from mmpose_integral.synthetic.studio_frame import STUDIO_LIGHT

PLACES = (((-600, 100), (700, -100)), ((0, -800), (200, 900)), ((-900, -500), (500, 600)), ((300, 0), (-500, 800)),
          ((900, 900), (-300, -200)), ((-200, 700), (600, -900)))  # mm on the floor
SIZE = 512  # px


def render_pair(number):
    """A frame (SIZE, SIZE, 3), boxes (2, 4) px, true joints (2, 18, 3) mm in camera axes, and the focal length, px."""
    rng, camera = np.random.default_rng((5, number)), studio_camera(number % 4, SIZE)
    actors = []
    for rank, place in enumerate(PLACES[number]):
        subject, body = people_of_split(0, 'val')[rank]
        pose = random_pose(rng)._replace(seat=False)
        figure = place_figure(pose_figure(body, pose, rng.uniform(0, 360)), place)
        actors.append(Actor(figure, body, studio_outfit(subject)))
    image = studio_background(camera, number % 4, SIZE)
    layers = draw_people(image, camera, actors, [], STUDIO_LIGHT)
    joints = np.stack([camera.to_camera(add_thorax(actor.figure.joints)) for actor in actors])
    return image, np.stack([visible_box(layers, owner) for owner in (0, 1)]), joints, camera.focal


def distance(roots):
    return float(np.linalg.norm(np.subtract(*roots)))


def from_true_joints(joints, focal, perspective):
    """Distance for a network that predicts the labels of a camera model without error."""
    mm, depth = joints - joints[:, :1], joints[:, 0, 2]
    intrinsics = find_intrinsics((SIZE, SIZE), focal_length=focal)
    flat = joints[..., :2] / joints[..., 2:] * focal + intrinsics.principal_point
    px = np.concatenate([flat, focal * mm[..., 2:] / depth[:, None, None]], axis=-1)
    instances = InstanceData(keypoints=px, keypoint_scores=np.ones((2, 18)), bboxes=np.zeros((2, 4)),
                             bbox_scores=np.ones(2))
    people = to_millimetres(instances, skeleton_length(mm), intrinsics if perspective else None)
    add_cameras(people, intrinsics)
    return distance(people.root_positions)


def test_distances_between_two_people():
    inferencer = MMPoseInferencer(pose3d='standin', device='cpu')
    rows = []
    for number in range(len(PLACES)):
        image, boxes, joints, focal = render_pair(number)
        lengths = dict(enumerate(skeleton_length(joints - joints[:, :1]).tolist()))
        result = next(inferencer(image, bboxes=boxes, focal_length=focal, bone_length=lengths))
        roots = [person['camera']['root_position'] for person in result['predictions'][0]]
        rows.append([distance(joints[:, 0]), *(from_true_joints(joints, focal, model) for model in (True, False)),
                     distance(roots)])
    truth, perspective, weak, model = np.array(rows).T
    print('\n| true distance, m | true joints, perspective | true joints, weak perspective | model `standin` |')
    print('\n'.join(f'| {" | ".join(f"{value / 1000:.2f}" for value in row)} |' for row in rows))
    assert truth.min() > 1000
    np.testing.assert_allclose(perspective, truth, rtol=1e-6)
    np.testing.assert_allclose(weak, truth, rtol=0.06)
    assert np.median(np.abs(model - truth)) < 200
