import functools
import logging
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from mmpose.apis.inferencers.base_mmpose_inferencer import BaseMMPoseInferencer
from mmpose.registry import INFERENCERS
from mmpose.structures import PoseDataSample
from numpy.typing import ArrayLike

from mmpose_integral.formats.checkpoints import stored_dataset_meta
from mmpose_integral.models.upright_crops import Crop, Person, predict_crops
from mmpose_integral.models.weights import load_weights
from mmpose_integral.utils.config_files import ConfigError, explain_building
from mmpose_integral.utils.errors import printable
from mmpose_integral.utils.iteration import chunks
from mmpose_integral.utils.progress import progress_bar
from mmpose_integral.visualization import IntegralPose3dVisualizer, check_window

from .arguments import arguments_of, check_arguments, check_device
from .intrinsics import find_intrinsics, warn_of_default
from .media import Input, Media
from .model_zoo import find_model, is_image_based
from .people import (
    Millimetres,
    add_cameras,
    check_millimetres,
    convert_people,
    further_entries,
    lengths_of,
    merge_people,
    nobody,
    to_dicts,
)
from .person_boxes import Detector, JointBoxes, boxes_by_frame, build_detector, check_boxes, detect_in_frames
from .pictures import Frame
from .result_files import ResultFiles
from .smoothing import PoseSmoother, make_smoother
from .upright import UprightPeople, choose_upright, make_upright


@INFERENCERS.register_module()
class IntegralPose3DInferencer(BaseMMPoseInferencer):
    """Predicts the 3D pose of every person in an image, in millimetres.

    The steps are: person detection, crop, integral model, scaling to the bone length. If the config has
    ``joint_boxes``, arguments of :class:`JointBoxes`, a coarse 2D model replaces each box by the extent of its joints.
    The config's ``upright`` is the default of the argument of that name.

    Args:
        model: Config of a model of this package, its name or alias in ``model-index.yml``, or a registered alias.
        weights: Checkpoint. A name has its own; an ensemble's config names those of its members.
        device, scope: Device of model and detector, by default a GPU if there is one; default scope of the registries.
        det_model: Person detector, or 'whole_image' for one person per image. The default is the config's
            ``person_detector``, else RTMDet-m; it is loaded when it is first needed.
        det_weights, det_cat_ids: Arguments of :class:`mmpose_integral.apis.people_detector.PeopleDetector`.
        show_progress: Whether to show a progress bar.
        bone_length, body_height, focal_length, principal_point, upright: Defaults of the arguments of :meth:`__call__`.

    Raises:
        FileNotFoundError, ValueError: If a file or weights are missing, damaged or of another model, or the model is
            unknown or of another kind.
    """

    preprocess_kwargs = {'bbox_thr', 'nms_thr', 'bboxes'}
    forward_kwargs = {'bone_length', 'body_height', 'focal_length', 'principal_point', 'distortion', 'smooth',
                      'tracking_thr', 'upright'}
    visualize_kwargs = BaseMMPoseInferencer.visualize_kwargs | {'num_instances', 'views', 'draw_std', 'absolute'}
    postprocess_kwargs = {'pred_out_dir', 'return_datasample'}

    def __init__(self, model: str | Path | Config, weights: str | Path | None = None, device: str | None = None,
                 scope: str = 'mmpose', det_model: str | Path | Config | None = None,
                 det_weights: str | Path | None = None, det_cat_ids: int | Sequence[int] | None = None,
                 show_progress: bool = False, bone_length: Millimetres = None, body_height: Millimetres = None,
                 focal_length: float | Sequence[float] | None = None,
                 principal_point: Sequence[float] | None = None,
                 upright: bool | dict[str, Any] | None = None) -> None:
        init_default_scope(scope)
        check_device(device)
        check_millimetres('bone_length', bone_length)
        check_millimetres('body_height', body_height)
        model, weights = find_model(model, weights)
        if not is_image_based(model):
            raise ValueError(f'{model} is no image-based 3D model; MMPoseInferencer runs the others')
        self.weights = weights  # for error messages
        super().__init__(model, weights, device, scope, show_progress)
        revert_sync_batchnorm(self.model)  # in place
        self.visualizer.set_dataset_meta(self.model.dataset_meta)
        self.device = next(self.model.parameters()).device
        self.bone_length, self.body_height = bone_length, body_height
        self.focal_length, self.principal_point = focal_length, principal_point
        self.upright = choose_upright(upright, self.cfg.get('upright', False))
        camera = self.model.dataset_meta.get('camera') or {}
        self.perspective, self._warned = camera.get('model') == 'perspective', False
        self._make_detector = functools.partial(build_detector, det_model, det_weights, det_cat_ids, str(self.device),
                                                self.cfg.get('person_detector'))
        if det_model is not None:
            self.load_detector()

    def _init_collate(self, cfg: Config) -> object:
        return pseudo_collate  # the parent finds it too, but prints a warning

    def _init_visualizer(self, cfg: Config) -> IntegralPose3dVisualizer:
        """Build the config's visualizer without its backends: the call says where pictures are written."""
        options = dict(cfg.get('visualizer') or {})
        if options.pop('type', None) != IntegralPose3dVisualizer.__name__:
            options = {}
        options.update(name=f'inferencer-{id(self)}', vis_backends=None)
        return IntegralPose3dVisualizer(**options)

    def _init_model(self, cfg: Config, weights: str | None, device: str = 'cpu') -> torch.nn.Module:
        with explain_building(cfg.filename or 'pose3d'):
            return super()._init_model(cfg, weights, device)

    def _load_weights_to_model(self, model: torch.nn.Module, checkpoint: dict | None, cfg: Config) -> None:
        """Load the weights; an ensemble has loaded those of its members, and takes the meta data of the first."""
        members = cfg.model.get('members')
        if checkpoint is not None:
            load_weights(model, checkpoint, self.weights)
            stored_dataset_meta(checkpoint, self.weights or 'the checkpoint')
            super()._load_weights_to_model(model, checkpoint, cfg)
        elif members:
            first = CheckpointLoader.load_checkpoint(members[0].checkpoint, map_location='cpu')
            model.dataset_meta = stored_dataset_meta(first, members[0].checkpoint)
        else:
            raise ConfigError('pose3d_weights: a checkpoint is needed beside the config; a name of model-index.yml, '
                              'such as standin, has its own')

    @functools.cached_property
    def detector(self) -> Detector | None:
        """Detector, built when it is first needed; None stands for whole images."""
        return self._make_detector()

    @functools.cached_property
    def joint_boxes(self) -> JointBoxes | None:
        """2D model whose joints give the boxes, built when it is first needed; None keeps the boxes."""
        options = self.cfg.get('joint_boxes')
        return JointBoxes(**options, device=str(self.device)) if options else None

    def load_detector(self) -> None:
        """Build the models that give the boxes now rather than at the first image.

        See :func:`build_detector` and :class:`JointBoxes` for the errors.
        """
        self.detector, self.joint_boxes  # noqa: B018

    def __call__(self, inputs: Input | Media, return_datasamples: bool = False, batch_size: int = 1,
                 out_dir: str | Path | None = None, **kwargs: Any) -> Generator[dict[str, Any], None, None]:
        """Predict the people of all images of an input.

        Args:
            inputs: Image, folder of images, URL, (H, W, 3) uint8 BGR array, list of these, video, live stream such as
                rtsp://, or 'webcam[:N]', which opens a window unless ``show=False``. The orientation that photos and
                videos of phones state is applied.
            return_datasamples: Whether ``predictions`` are :class:`PoseDataSample` with mm in ``pred_instances``.
            batch_size: Number of images that go through detector and model together.
            out_dir: Short form of ``vis_out_dir=out_dir/visualizations`` and ``pred_out_dir=out_dir/predictions``.
            bboxes (array-like): People of one image, (N, 4) x1, y1, x2, y2 px or (N, 5) with scores; for several
                images, a list with one such array per image. The detector is not used then.
            bbox_thr, nms_thr (float): Thresholds of the detector's boxes, see :class:`PeopleDetector`.
            bone_length (float | dict): Total skeleton length, mm, or a dict from person to length. The key is the
                index of the box, or the track id when smoothing. Default: the checkpoint's mean over train+val.
            body_height (float | dict): Standing height, mm, from which the length is estimated instead.
            focal_length (float | Sequence[float]): Focal length, px; adds ``camera`` with the root's position. Default:
                that of the EXIF data. Models with perspective labels assume a field of view if there is none.
            principal_point (Sequence[float]): Principal point, px; by default the middle of the image.
            distortion (Sequence[float]): k1, k2, p1, p2, k3 of the lens, as in OpenCV; by default none.
            smooth (bool | dict): Whether to track people in a video by box overlap and smooth their joints; a dict
                holds arguments of :class:`PoseSmoother`.
            upright (bool | dict): Whether to predict people whose trunk leans a second time, in a crop that is turned
                until the trunk stands; a dict holds other arguments of :class:`UprightCrops`. True means those of
                the config, if it has any.
            return_vis, show, wait_time, draw_bbox, radius, thickness, kpt_thr, vis_out_dir, pred_out_dir,
                black_background, num_instances: Arguments of mmpose's inferencers.
            views, absolute, draw_std: Arguments of :class:`IntegralPose3dVisualizer`. The ellipses of ``draw_std``
                cover the picture if the model is badly trained.

        Yields:
            One dict per image, at any batch size: ``predictions``, a list of one list of people, and
            ``visualization``, a list of one RGB picture if requested. A person has ``keypoints`` (18, 3) mm, x right,
            y down, z away, root at 0; ``keypoints_2d`` (18, 2) image px; ``keypoint_scores`` (18,); ``keypoint_std``
            (18, 3) mm; ``bbox`` x1, y1, x2, y2 px in a list of one; ``bbox_score``; ``bone_length`` mm. The frame of a
            video also has ``time_s``, its time in the video. An image that cannot be processed has no people and
            ``error``, the reason, unless it is the only one. ``left_out`` lists the people without a valid pose.

        Raises:
            TypeError: If no inferencer of mmpose has such an argument.
            FileNotFoundError, ValueError, OSError: If the only image, or the video, cannot be read, a box or length is
                invalid, or an output cannot be written or would replace an input.
        """
        check_arguments(kwargs, type(self))
        if out_dir is not None:
            kwargs = {'vis_out_dir': f'{out_dir}/visualizations', 'pred_out_dir': f'{out_dir}/predictions', **kwargs}
        for name in sorted(set(kwargs) - arguments_of(type(self))):
            print_log(f'{name} has no effect on image-based 3D models', logger='current')
            kwargs.pop(name)
        media = inputs if isinstance(inputs, Media) else Media(inputs)
        return self._run(media, return_datasamples, int(batch_size), *self._dispatch_kwargs(**kwargs))

    def _run(self, media: Media, return_datasamples: bool, batch_size: int, preprocess: dict[str, Any],
             forward: dict[str, Any], visualize: dict[str, Any],
             postprocess: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
        tracking_thr, upright = forward.pop('tracking_thr', None), forward.pop('upright', None)
        smoother = make_smoother(media, forward.pop('smooth', None), tracking_thr)
        forward.update(smoother=smoother,
                       turner=make_upright(media, choose_upright(upright, self.upright), tracking_thr))
        batch_size = 1 if media.is_live else batch_size  # a camera's frame is not delayed by those after it
        self.visualizer.forget_rooms()
        pred_out_dir, asked = postprocess.get('pred_out_dir', ''), postprocess.get('return_datasample')
        return_datasamples = return_datasamples if asked is None else asked
        visualize = {'show': media.is_camera, **visualize}
        if visualize['show']:
            check_window()
        index, left_out, return_vis = 0, 0, visualize.pop('return_vis', False)
        with ResultFiles(visualize.pop('vis_out_dir', ''), pred_out_dir, media) as files:
            batches = self.preprocess(media, batch_size, **preprocess)
            if self.show_progress:
                total = media.count and -(-media.count // batch_size)
                batches = progress_bar(batches, 'Inference', 'batch', total=total)
            for batch, frames in batches:
                samples = iter(self.forward(batch, **forward))
                for frame in frames:
                    left_out += frame.error is not None
                    if frame.error is None:
                        sample = next(samples)
                        pictures = self.visualize([frame], [sample], return_vis or files.vis_out is not None,
                                                  is_video=media.is_video, **visualize)
                        persons = None if return_datasamples and not pred_out_dir else to_dicts(sample.pred_instances)
                        files.add(index, pictures[0] if pictures else None, persons)
                    else:
                        sample, pictures, persons = nobody(frame.name, frame.image), [], []
                    index += 1
                    yield dict(visualization=pictures if return_vis else [],
                               predictions=[sample if return_datasamples else persons],
                               **further_entries(frame, sample, media.is_video))
            if loss := media.video.loss() if media.video else left_out and f'{left_out} of {index} images left out':
                print_log(f'{printable(media.name) or "inputs"}: {loss}', logger='current', level=logging.WARNING)

    def preprocess(self, inputs: Input | Media, batch_size: int = 1, bboxes: Sequence | np.ndarray | None = None,
                   bbox_thr: float = 0.3, nms_thr: float = 0.3) -> Iterator[tuple[dict[str, Any], list[Frame]]]:
        """Read the images, detect the people and crop them; yield each batch for :meth:`forward`, and its frames."""
        media = inputs if isinstance(inputs, Media) else Media(inputs)
        if batch_size < 1:
            raise ValueError(f'batch_size: at least 1 expected, got {batch_size}')
        given = None if bboxes is None else boxes_by_frame(bboxes, media)
        for frames in chunks(media.frames(), batch_size):
            chosen = None if given is None else list(islice(given, len(frames)))
            if chosen is not None or self.detector is None:
                whole: list[ArrayLike] = [(0, 0, *frame.image.shape[1::-1]) for frame in frames]
                boxes = [np.zeros((0, 5)) if frame.error else check_boxes(box, frame.image, frame.name)
                         for frame, box in zip(frames, chosen or whole, strict=False)]
            else:
                frames, boxes = detect_in_frames(self.detector, frames, bbox_thr, nms_thr)
            if media.count == 1 and frames[0].error:
                raise frames[0].error
            good = [(frame, found if self.joint_boxes is None else self.joint_boxes(frame.image, found))
                    for frame, found in zip(frames, boxes, strict=True) if frame.error is None]
            yield dict(frames=[frame for frame, _ in good], boxes=[found for _, found in good]), frames

    @torch.no_grad()
    def forward(self, inputs: dict[str, Any], bone_length: Millimetres = None, body_height: Millimetres = None,
                focal_length: float | Sequence[float] | None = None, principal_point: Sequence[float] | None = None,
                distortion: Sequence[float] | None = None, smoother: PoseSmoother | None = None,
                turner: UprightPeople | None = None) -> list[PoseDataSample]:
        """Predict the people of a batch from :meth:`preprocess`; one sample per image, ``pred_instances`` in mm."""
        if bone_length is None and body_height is None:
            bone_length, body_height = self.bone_length, self.body_height
        focal_length = self.focal_length if focal_length is None else focal_length
        principal_point = self.principal_point if principal_point is None else principal_point
        people = [Person(frame.image, box, dict(img_path=frame.name))
                  for frame, found in zip(inputs['frames'], inputs['boxes'], strict=True) for box in found]

        def predict(indices: Sequence[int], crops: Sequence[Crop]) -> list[PoseDataSample]:
            return predict_crops(self.model, self.pipeline, self.collate_fn, [people[i] for i in indices], crops)

        predicted = iter(predict(range(len(people)), [Crop()] * len(people)) if turner is None else
                         turner.predict(predict, inputs['frames'], inputs['boxes']))
        results = []
        for frame, boxes in zip(inputs['frames'], inputs['boxes'], strict=True):
            sample = merge_people(list(islice(predicted, len(boxes))), frame.name, frame.image)
            instances, ids = sample.pred_instances, np.arange(len(boxes))
            if smoother is not None:
                ids, instances.keypoints = smoother(instances.bboxes, instances.keypoints, frame.time_s)
            lengths = lengths_of(ids.tolist(), self.model.dataset_meta, bone_length, body_height)
            intrinsics = find_intrinsics(frame.image.shape[1::-1], frame.focal_length, focal_length, principal_point,
                                         distortion)
            known = intrinsics.source != 'default'
            if not known and not self.perspective and (principal_point is not None or distortion is not None):
                raise ValueError('principal_point, distortion: have an effect with focal_length only')
            if not known and self.perspective and not self._warned:
                self._warned = True
                warn_of_default(frame.name)
            kept = convert_people(sample, lengths, intrinsics if self.perspective else None)
            if smoother is not None:
                sample.pred_instances.track_ids = ids[kept]
            if known or self.perspective:
                add_cameras(sample.pred_instances, intrinsics)
            results.append(sample)
        return results

    def visualize(self, inputs: list[Frame], preds: list[PoseDataSample], return_vis: bool = False, show: bool = False,
                  wait_time: float = 0, radius: float = 3, thickness: float = 1, draw_std: bool = False,
                  absolute: bool = False, black_background: bool = False, window_name: str = '',
                  is_video: bool = False, **drawing: Any) -> list[np.ndarray]:
        """Draw the predictions of :meth:`forward`, (h, w, 3) uint8 RGB each, if ``return_vis`` or ``show`` is set.

        With ``is_video``, the 3D room is kept from frame to frame, and windows do not pause.
        """
        if not return_vis and not show:
            return []
        self.visualizer.radius, self.visualizer.line_width = radius, thickness
        self.visualizer.draw_std, self.visualizer.steady = draw_std, is_video
        pictures = []
        for frame, sample in zip(inputs, preds, strict=True):
            if absolute and 'root_positions' not in sample.pred_instances:
                raise ValueError('absolute: positions in front of the camera are known with focal_length= only')
            image = mmcv.bgr2rgb(frame.image)
            pictures.append(self.visualizer.add_datasample(
                window_name or printable(Path(frame.name).name), image * 0 if black_background else image, sample,
                draw_gt=False, show=show, wait_time=1e-5 if is_video else wait_time, absolute=absolute, unit='mm',
                **drawing))
        return pictures
