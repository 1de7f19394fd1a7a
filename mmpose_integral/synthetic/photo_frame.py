"""One frame of the H80K part that looks like a photograph: any scene and view, further people, objects in front."""
import numpy as np

from ..structures.skeleton import add_thorax
from .body import PART_IDS
from .camera import photo_camera
from .poses import PHOTOGRAPHED
from .render import visible_box
from .studio_frame import StudioTruth
from .wild_frame import draw_scene

_MIN_VISIBLE = 0.01  # share of the image
_NEAREST = 500.0  # mm, smallest depth of a joint


def render_photo(seed: int, split: str, index: int, image_size: int) -> tuple[np.ndarray, StudioTruth, np.ndarray]:
    """Draw a photograph of a person who is in no other frame.

    Args:
        seed: Seed of the data set.
        split: 'train', 'val' or 'test'.
        index: 0-based number of the frame. The frame depends only on (seed, split, index) and the image size.
        image_size: Side of the image, px.

    Returns:
        Picture, (image_size, image_size, 3) uint8 BGR; truth of the first person of the scene, whose joints may be
        outside the image or behind objects; and the box of this person, (4,) x1, y1, x2, y2 px.
    """
    attempt = 0
    while True:  # again, until enough of the person is visible
        rng = np.random.default_rng((seed, PART_IDS[split], index, 3, attempt))
        camera = photo_camera(rng, image_size)
        scene = draw_scene(rng, camera, image_size, PHOTOGRAPHED)
        joints = add_thorax(scene.actors[0].figure.joints)
        local, box = camera.to_camera(joints), visible_box(scene.layers, 0)
        seen = np.count_nonzero(scene.layers.owner == 0) / scene.layers.oversample ** 2
        if box is not None and seen >= _MIN_VISIBLE * image_size ** 2 and local[:, 2].min() >= _NEAREST:
            truth = StudioTruth(local - local[0], camera.project(joints), float(local[0, 2]), -1, camera.focal, '')
            return scene.image, truth, box
        attempt += 1
