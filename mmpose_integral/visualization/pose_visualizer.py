import os
import sys

import cv2
import numpy as np
from mmengine.dist import master_only
from mmpose.registry import VISUALIZERS
from mmpose.visualization import PoseLocalVisualizer

from ..structures.bone_length import resolve_bone_length
from ..structures.skeleton import JOINT_NAMES
from .canvas import save_picture
from .instances import DrawnPeople, read_people, read_truth
from .panel import compose_panel, tile_width
from .room import SteadyRooms

# mmpose's inferencers set these two default values before every picture.
_MMPOSE_RADIUS, _MMPOSE_LINE_WIDTH = 3, 1
# Limits for a whole image in the picture, px: readable text needs the least height; the largest size fits a screen.
_LEAST_HEIGHT, _MOST_HEIGHT, _MOST_WIDTH = 480, 1080, 1920


def check_window() -> None:
    """Check that OpenCV can open a window here.

    Raises:
        OSError: If OpenCV was built without windows, or if there is no display.
    """
    if not cv2.currentUIFramework():
        raise OSError('this OpenCV cannot open a window; for one that can, run '
                      '`pip uninstall -y opencv-python-headless` and `pip install opencv-python==4.14.0.94`')
    if sys.platform.startswith('linux') and not any(map(os.environ.get, ('DISPLAY', 'WAYLAND_DISPLAY'))):
        raise OSError('a window cannot be opened: there is no display (DISPLAY is not set)')  # Qt would end the process


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
        name (str): Name of the instance.
        views (Sequence): Names or (azimuth, elevation) in degrees, see ``view_3d``; empty draws the image alone.
        crop (bool): Whether to crop the image to the people.
        height (int, optional): Height of the image in the picture, px. Default: 480 for a crop, else the image's own
            height within 480 to 1080, reduced if the width would exceed 1920.
        layout (str): Layout of the views, 'row', 'column' or 'auto', see :func:`compose_panel`.
        bone_length (float, optional): Bone length, mm, for predictions in px; see ``resolve_bone_length``.
        extent (float, optional): Least half width of the 3D room, mm, for all samples; larger people enlarge the room.
        steady (bool): Whether the 3D rooms are kept from sample to sample and only grow, for video. It is also an
            attribute, which may be set between calls.
        draw_std (bool): Whether to show ``keypoint_std`` as one-sigma ellipses in 3D.
        perspective (bool): Whether the 3D views have a mild perspective; otherwise they are orthographic.
        **kwargs: Arguments of :class:`PoseLocalVisualizer`.
    """

    def __init__(self, name='visualizer', views=('front', 'side'), crop=False, height=None, layout='auto',
                 bone_length=None, extent=None, steady=False, draw_std=True, perspective=True, **kwargs):
        super().__init__(name=name, **kwargs)
        self.views, self.crop, self.height, self.layout = tuple(views), crop, height, layout
        self.bone_length, self.extent = bone_length, extent
        self.draw_std, self.perspective = draw_std, perspective
        self.steady, self._rooms = steady, SteadyRooms()
        self._picture = None

    def forget_rooms(self):
        """Remove the 3D rooms of ``steady``, for another video."""
        self._rooms.forget()

    @master_only
    def add_datasample(self, name, image, data_sample, det_data_sample=None, draw_gt=True, draw_pred=True,
                       draw_2d=True, draw_bbox=False, draw_heatmap=False, show_kpt_idx=False, skeleton_style='mmpose',
                       dataset_2d=None, dataset_3d=None, convert_keypoint=None, num_instances=-1, show=False,
                       wait_time=0, out_file=None, kpt_thr=0.3, step=0, crop=None, title='',
                       bone_length=None, views=None, absolute=False):
        """Draw a sample, and show it, write it, or pass it to the backends.

        Args:
            name (str): Name of the window or of the backends' picture.
            image (np.ndarray): (H, W, 3) uint8 RGB.
            data_sample (PoseDataSample): Sample with optional ``pred_instances`` and ``gt_instances``; units as in
                ``instances``. For empty ``pred_instances`` the picture says that no person was found. Several people
                are labelled with their ``track_ids`` or their indices.
            draw_gt (bool): Whether to draw the truth if there is one.
            draw_pred (bool): Whether to draw the prediction.
            draw_2d (bool): Whether to draw joints over the image.
            draw_bbox (bool): Whether to draw the person boxes.
            show_kpt_idx (bool): Whether to write the joints' indices beside them.
            skeleton_style (str): Style of the skeleton; only 'mmpose' is supported.
            num_instances (int): Largest number of people; negative for all.
            show (bool): Whether to open a window.
            wait_time (float): Time for which the window is shown, s; 0 waits for a key.
            out_file (str, optional): File for the picture, which is then not passed to the backends.
            kpt_thr (float): Threshold of the scores; joints below it are hollow.
            step (int): Step for the backends.
            crop (bool, optional): Replacement for the constructor's value.
            bone_length (float, optional): Replacement for the constructor's value, mm.
            title (str): Title in the strip below.
            views (Sequence, optional): Replacement for the constructor's value.
            absolute (bool): Whether people stand at their ``pred_instances.root_positions`` (N, 3) mm, relative to the
                mean; without that field they stand side by side.
            det_data_sample, draw_heatmap, dataset_2d, dataset_3d, convert_keypoint: Arguments that mmpose's callers
                pass. They have no effect: there is no 2D stage, and the model's volumes are not kept.

        Returns:
            np.ndarray: (height, width, 3) uint8 RGB.

        Raises:
            ValueError: If a skeleton style, shape or view cannot be drawn.
        """
        if skeleton_style != 'mmpose':
            raise ValueError(f"skeleton_style: 'mmpose' expected, got {skeleton_style!r}; the 18 joints of "
                             'CHALL_H80K have no openpose order')
        pred = truth = DrawnPeople()
        bone_length = resolve_bone_length(bone_length or self.bone_length, dataset_meta=self.dataset_meta)
        if draw_pred and 'pred_instances' in data_sample:
            pred = read_people(data_sample.pred_instances, bone_length).first(num_instances)
        if draw_gt and 'gt_instances' in data_sample:
            truth = read_truth(data_sample.gt_instances).first(num_instances)
        self._picture = self._compose(
            image, pred, truth, draw_2d, draw_bbox, show_kpt_idx, kpt_thr, self.crop if crop is None else crop, title,
            bone_length, self.views if views is None else tuple(views),
            pred.root_positions if absolute else None)
        if show:
            self.show(self._picture, win_name=name, wait_time=wait_time)
        if out_file is not None:
            save_picture(self._picture, out_file)
        else:
            self.add_image(name, self._picture, step)
        return self._picture

    def _compose(self, image, pred, truth, draw_2d, draw_bbox, show_kpt_idx, kpt_thr, crop, title, bone_length, views,
                 roots):
        nobody = pred.keypoints_2d is not None and not len(pred.keypoints_2d)
        if nobody and truth.keypoints_mm is not None:
            pred = DrawnPeople()    # the truth alone, drawn solid
        bboxes = pred.bboxes if pred.bboxes is not None else truth.bboxes
        return compose_panel(
            image, pred.keypoints_2d if draw_2d else None, pred.keypoints_mm, truth.keypoints_2d if draw_2d else None,
            truth.keypoints_mm, scores=pred.scores, score_thr=kpt_thr, std_mm=pred.std_mm if self.draw_std else None,
            bboxes=bboxes if draw_bbox else None, views=views,
            crop=bboxes if crop and bboxes is not None else bool(crop),
            height=self.height or (_LEAST_HEIGHT if crop else _suitable_height(image.shape)), layout=self.layout,
            title=title, caption='no person found' if nobody else None,
            joint_names=range(len(JOINT_NAMES)) if show_kpt_idx else None, scale=self.radius / _MMPOSE_RADIUS,
            thickness=None if self.line_width == _MMPOSE_LINE_WIDTH else self.line_width,
            extent=self.extent, perspective=self.perspective, labels=pred.labels(),
            rooms=self._rooms if self.steady else None, roots=roots,
            # The error in mm depends on the bone length, so the caption states it.
            error_note=f' at bone length {bone_length:.0f} mm' if pred.rescaled else '')

    def set_image(self, image):
        """Set the image as mmengine does, for drawing by hand; it replaces the picture of the last sample."""
        self._picture = None
        super().set_image(image)

    @master_only
    def get_image(self):
        """Picture of the last sample, or of later drawing by hand; (H, W, 3) uint8 RGB."""
        # Rendering the picture again with matplotlib, as mmengine does, takes longer than drawing it.
        return super().get_image() if self._picture is None else self._picture


def _suitable_height(image_shape):
    """Height in px at which a whole image (h, w) is shown."""
    height = int(np.clip(image_shape[0], _LEAST_HEIGHT, _MOST_HEIGHT))
    width = tile_width(image_shape, height)
    # A panorama may be lower than the least height, but not lower than 64 px.
    return height if width <= _MOST_WIDTH else max(64, int(height * _MOST_WIDTH / width))
