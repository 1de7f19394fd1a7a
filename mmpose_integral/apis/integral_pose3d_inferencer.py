import functools
import logging
from pathlib import Path

import mmcv
import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from mmpose.apis.inferencers.base_mmpose_inferencer import BaseMMPoseInferencer
from mmpose.registry import INFERENCERS
from mmpose.structures import PoseDataSample, merge_data_samples

from mmpose_integral.apis.arguments import NO_EFFECT, check_arguments, split_arguments
from mmpose_integral.apis.media import Media, chunks
from mmpose_integral.apis.model_alias import find_model
from mmpose_integral.apis.model_check import check_device, is_image_based
from mmpose_integral.apis.people import add_cameras, check_millimetres, lengths_of, nobody, to_dicts, to_millimetres
from mmpose_integral.apis.person_boxes import boxes_of_frame, build_detector, check_boxes, split_by_image
from mmpose_integral.apis.result_files import ResultFiles
from mmpose_integral.apis.smoothing import make_smoother
from mmpose_integral.engine.weights import check_weights
from mmpose_integral.utils.progress import progress_bar
from mmpose_integral.visualization import IntegralPose3dVisualizer, check_window

# Largest number of crops per forward pass, however many people are in the images of a batch.
PEOPLE_PER_PASS = 32


@INFERENCERS.register_module()
class IntegralPose3DInferencer(BaseMMPoseInferencer):
    """Predicts the 3D pose of every person in an image, in millimetres.

    The steps are: person detection, crop, integral model, scaling to the bone length.

    Args:
        model (str | mmengine.Config): Config of a model of this package, its name or alias in ``model-index.yml``,
            or a registered alias.
        weights (str, optional): Checkpoint. A name has its own; an ensemble's config names those of its members.
        device (str, optional): Device of model and detector; by default a GPU if there is one.
        scope (str): Default scope of the registries.
        det_model (str | mmengine.Config, optional): Person detector, see
            :class:`mmpose_integral.apis.person_boxes.PeopleDetector`, or 'whole_image' for one person per image.
            The default is the config's ``person_detector``, else RTMDet-m; it is loaded when it is first needed.
        det_weights (str, optional): Checkpoint of the person detector.
        det_cat_ids (int | Sequence[int], optional): Classes of the detector that count as people; by default the one
            called person.
        show_progress (bool): Whether to show a progress bar.
        bone_length, body_height, focal_length, principal_point: Defaults of the arguments of :meth:`__call__`.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If there are no weights, the name is unknown, or the config is of another kind of model.
    """

    preprocess_kwargs = {'bbox_thr', 'nms_thr', 'bboxes'}
    forward_kwargs = {'bone_length', 'body_height', 'focal_length', 'principal_point', 'smooth', 'tracking_thr'}
    visualize_kwargs = BaseMMPoseInferencer.visualize_kwargs | {'num_instances', 'views', 'draw_std', 'absolute'}
    postprocess_kwargs = {'pred_out_dir', 'return_datasample'}

    def __init__(self, model, weights=None, device=None, scope='mmpose', det_model=None, det_weights=None,
                 det_cat_ids=None, show_progress=False, bone_length=None, body_height=None, focal_length=None,
                 principal_point=None):
        init_default_scope(scope)
        check_device(device)
        model, weights = find_model(model, weights)
        if not is_image_based(model):
            raise ValueError(f'{model} is no image-based 3D model; MMPoseInferencer serves the others')
        super().__init__(model, weights, device, scope, show_progress)
        self.model = revert_sync_batchnorm(self.model)
        self.visualizer.set_dataset_meta(self.model.dataset_meta)
        self.device = next(self.model.parameters()).device
        self.defaults = dict(bone_length=bone_length, body_height=body_height, focal_length=focal_length,
                             principal_point=principal_point)
        for name in ('bone_length', 'body_height'):
            check_millimetres(name, self.defaults[name])
        self._detector_arguments = (det_model, det_weights, det_cat_ids, str(self.device),
                                    self.cfg.get('person_detector'))
        if det_model is not None:
            self.load_detector()
        self._video_input = False  # mmpose's callers read it

    def _init_collate(self, cfg):
        return pseudo_collate  # the parent finds it too, but prints a warning

    def _init_visualizer(self, cfg):
        """Build the config's visualizer without its backends: the call says where pictures are written."""
        wanted = dict(cfg.get('visualizer') or {})
        known = wanted.pop('type', None) == IntegralPose3dVisualizer.__name__
        wanted = {key: value for key, value in wanted.items() if known and key not in ('name', 'vis_backends')}
        return IntegralPose3dVisualizer(name=f'inferencer-{id(self)}', **wanted)

    def _load_weights_to_model(self, model, checkpoint, cfg):
        """Load the weights; an ensemble has loaded those of its members, and takes the meta data of the first."""
        members = cfg.model.get('members')
        if checkpoint is not None:
            check_weights(model, checkpoint)
            super()._load_weights_to_model(model, checkpoint, cfg)
        elif members:
            first = CheckpointLoader.load_checkpoint(members[0].checkpoint, map_location='cpu')
            model.dataset_meta = first['meta']['dataset_meta']
        else:
            raise ValueError('pose3d_weights: a checkpoint is needed beside the config; a name of model-index.yml, '
                             'such as standin, brings its own')

    @functools.cached_property
    def detector(self):
        """PeopleDetector | None: Detector, built when it is first needed; None stands for whole images."""
        return build_detector(*self._detector_arguments)

    def load_detector(self):
        """Build the detector now rather than at the first image; see :func:`build_detector` for the errors."""
        return self.detector

    def __call__(self, inputs, return_datasamples=False, batch_size=1, out_dir=None, **kwargs):
        """Predict the people of all images of an input.

        Args:
            inputs (str | Path | np.ndarray | Sequence): Image, folder of images, URL, (H, W, 3) uint8 BGR array, list
                of these, video, or 'webcam[:N]', which opens a window unless ``show=False``. EXIF data are applied.
            return_datasamples (bool): Whether ``predictions`` are :class:`PoseDataSample` with mm in
                ``pred_instances``.
            batch_size (int): Number of images that go through detector and model together.
            out_dir (str, optional): Short form of ``vis_out_dir=out_dir/visualizations`` and
                ``pred_out_dir=out_dir/predictions``.
            bboxes (array-like): People of one image, (N, 4) x1, y1, x2, y2 px or (N, 5) with scores; for several
                images, a list with one such array per image. The detector is not used then.
            bbox_thr, nms_thr (float): Thresholds of the detector's boxes, see :class:`PeopleDetector`.
            bone_length (float | dict): Total skeleton length, mm, or a dict from person to length. The key is the
                index of the box, or the track id when smoothing. Default: the checkpoint's mean over train+val.
            body_height (float | dict): Standing height, mm, from which the length is estimated instead.
            focal_length (float | Sequence[float]): Focal length, px; adds ``camera`` with the root's position.
            principal_point (Sequence[float]): Principal point, px; by default the middle of the image.
            smooth (bool | dict): Whether to track people in a video by box overlap and smooth their joints; a dict
                holds arguments of :class:`PoseSmoother`.
            return_vis, show, wait_time, draw_bbox, radius, thickness, kpt_thr, vis_out_dir, black_background,
                num_instances: Arguments of mmpose's inferencers. ``views`` and ``absolute`` are those of
                :class:`IntegralPose3dVisualizer`. ``draw_std`` draws ``keypoint_std``, whose ellipses cover the
                picture if the model is badly trained.
            pred_out_dir (str): Folder for JSON files.

        Yields:
            dict: One dict per image, at any batch size: ``predictions``, a list of one list of people, and
            ``visualization``, a list of one RGB picture if requested. A person has ``keypoints`` (18, 3) mm, x right,
            y down, z away, root at 0; ``keypoints_2d`` (18, 2) image px; ``keypoint_scores`` (18,); ``keypoint_std``
            (18, 3) mm; ``bbox`` x1, y1, x2, y2 px in a list of one; ``bbox_score``; ``bone_length`` mm.

        Raises:
            TypeError: If no inferencer of mmpose has such an argument.
            FileNotFoundError, ValueError, OSError: If the input cannot be read, or a box or length is invalid.
        """
        check_arguments(kwargs, type(self))
        if out_dir is not None:
            kwargs.setdefault('vis_out_dir', f'{out_dir}/visualizations')
            kwargs.setdefault('pred_out_dir', f'{out_dir}/predictions')
        for name in sorted(NO_EFFECT & set(kwargs)):
            print_log(f'{name} has no meaning for image-based 3D models', logger='current')
        media = Media(inputs)
        return self._run(media, return_datasamples, int(batch_size), *split_arguments(kwargs, type(self)))

    def _run(self, media, return_datasamples, batch_size, preprocess, forward, visualize, postprocess):
        smoother = make_smoother(media, forward)
        batch_size = 1 if media.is_camera else batch_size  # no delay by waiting for further frames
        self.visualizer.forget_rooms()
        pred_out_dir, asked = postprocess.get('pred_out_dir', ''), postprocess.get('return_datasample')
        return_datasamples = return_datasamples if asked is None else asked
        visualize = dict(dict(show=media.is_camera), **visualize)
        if visualize['show']:
            check_window()
        index = 0
        with ResultFiles(visualize.pop('vis_out_dir', ''), pred_out_dir, media) as files:
            batches = self.preprocess(media, batch_size, **preprocess)
            for batch, frames in self._with_progress(batches, media, batch_size):
                for frame, sample in zip(frames, self.forward(batch, smoother=smoother, **forward), strict=True):
                    keep = dict(visualize, return_vis=visualize.get('return_vis') or files.vis_out is not None)
                    pictures = self.visualize([frame], [sample], is_video=media.is_video, **keep)
                    persons = None if return_datasamples and not pred_out_dir else to_dicts(sample.pred_instances)
                    files.add(frame.name, index, pictures[0] if pictures else None, persons)
                    index += 1
                    yield dict(visualization=pictures if visualize.get('return_vis') else [],
                               predictions=[sample if return_datasamples else persons])

    def _with_progress(self, batches, media, batch_size):
        if not self.show_progress:
            return batches
        return progress_bar(batches, 'Inference', 'batch', total=media.count and -(-media.count // batch_size))

    def preprocess(self, inputs, batch_size=1, bboxes=None, bbox_thr=0.3, nms_thr=0.3, **kwargs):
        """Read the images, detect the people and crop them.

        Args:
            inputs: Media, or an input as :meth:`__call__` takes it.
            batch_size, bboxes, bbox_thr, nms_thr: Arguments of :meth:`__call__`.

        Yields:
            tuple[dict, list[Frame]]: Input of :meth:`forward`, and its frames.
        """
        media = inputs if isinstance(inputs, Media) else Media(inputs)
        if batch_size < 1:
            raise ValueError(f'batch_size: at least 1 expected, got {batch_size}')
        bboxes = split_by_image(bboxes, media)
        start = 0
        for frames in chunks(media, batch_size):
            if bboxes is not None:
                boxes = [check_boxes(boxes_of_frame(bboxes, start + i), frame.image, frame.name)
                         for i, frame in enumerate(frames)]
            elif self.detector is None:
                boxes = [check_boxes([0, 0, *frame.image.shape[1::-1]], frame.image, frame.name) for frame in frames]
            else:
                boxes = self.detector([frame.image for frame in frames], bbox_thr, nms_thr)
            start += len(frames)
            yield dict(frames=frames, boxes=boxes, inputs=self._crops(frames, boxes)), frames

    def _crops(self, frames, boxes):
        """Yield the pipeline's result for each person, computed on demand."""
        for frame, found in zip(frames, boxes, strict=True):
            for box in found:
                yield self.pipeline(dict(
                    self.model.dataset_meta, img=frame.image, img_path=frame.name, bbox=box[None, :4],
                    bbox_score=box[4:]))

    @torch.no_grad()
    def forward(self, inputs, bone_length=None, body_height=None, focal_length=None, principal_point=None,
                smoother=None, **kwargs):
        """Predict the joints of all people in a batch of images.

        Args:
            inputs (dict): Batch from :meth:`preprocess`.
            bone_length, body_height, focal_length, principal_point: Arguments of :meth:`__call__`.
            smoother (PoseSmoother, optional): Smoother of the video that these frames continue.

        Returns:
            list[PoseDataSample]: One sample per image; ``pred_instances`` as :func:`to_millimetres` returns them.
        """
        samples = [sample for chunk in chunks(inputs['inputs'], PEOPLE_PER_PASS)
                   for sample in self.model.test_step(self.collate_fn(chunk))]
        wishes = dict(bone_length=bone_length, body_height=body_height)
        if bone_length is None and body_height is None:
            wishes = {name: self.defaults[name] for name in wishes}
        focal_length = self.defaults['focal_length'] if focal_length is None else focal_length
        if focal_length is None and principal_point is not None:
            raise ValueError('principal_point: has a meaning with focal_length only')
        principal_point = self.defaults['principal_point'] if principal_point is None else principal_point
        results = []
        for frame, boxes in zip(inputs['frames'], inputs['boxes'], strict=True):
            mine, samples = samples[:len(boxes)], samples[len(boxes):]
            sample = self._merge(frame, mine)
            track_ids, instances = None, sample.pred_instances
            if smoother is not None:
                track_ids, instances.keypoints = smoother(instances.bboxes, instances.keypoints, frame.time_s)
            lengths = lengths_of(range(len(boxes)) if track_ids is None else track_ids.tolist(),
                                 self.model.dataset_meta, **wishes)
            people = to_millimetres(instances, lengths)
            if track_ids is not None:
                people.track_ids = track_ids
            if focal_length is not None:
                add_cameras(people, frame.image.shape[1::-1], focal_length, principal_point)
            sample.pred_instances = people
            results.append(sample)
        return results

    def _merge(self, frame, samples):
        if samples:
            return merge_data_samples(samples)
        print_log(f'{frame.name}: nobody found; give bboxes=, a lower bbox_thr, or det_model="whole_image"',
                  logger='current', level=logging.WARNING)
        sample = PoseDataSample(metainfo=dict(img_path=frame.name, ori_shape=frame.image.shape[:2],
                                              img_shape=frame.image.shape[:2]))
        sample.pred_instances = nobody(with_std=True)
        return sample

    def visualize(self, inputs, preds, return_vis=False, show=False, draw_bbox=False, wait_time=0, radius=3,
                  thickness=1, kpt_thr=0.3, num_instances=-1, views=None, draw_std=False, absolute=False,
                  black_background=False, window_name='', is_video=False, **kwargs):
        """Draw the predictions; the other arguments are those of :meth:`__call__`.

        Args:
            inputs (list[Frame]): Images.
            preds (list[PoseDataSample]): Predictions from :meth:`forward`.
            is_video (bool): Whether these are frames of a video: the 3D room is kept, and windows do not pause.

        Returns:
            list[np.ndarray]: Pictures, (h, w, 3) uint8 RGB, one per image; empty without ``return_vis`` and ``show``.
        """
        if not return_vis and not show:
            return []
        self.visualizer.radius, self.visualizer.line_width = radius, thickness
        self.visualizer.draw_std, self.visualizer.steady = draw_std, is_video
        pictures = []
        for frame, sample in zip(inputs, preds, strict=True):
            if absolute and 'root_positions' not in sample.pred_instances:
                raise ValueError('absolute: people have a place before the camera only with focal_length=')
            image = mmcv.bgr2rgb(frame.image)
            pictures.append(self.visualizer.add_datasample(
                window_name or Path(frame.name).name, image * 0 if black_background else image, sample, draw_gt=False,
                draw_bbox=draw_bbox, show=show, wait_time=1e-5 if is_video else wait_time, kpt_thr=kpt_thr,
                num_instances=num_instances, views=views, absolute=absolute))
        return pictures
