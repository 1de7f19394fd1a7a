"""A small Human3.6M tree, as mmpose's preprocessing writes it."""
import pickle

import cv2
import numpy as np
from PIL import Image

from mmpose_integral.preparation.h36m import H36MCamera

# The published lens of camera 54138969, and its position for S1 (world to camera; position in mm).
LENS = dict(f=(1145.04940458804, 1143.78109572365), c=(512.541504956548, 515.4514869776),
            k=(-0.207098910824901, 0.247775183068982, -0.00307515035078854),
            p=(-0.00142447157470321, -0.000975698859470499))
ROTATION = np.array([[-0.91536173, 0.40180837, 0.02574754], [0.05154812, 0.18037357, -0.98224649],
                     [-0.39931903, -0.89778361, -0.18581953]])
POSITION = np.array([1841.10702775, 4955.28462345, 1563.4453959])
CAMERAS = ('54138969', '55011271')


def camera_entry(**changes):
    """One camera as ``preprocess_h36m.py`` writes it: columns, and metres."""
    lens = {key: np.array(value)[:, None] for key, value in {**LENS, **changes}.items()}
    return dict(R=ROTATION.T, T=POSITION[:, None] / 1000, **lens, w=1000, h=1002, name='camera1', id='54138969')


def make_camera(**changes):
    return H36MCamera(ROTATION, POSITION, *(np.array(value) for value in {**LENS, **changes}.values()))


def opencv_points(joints_mm, **changes):
    lens = {**LENS, **changes}
    matrix = np.array([[lens['f'][0], 0, lens['c'][0]], [0, lens['f'][1], lens['c'][1]], [0, 0, 1]])
    distortion = np.array([*lens['k'][:2], *lens['p'], lens['k'][2]])
    points, _ = cv2.projectPoints(joints_mm.reshape(-1, 3), np.zeros(3), np.zeros(3), matrix, distortion)
    return points.reshape(*joints_mm.shape[:-1], 2)


def make_tree(root):
    """Write seven subjects, two cameras, one video of six frames each; return the joints (17, 3) mm by image name."""
    rng, truth = np.random.default_rng(0), {}
    for split, subjects in dict(train=(1, 5, 6, 7, 8), test=(9, 11)).items():
        names, joints = [], []
        for subject, camera in ((subject, camera) for subject in subjects for camera in CAMERAS):
            video = f'S{subject}_Walk_Dog_1.{camera}'
            (root / 'images' / f'S{subject}' / video).mkdir(parents=True)
            for number in range(1, 31, 5):
                names.append(f'S{subject}/{video}/{video}_{number:06d}.jpg')
                joints.append(rng.normal(0, (200, 450, 70), (17, 3)) + rng.normal((0, 0, 5000), (500, 200, 300)))
                Image.fromarray(rng.integers(0, 255, (25, 20, 3), np.uint8)).save(root / 'images' / names[-1])
        ones, joints_mm = np.ones((len(names), 17, 1)), np.array(joints)
        (root / 'annotation_body3d/fps10').mkdir(parents=True, exist_ok=True)
        np.savez(root / f'annotation_body3d/fps10/h36m_{split}.npz', imgname=np.array(names),
                 S=np.concatenate([joints_mm / 1000, ones], 2),
                 part=np.concatenate([opencv_points(joints_mm), ones], 2), center=np.zeros((len(names), 2)),
                 scale=np.ones(len(names)))
        truth.update(zip(names, joints, strict=True))
    cameras = {(f'S{subject}', camera): camera_entry() for subject in range(1, 12) for camera in CAMERAS}
    (root / 'annotation_body3d/cameras.pkl').write_bytes(pickle.dumps(cameras))
    return truth
