import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import master_only
from mmpose.registry import VISUALIZERS
from mmpose.structures import PoseDataSample
from mmpose.visualization import PoseLocalVisualizer

from mmpose_integral.evaluation.functional import label_intrinsics
from mmpose_integral.structures.bone_length import resolve_bone_length
from mmpose_integral.structures.skeleton import NUM_JOINTS

from .canvas import save_picture
from .panel import Panel
from .people import People, read_people
from .room import SteadyRooms
from .view_3d import AnyView

# mmpose's inferencers set these two default values before every picture.
_MMPOSE_RADIUS, _MMPOSE_LINE_WIDTH = 3, 1
# Limits for a whole image in the picture, px: readable text needs the least height; the largest size fits a screen.
_LEAST_HEIGHT, _MOST_HEIGHT, _MOST_WIDTH = 480, 1080, 1920
_OPEN_WINDOW = 'import cv2; cv2.namedWindow("mmpose_integral"); cv2.destroyAllWindows()'
_NOBODY = People(np.zeros((0, NUM_JOINTS, 2)), np.zeros((0, NUM_JOINTS, 3)))


def check_window() -> None:
    """Check that OpenCV can open a window here.

    Qt ends the process, also that of a notebook, if it cannot reach a display. Another process tries it first.

    Raises:
        OSError: If OpenCV was built without windows, or if there is no display.
    """
    if not cv2.currentUIFramework():
        raise OSError('this OpenCV cannot open a window; for one that can, run '
                      '`pip uninstall -y opencv-python-headless` and `pip install opencv-python==4.14.0.94`')
    if sys.platform.startswith('linux') and not any(map(os.environ.get, ('DISPLAY', 'WAYLAND_DISPLAY'))):
        raise OSError('a window cannot be opened: there is no display (DISPLAY is not set)')
    reason = _try_window(*map(os.environ.get, ('DISPLAY', 'WAYLAND_DISPLAY')))
    if reason:
        raise OSError(f'a window cannot be opened: {reason}')


@functools.cache
def _try_window(*displays: str | None) -> str:
    """Open a window in another process; return the reason why that fails, or nothing.

    ``displays`` only tell one call from another, because the result is kept.
    """
    try:
        # All words are constants.
        run = subprocess.run([sys.executable, '-c', _OPEN_WINDOW],  # nosec B603
                             capture_output=True, text=True, errors='replace', timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return 'the display does not answer'
    lines = run.stderr.strip().splitlines()
    return '' if run.returncode == 0 else lines[0] if lines else f'the process ended with status {run.returncode}'


@VISUALIZERS.register_module()
class IntegralPose3dVisualizer(PoseLocalVisualizer):
    """Draws 3D people in mm: image with overlay, 3D views, and the truth dashed beside the prediction.

    It has the interface of mmpose's visualizers, for hooks and inferencers. Left is blue, right vermilion, middle grey;
    ``kpt_color`` and ``link_color`` have no effect. Joints of low score are drawn hollow in 2D and 3D. The size of
    joints and limbs follows the picture. A ``line_width`` other than mmpose's default 1 is taken as px. A ``radius``
    other than its default 3 scales joints and limbs in proportion.

    For a video set ``steady``, and call :meth:`forget_rooms` before the next video. All its pictures have one size if
    ``crop`` is off and the frames have one size, whether or not people are found.

    Args:
        views, layout, perspective: Fields of :class:`Panel`.
        crop: Whether to crop the image to the people.
        height: Height of the image in the picture, px. Default: 480 for a crop, else the image's own height within 480
            to 1080, reduced if the width would exceed 1920.
        bone_length: Bone length, mm, for predictions in px; see ``resolve_bone_length``.
        extent: Least half width of the 3D room, mm, for all samples; larger people enlarge the room.
        steady: Whether the 3D rooms are kept from sample to sample and only grow, for video. It is also an attribute,
            which may be set between calls.
        draw_std: Whether to show ``keypoint_std`` as one-sigma ellipses in 3D.
        name, **kwargs: Arguments of :class:`PoseLocalVisualizer`.
    """

    def __init__(self, name: str = 'visualizer', views: Sequence[AnyView] = ('front', 'side'), crop: bool = False,
                 height: int | None = None, layout: str = 'auto', bone_length: float | None = None,
                 extent: float | None = None, steady: bool = False, draw_std: bool = True, perspective: bool = True,
                 **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.views, self.crop, self.layout, self._height = tuple(views), crop, layout, height
        self.bone_length, self.extent = bone_length, extent
        self.draw_std, self.perspective = draw_std, perspective
        self.steady = steady
        self.forget_rooms()

    def forget_rooms(self) -> None:
        """Remove the 3D rooms of ``steady``, for another video."""
        self._rooms = SteadyRooms()

    @master_only
    def add_datasample(self, name: str, image: np.ndarray, data_sample: PoseDataSample, det_data_sample: Any = None,
                       draw_gt: bool = True, draw_pred: bool = True, draw_2d: bool = True, draw_bbox: bool = False,
                       draw_heatmap: bool = False, show_kpt_idx: bool = False, skeleton_style: str = 'mmpose',
                       dataset_2d: Any = None, dataset_3d: Any = None, convert_keypoint: Any = None,
                       num_instances: int = -1, show: bool = False, wait_time: float = 0,
                       out_file: str | Path | None = None, kpt_thr: float = 0.3, step: int = 0,
                       crop: bool | None = None, title: str = '', bone_length: float | None = None,
                       views: Sequence[AnyView] | None = None, absolute: bool = False, unit: str = 'px') -> np.ndarray:
        """Draw a sample, (height, width, 3) uint8 RGB, and show it, write it, or pass it to the backends.

        Args:
            name: Name of the window or of the backends' picture.
            image: (H, W, 3) uint8 RGB.
            data_sample: Sample with optional ``pred_instances`` in ``unit``, and ``gt_instances`` with ``keypoints`` in
                px and ``keypoints_mm``. For empty ``pred_instances`` the picture says that no person was found.
            draw_gt, draw_pred, draw_2d, draw_bbox, show_kpt_idx: Whether to draw the truth, the prediction, joints over
                the image, person boxes, and the joints' indices.
            skeleton_style: Style of the skeleton; only 'mmpose' is supported.
            num_instances: Largest number of people; negative for all.
            show, wait_time: Whether to open a window, and for which time, s; 0 waits for a key.
            out_file: File for the picture, which is then not passed to the backends.
            kpt_thr: Threshold of the scores; joints below it are hollow.
            step: Step for the backends.
            crop, bone_length, views: Replacements for the constructor's values.
            title: Title in the strip below.
            absolute: Whether people stand at their ``pred_instances.root_positions`` (N, 3) mm, relative to the mean;
                without that field they stand side by side.
            unit: Unit of the predicted ``keypoints`` and ``keypoint_std``: 'px' for a model's data samples, 'mm' for
                the inferencer's results, see ``people.read_people``.
            det_data_sample, draw_heatmap, dataset_2d, dataset_3d, convert_keypoint: Arguments that mmpose's callers
                pass. They have no effect: there is no 2D stage, and the model's volumes are not kept.

        Raises:
            ValueError: If a skeleton style, unit, shape or view cannot be drawn.
        """
        if skeleton_style != 'mmpose':
            raise ValueError(f"skeleton_style: 'mmpose' expected, got {skeleton_style!r}; the 18 joints of "
                             'CHALL_H80K have no openpose order')
        pred, truth, caption, note = People(), People(), None, ''
        if draw_gt and 'gt_instances' in data_sample:
            truth = read_people(data_sample.gt_instances, 'px', number=num_instances)
            # mmpose fills in zeros if a data set has no joints in the image.
            truth = truth._replace(keypoints_2d=truth.keypoints_2d if np.any(truth.keypoints_2d) else None)
        if draw_pred and 'pred_instances' in data_sample:
            if unit == 'px' and 'keypoints_2d' in data_sample.pred_instances:
                raise ValueError("unit: 'px' given, but pred_instances have keypoints_2d, as the inferencer's results, "
                                 "whose keypoints are mm; pass unit='mm' for them")
            length = resolve_bone_length(self.bone_length if bone_length is None else bone_length,
                                         dataset_meta=self.dataset_meta)
            pred = read_people(data_sample.pred_instances, unit, length, num_instances,
                               label_intrinsics(data_sample.metainfo))
            if unit == 'px' and 'keypoints_mm' not in data_sample.pred_instances:
                note = f' at bone length {length:.0f} mm'   # the error in mm depends on it
            if pred.keypoints_2d is None and pred.keypoints_mm is None:
                caption, pred = 'no person found', _NOBODY if truth.keypoints_mm is None else People()
        pred = pred._replace(bboxes=truth.bboxes if pred.bboxes is None else pred.bboxes,
                             std_mm=pred.std_mm if self.draw_std else None, roots=pred.roots if absolute else None)
        if not draw_2d:
            pred, truth = pred._replace(keypoints_2d=None), truth._replace(keypoints_2d=None)
        crop = self.crop if crop is None else crop
        panel = Panel(
            views=self.views if views is None else tuple(views), crop=crop, draw_bbox=draw_bbox, layout=self.layout,
            height=self._height or (_LEAST_HEIGHT if crop else _suitable_height(image.shape)), score_thr=kpt_thr,
            joint_names=range(NUM_JOINTS) if show_kpt_idx else None, scale=self.radius / _MMPOSE_RADIUS,
            thickness=None if self.line_width == _MMPOSE_LINE_WIDTH else self.line_width, extent=self.extent,
            perspective=self.perspective, rooms=self._rooms if self.steady else None)
        picture = panel.draw(image, pred, truth, title, caption, note)
        self.set_image(picture)
        if show:
            check_window()
            self.show(picture, win_name=name, wait_time=wait_time)
        if out_file is not None:
            save_picture(picture, out_file)
        else:
            self.add_image(name, picture, step)
        return picture


def _suitable_height(image_shape: Sequence[int]) -> int:
    """Height in px at which a whole image (h, w) is shown."""
    height = int(np.clip(image_shape[0], _LEAST_HEIGHT, _MOST_HEIGHT))
    # A panorama may be lower than the least height, but not lower than 64 px.
    return min(height, max(64, _MOST_WIDTH * image_shape[0] // image_shape[1]))
