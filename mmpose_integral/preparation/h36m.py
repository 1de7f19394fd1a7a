"""Human3.6M in the layout of mmpose's ``preprocess_h36m.py``: reading, choice of frames, true cameras.

::

    ROOT/annotation_body3d/cameras.pkl                  {('S1', '54138969'): {R, T, f, c, k, p, w, h, ...}, ...}
    ROOT/annotation_body3d/fps10/h36m_{train,test}.npz  imgname, S (N, 17, 4), part (N, 17, 3), center, scale
    ROOT/images/S1/S1_Directions_1.54138969/S1_Directions_1.54138969_000001.jpg

Frames and units: ``S`` is in metres in the axes of the image's own camera (x right, y down, z away; the origin is the
camera), ``part`` in px, both with a visibility in the last column. ``R`` and ``T`` take camera axes to the world,
world = R @ camera + T, metres. All results of this module are in mm.

The 17 joints are the rows of a CHALL_H80K pose file, in the same order: both are joints 0, 1, 2, 3, 6, 7, 8, 12, 13,
14, 15, 17, 18, 19, 25, 26, 27 of Human3.6M's 32. Only three names differ: joints 7, 8 and 9 are torso, neck
and nose here, and spine, thorax and neck_base in mmpose. (Joint 17, the thorax here, is no joint of Human3.6M.)
"""
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmpose_integral.formats.safe_pickle import load_plain_pickle, loads_plain
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS, add_thorax
from mmpose_integral.utils.files import check_file, read_arrays

# No subject is in two splits: the challenge's mean skeleton lengths differ between splits.
SPLIT_SUBJECTS = dict(Train=(1, 5, 6, 7), Val=(8,), Test=(9, 11))
MAX_FRAMES = 99_999  # file names of CHALL_H80K have five digits and start at 1
MAX_MISFIT_PX = 1.0
DISTANCES_M = (0.5, 50.0)
REMEDY = "make it with mmpose's tools/dataset_converters/preprocess_h36m.py"


class H36MCamera(NamedTuple):
    """Position and lens of a camera for one subject: camera axes = rotation @ (world - position_mm)."""
    rotation: np.ndarray  # (3, 3)
    position_mm: np.ndarray  # (3,), mm
    focal_xy: np.ndarray  # (2,), px
    principal_point: np.ndarray  # (2,), px
    radial: np.ndarray  # (3,), factors of r^2, r^4 and r^6
    tangential: np.ndarray  # (2,), in the order of Human3.6M; see :func:`project`


class H36MFrames(NamedTuple):
    """N images of one or more subjects."""
    names: np.ndarray  # (N,) str, relative to ROOT/images
    subjects: np.ndarray  # (N,) int32
    camera_ids: np.ndarray  # (N,) str, such as '54138969'
    videos: np.ndarray  # (N,) str, subject, action and camera
    keypoints_mm: np.ndarray  # (N, 17, 3) float64, mm, camera axes, the camera at the origin
    keypoints_2d: np.ndarray  # (N, 17, 2) float64, px, as annotated

    def take(self, rows: np.ndarray) -> 'H36MFrames':
        """Select the frames of these rows, in this order."""
        return H36MFrames(*(array[rows] for array in self))


def parse_image_name(name: str) -> tuple[int, str, str, int]:
    """Parse subject, camera id, video and number from an image name.

    Such a name is ``S1/S1_Directions_1.54138969/S1_Directions_1.54138969_000001.jpg``.

    Raises:
        ValueError: If the name has another form.
    """
    match = re.fullmatch(r'(?:.*/)?(S(\d+)_[^/]+\.(\d+))_(\d+)\.jpg', name)
    if match is None or '..' in name.split('/') or name.startswith('/'):
        raise ValueError(f'image name {name!r}: S<subject>_<action>.<camera>_<number>.jpg expected, below the folder '
                         'of the images')
    return int(match[2]), match[3], match[1], int(match[4])


def read_cameras(path: str | Path) -> dict[tuple[int, str], H36MCamera]:
    """Read ``cameras.pkl``.

    Returns:
        Cameras by subject and camera id, such as (1, '54138969').

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds something else.
    """
    check_file(path, 'file of cameras', REMEDY)
    entries = load_plain_pickle(path)
    cameras = {}
    try:
        if not isinstance(entries, dict):
            raise TypeError(f'a {type(entries).__name__} was found')
        for (subject, camera_id), entry in entries.items():
            shapes = dict(R=(3, 3), T=(3,), f=(2,), c=(2,), k=(3,), p=(2,))
            R, T, *lens = (np.asarray(entry[key], dtype=np.float64).reshape(shape) for key, shape in shapes.items())
            if not np.allclose(R @ R.T, np.eye(3), atol=1e-4):
                raise ValueError('R is no rotation')
            cameras[int(subject[1:]), str(camera_id)] = H36MCamera(R.T, 1000 * T, *lens)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: a dict of ('S1', '54138969') to R, T, f, c, k, p expected ({error!r}); {REMEDY}"
                         ) from error
    return cameras


def project(points_mm: np.ndarray, camera: H36MCamera) -> np.ndarray:
    """Project points with the true camera, lens distortion included.

    With (x, y) = (X / Z, Y / Z), r^2 = x^2 + y^2, radial k and tangential p::

        (x, y) (1 + k1 r^2 + k2 r^4 + k3 r^6 + p1 y + p2 x) + r^2 (p2, p1)

    OpenCV and mmpose's SimpleCamera have 2 (p1 y + p2 x) instead. Human3.6M's own 2D joints follow the form above: on
    two frames, they agree with it to 0.001 px and with the other form to 0.07 px.

    Args:
        points_mm: (..., 3), mm, camera axes, the camera at the origin.
        camera: Camera; only its lens is used.

    Returns:
        (..., 2), px.
    """
    xy = points_mm[..., :2] / points_mm[..., 2:]
    r2 = (xy ** 2).sum(axis=-1, keepdims=True)
    k1, k2, k3 = camera.radial
    factor = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)) + xy @ camera.tangential[::-1, None]
    return (xy * factor + r2 * camera.tangential[::-1]) * camera.focal_xy + camera.principal_point


def read_annotations(path: str | Path, subjects: Collection[int]) -> H36MFrames:
    """Read the frames of given subjects from ``h36m_train.npz`` or ``h36m_test.npz``, video by video.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If arrays, shapes or names are wrong, or values are not finite or not in metres in front of the
            camera.
    """
    arrays = read_arrays(path, 'annotations', ('imgname', 'S', 'part'), REMEDY, loads_plain)
    joints, points = arrays['S'], arrays['part']
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in arrays['imgname'].tolist()]
    for key, array, columns in (('S', joints, (3, 4)), ('part', points, (2, 3))):
        if array.shape not in [(len(names), NUM_FILE_JOINTS, n) for n in columns]:
            raise ValueError(f'{path}: {key} of shape ({len(names)}, 17, {columns[1]}) expected to go with '
                             f'{len(names)} image names, got {array.shape}; {REMEDY}')
    try:
        parsed = [parse_image_name(name) for name in names]
    except ValueError as error:
        raise ValueError(f'{path}: {error}; {REMEDY}') from None
    rows = [row for row, entry in enumerate(parsed) if entry[0] in subjects]
    rows.sort(key=lambda row: (parsed[row][0], *parsed[row][2:]))
    subject, camera_id, video = (np.array([parsed[row][column] for row in rows], dtype)
                                 for column, dtype in enumerate(('int32', 'str', 'str')))
    frames = H36MFrames(np.array([names[row] for row in rows], dtype=str), subject, camera_id, video,
                        1000 * joints[rows, :, :3].astype(np.float64), points[rows, :, :2].astype(np.float64))
    _check_values(frames, path)
    return frames


def _check_values(frames: H36MFrames, path: str | Path) -> None:
    finite = np.isfinite(frames.keypoints_mm).all(axis=(1, 2)) & np.isfinite(frames.keypoints_2d).all(axis=(1, 2))
    if not finite.all():
        raise ValueError(f'{path}: {(~finite).sum()} frames have joints that are not finite, the first of them is '
                         f'{frames.names[~finite][0]}; {REMEDY}')
    depth_m = frames.keypoints_mm[:, 0, 2] / 1000
    wrong = (depth_m < DISTANCES_M[0]) | (depth_m > DISTANCES_M[1])
    if wrong.any():
        raise ValueError(f'{path}: the root of {frames.names[wrong][0]} is {depth_m[wrong][0]:.4g} m away, '
                         f'{DISTANCES_M[0]:g} to {DISTANCES_M[1]:g} expected; S must be in metres and camera axes')


def choose_frames(frames: H36MFrames, step: int = 1, max_frames: int | None = None, seed: int = 0) -> H36MFrames:
    """Select a part of the frames.

    Args:
        frames: Frames, video by video.
        step: Step; the first of every ``step`` frames of each video is kept.
        max_frames: Largest number of frames, which are drawn at random and keep their order.
        seed: Seed of the random draws.
    """
    _, starts, video = np.unique(frames.videos, return_index=True, return_inverse=True)
    rows = np.flatnonzero((np.arange(len(video)) - starts[video]) % step == 0)
    if max_frames is not None and len(rows) > max_frames:
        rows = np.sort(np.random.default_rng(seed).choice(rows, max_frames, replace=False))
    return frames.take(rows)


def make_truth(frames: H36MFrames, cameras: Mapping[tuple[int, str], H36MCamera]) -> dict[str, np.ndarray]:
    """Compute the ground truth that the challenge does not publish, frame by frame.

    Args:
        frames: Frames of one split; frame n of N, 0-based, gets the id n + 1.
        cameras: Cameras as :func:`read_cameras` returns them.

    Returns:
        Arrays as in the truth of the stand-in data: ``frame_ids``, ``keypoints_2d`` (N, 18, 2), ``keypoints_mm`` (N,
        18, 3), ``root_depth_mm``, ``subject``, ``focal`` (N,), the mean of both axes, and ``bbox`` (N, 4), the extent
        of the joints. In addition ``img_names``, ``camera_ids`` (N,), ``root_mm`` (N, 3) in camera axes, and the fields
        of :class:`H36MCamera`, each with a first axis of N.

    Raises:
        ValueError: If a camera is missing, or the annotated 2D joints differ from the projected 3D joints.
    """
    keypoints = add_thorax(frames.keypoints_mm)
    points = np.empty((*keypoints.shape[:2], 2))
    keys = list(zip(frames.subjects.tolist(), frames.camera_ids.tolist(), strict=True))
    for key in sorted(set(keys)):
        rows = np.array([other == key for other in keys])
        name = frames.names[rows][0]
        if key not in cameras:
            raise ValueError(f'cameras.pkl has no camera {key[1]} of S{key[0]}, which took {name}; {REMEDY}')
        points[rows] = project(keypoints[rows], cameras[key])
        # The median, because single frames may be off, but a wrong camera moves all of them.
        misfit = np.median(np.linalg.norm(points[rows, :NUM_FILE_JOINTS] - frames.keypoints_2d[rows], axis=-1))
        if misfit > MAX_MISFIT_PX:
            raise ValueError(f'{name} and the other frames of its camera: the annotated 2D joints are {misfit:.4g} px '
                             f'off the projected 3D joints, at most {MAX_MISFIT_PX:g} expected; cameras.pkl and the '
                             'annotations do not belong together, or S is not in camera axes')
    root = keypoints[:, 0]
    fields = {name: np.array([getattr(cameras[key], name) for key in keys]) for name in H36MCamera._fields}
    return dict(
        frame_ids=np.arange(1, len(points) + 1, dtype=np.int32), keypoints_2d=points.astype(np.float32),
        keypoints_mm=(keypoints - root[:, None]).astype(np.float32), root_depth_mm=root[:, 2].astype(np.float32),
        subject=frames.subjects, focal=fields['focal_xy'].mean(axis=1).astype(np.float32),
        bbox=np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1).astype(np.float32),
        img_names=frames.names, camera_ids=frames.camera_ids, root_mm=root, **fields)
