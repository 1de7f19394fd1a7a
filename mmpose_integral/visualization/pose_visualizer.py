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

# mmpose's inferencers set these two before every picture, whether or not anybody asked for them.
_MMPOSE_RADIUS, _MMPOSE_LINE_WIDTH = 3, 1
# px, of a whole image in the picture: letters stay readable below, screens show it and video stays fast above.
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
    """Draws 3D people in mm: image with overlay, 3D from chosen views, truth as a ghost beside the prediction.

    It is called as mmpose's visualizers are, by hooks and inferencers. Left is blue, right vermilion, middle grey
    whatever ``kpt_color`` and ``link_color`` say. Joints of low score are drawn hollow in 2D and in 3D, never left
    out. The joints' and limbs' size follows the picture; a ``line_width`` other than mmpose's default 1 is taken as
    px, a ``radius`` other than its default 3 makes everything larger or smaller in proportion.

    For a video set ``steady``, and call :meth:`forget_rooms` before the next video. All its pictures are of one size
    as long as ``crop`` is off and the frames are of one size, with and without people.

    Args:
        name (str): of the instance.
        views (Sequence): names or (azimuth, elevation) in degrees, see ``view_3d``; empty draws the image alone.
        crop (bool): cut the image to the people instead of showing all of it.
        height (int, optional): of the image in the picture, px. Default: 480 for a crop, else the image's own, within
            480 to 1080, and less where it would be wider than 1920.
        layout (str): of the views, 'row', 'column' or 'auto', see :func:`compose_panel`.
        bone_length (float, optional): mm, for predictions in px; see ``resolve_bone_length``.
        extent (float, optional): half width of the 3D room, mm, for all samples; people who need more get more.
        steady (bool): the 3D rooms only ever grow from sample to sample, so that a video keeps still; also an
            attribute, which may be set between calls.
        draw_std (bool): show ``keypoint_std`` as one-sigma ellipses in 3D.
        perspective (bool): of the 3D views; False is orthographic.
        **kwargs: of :class:`PoseLocalVisualizer`.
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
        """Start afresh with the 3D rooms of ``steady``, for another video."""
        self._rooms.forget()

    @master_only
    def add_datasample(self, name, image, data_sample, det_data_sample=None, draw_gt=True, draw_pred=True,
                       draw_2d=True, draw_bbox=False, draw_heatmap=False, show_kpt_idx=False, skeleton_style='mmpose',
                       dataset_2d=None, dataset_3d=None, convert_keypoint=None, num_instances=-1, show=False,
                       wait_time=0, out_file=None, kpt_thr=0.3, step=0, crop=None, title='',
                       bone_length=None, views=None, absolute=False):
        """Draw a sample; show it, write it, or hand it to the backends.

        Args:
            name (str): of the window or the backends' picture.
            image (np.ndarray): (H, W, 3) uint8 RGB.
            data_sample (PoseDataSample): ``pred_instances`` and ``gt_instances``, each optional; units as in
                ``instances``. Empty ``pred_instances`` say that nobody was found, and so does the picture. Several
                people get their numbers, those of ``track_ids`` where there are any.
            draw_gt (bool): draw the truth where there is one.
            draw_pred (bool): draw the prediction.
            draw_2d (bool): draw joints over the image.
            draw_bbox (bool): draw the person boxes.
            show_kpt_idx (bool): write the joints' indices beside them.
            skeleton_style (str): 'mmpose' is the only one.
            num_instances (int): how many people at most; negative for all.
            show (bool): open a window.
            wait_time (float): of that window, s; 0 waits for a key.
            out_file (str, optional): write the picture here instead of handing it to the backends.
            kpt_thr (float): joints of a lower score are hollow.
            step (int): for the backends.
            crop (bool, optional): overrides the constructor's.
            bone_length (float, optional): mm, overrides the constructor's.
            title (str): in the strip below.
            views (Sequence, optional): overrides the constructor's.
            absolute (bool): people stand in one 3D scene where ``pred_instances.root_positions`` (N, 3) mm puts them,
                about their mean; without that field side by side, as ever.
            det_data_sample, draw_heatmap, dataset_2d, dataset_3d, convert_keypoint: mmpose's callers pass these; they
                have no meaning here, since no 2D stage precedes the model, and its volumes are not kept.

        Returns:
            np.ndarray: (height, width, 3) uint8 RGB.

        Raises:
            ValueError: a skeleton style, shape or view that cannot be drawn.
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
            # An error in mm means little without the size that the mm rest on.
            error_note=f' at bone length {bone_length:.0f} mm' if pred.rescaled else '')

    def set_image(self, image):
        """As mmengine's, for whoever draws by hand; it replaces the picture of the last sample."""
        self._picture = None
        super().set_image(image)

    @master_only
    def get_image(self):
        """The last sample's picture, or what was drawn by hand since; (H, W, 3) uint8 RGB."""
        # Rendering the picture once more through matplotlib, as mmengine does, would cost more than drawing it.
        return super().get_image() if self._picture is None else self._picture


def _suitable_height(image_shape):
    """Height in px at which a whole image (h, w) is shown."""
    height = int(np.clip(image_shape[0], _LEAST_HEIGHT, _MOST_HEIGHT))
    width = tile_width(image_shape, height)
    # Of a panorama less than the least height remains: 64 px is where a strip stops to be a picture.
    return height if width <= _MOST_WIDTH else max(64, int(height * _MOST_WIDTH / width))
