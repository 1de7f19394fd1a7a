"""Bad arguments of the Python API: each raises a usual exception, whose message names the argument or the file."""
import json
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from indexes import make_index
from small_training import REPO

from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.apis.intrinsics import find_intrinsics
from mmpose_integral.apis.model_zoo import find_alias, register_alias
from mmpose_integral.apis.people_detector import PeopleDetector
from mmpose_integral.apis.smoothing import PoseSmoother
from mmpose_integral.apis.tracking import PersonTracker
from mmpose_integral.codecs import Integral3DLabel, MetricDepthLabel
from mmpose_integral.datasets import transforms
from mmpose_integral.deployment import OnnxIntegralPose
from mmpose_integral.deployment.onnx_runtime import FACTS, METADATA_KEY, read_boxes, read_facts, read_image
from mmpose_integral.evaluation import functional
from mmpose_integral.evaluation.functional.calibration import calibration
from mmpose_integral.formats.boxes import load_boxes
from mmpose_integral.formats.cameras import load_cameras
from mmpose_integral.formats.checkpoints import find_weights, read_checkpoint
from mmpose_integral.formats.frame_checks import read_pose
from mmpose_integral.formats.h80k_index import load_index, load_index_with_poses, scan_split
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d
from mmpose_integral.formats.official_caches import import_boxes, import_keypoints_2d
from mmpose_integral.formats.people_table import FrameResult, make_table, people_arrays, read_npz
from mmpose_integral.formats.photo_people import read_photo_people
from mmpose_integral.formats.predictions import load_predictions
from mmpose_integral.formats.safe_pickle import load_plain_pickle
from mmpose_integral.formats.submission import write_submission
from mmpose_integral.ops import soft_argmax_3d
from mmpose_integral.preparation.h36m import read_cameras
from mmpose_integral.structures import estimate_focal_length, fit_perspective, fit_weak_perspective, unproject
from mmpose_integral.structures.bone_length import mean_skeleton_length, resolve_bone_length
from mmpose_integral.utils.files import read_arrays

POSE = np.random.default_rng(0).normal(0, 300, (18, 3))
POINTS = 0.1 * POSE[:, :2] + 50
CENTRE = np.array([50., 50.])
INDEX = make_index([1, 2])
NO_TEXT = np.frombuffer(b'\xff\xff\xff\x7f' * 2, '<U1')
FACT = dict.fromkeys(FACTS, 1) | dict(format_version=4, input_size=[4, 4], unit=[1, 1, 1], offset=[0, 0, 0],
    joints=['a'], parents=[0], flip_indices=[0], std_factors=None)


def facts(**changes):
    return lambda _: read_facts({METADATA_KEY: json.dumps(FACT | changes)}, 'a.onnx')


def infer(**arguments):
    """A call of the inferencer that all rows share."""
    inputs = arguments.pop('inputs', None)
    return lambda x: list(x.inferencer(x.image if inputs is None else inputs, **arguments))


def transform(name, results, **arguments):
    return lambda x: getattr(transforms, name)(**arguments).transform(dict(results))


JOINTS = dict(keypoints=np.zeros((1, 18, 2)), keypoints_visible=np.zeros((1, 18)), img_path='a.jpg',
              bbox_center=np.zeros((1, 2)), bbox_scale=np.ones((1, 2)), img=np.zeros((9, 9, 3), np.uint8))

ROWS = {
    # camera fits
    '3D joints without depth': (lambda x: fit_weak_perspective(POINTS, POINTS), r'keypoints_3d: shape .*got \(18, 2\)'),
    'fewer 2D joints': (lambda x: fit_weak_perspective(POSE, POINTS[1:]), r'keypoints_2d: shape \(18, 2\) expected'),
    'weights of another number': (lambda x: fit_weak_perspective(POSE, POINTS, np.ones(3)), r'weights: shape \(18,\)'),
    'unknown treatment': (lambda x: fit_weak_perspective(POSE, POINTS, degenerate='skip'), "'raise' or 'mark' expecte"),
    'joints on one point': (lambda x: fit_weak_perspective(0 * POSE, POINTS), '1 of 1 frames determine no camera'),
    'joints that are NaN': (lambda x: fit_weak_perspective(np.nan * POSE, POINTS), 'determine no camera: .*finite'),
    'text in place of joints': (lambda x: fit_weak_perspective(POSE.astype(str), POINTS), 'keypoints_3d: numbers'),
    'a focal length of 0': (
        lambda x: fit_perspective(POSE, POINTS, principal_point=CENTRE, focal_length=0), 'focal_length: a positive'),
    'focal lengths of other frames': (
        lambda x: fit_perspective(POSE, POINTS, principal_point=CENTRE, focal_length=np.ones(3)), 'focal_length: a'),
    'a principal point in 3D': (
        lambda x: fit_perspective(POSE, POINTS, principal_point=np.ones(3), focal_length=9), 'principal_point: finite'),
    'a principal point of NaN': (
        lambda x: fit_perspective(POSE, POINTS, principal_point=CENTRE * np.nan, focal_length=9), 'principal_point: f'),
    'a focal length from one frame': (
        lambda x: estimate_focal_length(POSE, POINTS, principal_point=CENTRE), 'at least 10 are expected'),
    'joints behind the camera': (lambda x: unproject(POSE - 1e5, 1000., CENTRE, 4500.), 'reach behind the camera'),
    'no size': (lambda x: unproject(POSE, 1000., CENTRE, 0.), 'target_mm: positive lengths expected, got 0'),
    'project: 2D joints': (lambda x: x.camera.project(POINTS), r'keypoints_3d: shape \(..., K, 3\)'),
    # bone length
    '17 joints': (lambda x: functional.skeleton_length(POSE[1:]), r'shape \(..., 18, 3\) expected, got \(17, 3\)'),
    'a skeleton of NaN': (lambda x: functional.rescale_to_bone_length(POSE * np.nan, 4500), 'length is zero or not fi'),
    'a length in metres': (lambda x: resolve_bone_length(4.5), 'bone_length: mm expected, 500 to 20000'),
    'a height in metres': (lambda x: resolve_bone_length(body_height=1.8), 'body height: mm expected, 500 to 2500'),
    'no skeletons': (lambda x: mean_skeleton_length(), 'at least one frame expected'),
    # ops
    'logits without depth': (lambda x: soft_argmax_3d(torch.zeros(1, 2, 3, 4)), r'logits: shape \(B, K, D, H, W\)'),
    'an empty volume': (lambda x: soft_argmax_3d(torch.zeros(1, 2, 0, 3, 4)), 'with D, H, W > 0 expected'),
    'whole numbers as logits': (lambda x: soft_argmax_3d(torch.zeros(1, 1, 2, 2, 2).long()), 'a floating type expecte'),
    'an array as logits': (lambda x: soft_argmax_3d(np.zeros((1, 1, 2, 2, 2))), 'logits: a tensor expected'),
    'an unknown backend': (lambda x: soft_argmax_3d(torch.zeros(1, 1, 2, 2, 2), 'cuda'), "backend: one of 'auto'"),
    # codecs
    'an input without height': (lambda x: Integral3DLabel((64, 0)), r'input_size: two positive numbers \(W, H\)'),
    'a depth range of NaN': (lambda x: Integral3DLabel((64, 96), float('nan')), 'depth_range: a positive number'),
    'a depth range below 0': (lambda x: MetricDepthLabel((64, 96), -1), 'depth_range_mm: a positive number of mm'),
    'encode: 2D joints': (lambda x: Integral3DLabel((64, 96)).encode(POINTS[None]), r'shape \(1, K, 3\) expected'),
    'encode: visibility of others': (
        lambda x: Integral3DLabel((64, 96)).encode(POSE[None], np.ones((1, 3))), 'keypoints_visible: shape'),
    # metric
    'an unknown alignment': (lambda x: functional.mpjpe(POSE, POSE, 'rotate'), "align: one of 'none', 'rigid'"),
    'poses of other shapes': (lambda x: functional.mpjpe(POSE, POSE[1:]), 'pred, gt: equal shapes'),
    'a truth of NaN': (lambda x: functional.mpjpe(POSE, POSE * np.nan), r'gt: 1 pose\(s\) have values that are not fi'),
    'an unknown joint': (lambda x: functional.mpjpe(POSE, POSE, joints=[18]), 'joints: 0 to 17 expected'),
    'no frames': (lambda x: functional.evaluate_h80k(POSE[None][:0], POSE[None][:0], dict(a=1.)), 'with N > 0 expecte'),
    'an unknown length': (lambda x: functional.evaluate_h80k(POSE[None], POSE[None], dict(a='b')), 'a positive length'),
    'no lengths': (lambda x: functional.evaluate_h80k(POSE[None], POSE[None], {}), 'bone_lengths: at least one choice'),
    'errors of no joints': (lambda x: functional.pck(np.zeros(0)), 'errors: at least one value'),
    'weights of other models': (lambda x: functional.average_predictions([[1]], [POSE[None]], [1, 2]), 'weights: 1 nu'),
    'other frames': (lambda x: functional.average_predictions(
        [np.array([1]), np.array([2])], [POSE[None]] * 2), 'predictions 1 and predictions 0 are of different frames'),
    'errors of other frames': (lambda x: functional.paired_bootstrap(np.ones(3), np.ones(4)), 'first, second: .* expe'),
    'a standard deviation of 0': (lambda x: calibration(np.ones(3), np.zeros(3)), 'stds: 3 of 3 are not finite and ab'),
    # transforms
    'a crop of 2D joints': (transform('TopdownAffine3D', JOINTS, input_size=(4, 4)), 'need KeypointConverter3D before'),
    'a crop of no size': (transform('TopdownAffine3D', JOINTS, input_size=(0, 4)), 'input_size: two positive numbers'),
    'a crop around NaN': (transform('TopdownAffine3D', JOINTS | dict(bbox_center=np.full((1, 2), np.nan)),
                                    input_size=(4, 4)), 'bbox_center, bbox_scale: finite'),
    'a flip before the crop': (transform('RandomFlip3D', JOINTS), 'must follow TopdownAffine3D'),
    'a probability of 2': (transform('RandomFlip3D', JOINTS, prob=2), r'prob: a number in \[0, 1\]'),
    'an unknown source': (transform('KeypointConverter3D', JOINTS, source='h36m'), "source: one of .*got 'h36m'"),
    'joints of another source': (transform('KeypointConverter3D', JOINTS | dict(keypoints=np.zeros((1, 9, 2))),
                                           source='coco'), 'a.jpg: keypoints of shape .* not the joints of coco'),
    'no visible joint': (transform('GetBBoxFromKeypoints', JOINTS), 'a.jpg: 0 visible joints give no box'),
    'a sample without a pose': (transform('FitWeakPerspective', JOINTS), 'FitWeakPerspective needs keypoints_mm and a'),
    'a box of no size': (transform('PerturbBBox', JOINTS, scale=0), 'edge_std >= 0, scale > 0'),
    'a gain of 2': (transform('RandomChannelGain', JOINTS, gain=2), r'gain: a number in \[0, 1\)'),
    'a picture of floats': (transform('RandomChannelGain', JOINTS | dict(img=np.zeros((2, 2, 3)))), 'img: .*uint8 exp'),
    'no Pascal VOC': (transform('RandomOcclusion', JOINTS, voc_root='absent'), 'absent has no folder Annotations'),
    'no members': (transform('MemberInputs', JOINTS, configs=[]), 'configs: at least one config file'),
    # readers
    'index: numbers as paths': (lambda x: load_index(x.index(img_paths=np.ones(2))), 'img_paths: text expected, got f'),
    'index: text as poses': (lambda x: load_index(x.index(keypoints_mm=np.full((2, 17, 3), 'x'))), 'keypoints_mm: num'),
    'index: a frame twice': (lambda x: load_index(x.index(frame_ids=np.ones(2, int))), 'frame_ids: whole numbers expe'),
    'index: fractions as frames': (lambda x: load_index(x.index(frame_ids=np.ones(2) / 2)), 'frame_ids: whole numbers'),
    'index: text beyond Unicode': (lambda x: load_index(x.index(img_paths=NO_TEXT)), 'text with a character of number'),
    'index: an array with fields': (
        lambda x: load_index(x.index(faulty=np.zeros(2, [('a', 'U1')]))), 'faulty.npy is an array with fields'),
    'index: an unknown split': (lambda x: load_index(x.index(split=np.array('Vol'))), "a split of .'Train', 'Val', 'T"),
    'index: no poses': (lambda x: load_index_with_poses(x.index()), 'Val is a split without poses'),
    'scan: an unknown split': (lambda x: scan_split('absent', 'Vol'), "split: one of .* got 'Vol'"),
    'boxes: text': (lambda x: load_boxes(x.file('a.json', '[{"image_id": 1, "bbox": "abcd", "score": 1}]'), INDEX),
                    'a.json is no list of COCO detection results'),
    'boxes: NaN': (lambda x: load_boxes(x.file(
        'a.json', '[{"image_id": 1, "bbox": [NaN, 1, 2, 3], "score": 1}]'), INDEX), 'a.json: frame 00001 has the box'),
    'boxes: an object': (lambda x: load_boxes(x.file('a.json', '{}'), INDEX), 'a.json is no list of COCO detection'),
    'a class that the detector lacks': (lambda x: x.detector(cat_ids=[99]), r'det_cat_ids: 0 to 0 expected, .* got 99'),
    'a detector that is a pose model': (
        lambda x: x.detector(model=x.standin), 'Integral3DEstimator is not in the mmdet::model registry'),
    'a detector that is no config': (
        lambda x: x.detector(model=x.file('a.py', 'b = 1')), 'det_model .*a.py: what it describes cannot be built'),
    'boxes: huge numbers': (lambda x: load_boxes(x.file(
        'a.json', '[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1%s}]' % ('0' * 400)), INDEX), 'a.json is no list'),
    '2D joints: text': (lambda x: load_keypoints_2d(x.npz(
        frame_ids=[1, 2], keypoints_2d=np.full((2, 18, 2), 'x'), keypoints_2d_score=np.ones((2, 18))), INDEX),
        'keypoints_2d: numbers expected'),
    'cameras: an unknown model': (lambda x: load_cameras(x.npz(frame_ids=[1, 2], model='fisheye'), INDEX), 'fisheye'),
    'cameras: text as focal length': (lambda x: load_cameras(x.npz(
        frame_ids=[1, 2], model='perspective', focal_length='x', principal_point=np.ones((2, 2)),
        translation=np.ones((2, 3)), residual=np.ones((2, 18)), inlier=np.ones((2, 18))), INDEX),
        'focal_length: a positive number'),
    'predictions: text': (lambda x: load_predictions(x.npz(
        frame_ids=[1], paths=['a'], box_found=[True], pred_px=np.full((1, 18, 3), 'x'))), 'pred_px: numbers expected'),
    'table: other lengths': (lambda x: read_npz(x.npz(**x.table | dict(frame_id=np.ones(7)))), 'frame_id of length'),
    'table: a number in place of rows': (lambda x: read_npz(x.npz(**x.table | dict(person=np.array(7)))), 'person of'),
    'people: joints of another shape': (lambda x: people_arrays([dict(keypoints=[1, 2])]), 'person 0: keypoints of sh'),
    'photographs: a name that is a list': (lambda x: read_photo_people(x.file('a.json', '{"frames": [{"file": [1], '
                                           '"box_xyxy": [1, 2, 3, 4], "keypoints_2d": []}]}')), 'a.json, person 0'),
    'photographs: a number as frames': (lambda x: read_photo_people(x.file('a.json', '{"frames": 3}')), 'a.json, pers'),
    'photographs: too deep': (lambda x: read_photo_people(x.file('a.json', '[' * 10**5)), 'a.json is not JSON: it is'),
    'photographs: bytes': (lambda x: read_photo_people(x.file('a.json', b'\xff\xfe')), 'a.json is not JSON'),
    'pose: an empty file': (lambda x: read_pose(x.file('a.csv', '')), 'has 0 rows, 17 expected'),
    'cache: of another split': (lambda x: import_keypoints_2d('HM36_eccv_challenge_Test_2samples_img_res.pkl', INDEX),
                                'is of Test by its name'),
    'cache: no folder': (lambda x: import_boxes('absent', INDEX), '2 of 2 frames of Val have no box file'),
    'pickle: text beyond Unicode': (
        lambda x: load_plain_pickle(x.file('a.pkl', pickle.dumps(NO_TEXT))), 'text with a character of number 2147'),
    'checkpoint: text beyond Unicode': (lambda x: read_checkpoint(x.checkpoint(NO_TEXT)), 'text with a character of'),
    'pickle: a name of two lines': (
        lambda x: load_plain_pickle(x.file('a.pkl', b'cos\x1e\nsystem\n.')), r'asks for os\\x1e\.system'),
    'pickle: nothing': (lambda x: load_plain_pickle(x.file('a.pkl', '')), 'a.pkl is no readable pickle of plain data'),
    'Human3.6M: a text as camera': (lambda x: read_cameras(x.file('a.pkl', b'\x80\x03}U\x01aU\x01bs.')), 'a.pkl: a di'),
    'checkpoint: a list': (lambda x: find_weights([1]), "expected as its 'state_dict', found list"),
    'checkpoint: an archive of text': (lambda x: read_checkpoint(x.npz(a='x')), 'is no torch checkpoint, or is cut sh'),
    'archive: a name of two lines': (lambda x: read_arrays(x.npz(**{'a\nb': [1]}), 'index', ['c'], ''), r'only a\\nb'),
    'submission: NaN': (lambda x: write_submission(x.folder / 'a.zip', POSE[None] * np.nan, [1]), 'frame 1 is not fin'),
    'submission: a kilometre': (
        lambda x: write_submission(x.folder / 'a.zip', 1e7 * (POSE - POSE[:1])[None], [1]), r'above 1e\+06 mm'),
    'submission: an id twice': (lambda x: write_submission(x.folder / 'a.zip', np.zeros((2, 17, 3)), [1, 1]), 'frame_'),
    # exported graphs
    'graph: no file': (lambda x: OnnxIntegralPose('absent.onnx'), 'absent.onnx: no such file'),
    'graph: text': (lambda x: OnnxIntegralPose(x.file('a.onnx', 'no graph')), 'a.onnx: onnxruntime .* cannot load it'),
    'graph: no metadata': (lambda x: read_facts({}, 'a.onnx'), "its metadata has no 'mmpose_integral'"),
    'graph: metadata that are nested': (lambda x: read_facts({METADATA_KEY: '[' * 10**5}, 'a.onnx'), 'is damaged'),
    'graph: metadata that are a list': (lambda x: read_facts({METADATA_KEY: '[1]'}, 'a.onnx'), 'is damaged'),
    'graph: size as text': (facts(input_size='large'), "'mmpose_integral' is damaged .input_size large: finite number"),
    'graph: unknown joints': (facts(parents=[5]), 'parents: numbers of the 1 joints expected'),
    'graph: NaN as padding': (facts(padding=float('nan')), 'padding nan: finite numbers'),
    'graph: joints that are a number': (facts(joints=18), "'mmpose_integral' is damaged"),
    'runtime: boxes of three numbers': (lambda x: read_boxes([[1, 2, 3]], 9, 9), r'bboxes: shape \(N, 4\)'),
    'runtime: no boxes': (lambda x: read_boxes(None, 9, 9), 'a place is never guessed'),
    'runtime: a picture of floats': (lambda x: read_image(np.zeros((2, 2, 3))), r'image: \(H, W, 3\) uint8 BGR'),
    'runtime: text as picture': (lambda x: read_image(x.file('a.jpg', 'text')), 'a.jpg cannot be decoded as an image'),
    # inferencer
    'no such model': (lambda x: MMPoseInferencer(pose3d='absent.py'), 'absent.py: no such config file'),
    'a 2D model in addition': (lambda x: MMPoseInferencer(pose3d='standin', pose2d='human'), 'pose2d: standin process'),
    'no such device': (lambda x: MMPoseInferencer(pose3d='standin', device='abacus'), 'device abacus cannot be used h'),
    'text as length': (lambda x: MMPoseInferencer(pose3d='standin', bone_length='long'), 'bone_length: mm, or a dict'),
    'an unknown argument': (infer(kpt_thr=0.3, bone_lenght=4500), "unexpected keyword argument 'bone_lenght'"),
    'a batch of none': (infer(batch_size=0), 'batch_size: at least 1 expected, got 0'),
    'boxes of text': (infer(bboxes='all'), 'bboxes'),
    'boxes of three numbers': (infer(bboxes=[[1, 2, 3]]), r'bboxes of 000000.jpg: \(N, 4\) x1, y1, x2, y2'),
    'a box outside': (infer(bboxes=[[500, 500, 600, 600]]), 'bboxes of 000000.jpg: .* at least 1 px within the image'),
    'a length of 0': (infer(bone_length=0), 'bone_length: mm expected'),
    'a length by name': (infer(bone_length=dict(me=4500)), "bone_length: a dict from the person .int. to mm expected"),
    'length and height': (infer(bone_length=4500, body_height=1800), 'person 0 has both bone_length'),
    'a focal length below 0': (infer(focal_length=-5), 'focal_length: a positive number of px'),
    'a principal point of three': (infer(focal_length=500, principal_point=[1, 2, 3]), r'principal_point: \(cx, cy\)'),
    'a lens of one number': (infer(focal_length=500, distortion=[1]), 'distortion: k1, k2, p1, p2'),
    'a smooth picture': (infer(smooth=True), 'smooth: frames that follow each other'),
    'an unknown view': (infer(views=['below'], return_vis=True), 'view: one of front, side'),
    'an angle of text': (infer(upright=dict(min_angle='far')), 'upright: min_angle: numbers expected'),
    'an unknown option of upright': (infer(upright=dict(angle=5)), "unexpected keyword argument 'angle'"),
    'an output on a file': (lambda x: list(x.inferencer(x.image, out_dir=x.file('taken', ''))), 'taken'),
    'no input': (infer(inputs=''), 'no such file or folder; give an image'),
    'a number as input': (infer(inputs=3), r'inputs\[0\]: a path or an array expected, got int'),
    'a picture of floats as input': (infer(inputs=np.zeros((9, 9, 3))), r'inputs\[0\]: a \(H, W, 3\) uint8 array'),
    'a picture of no px': (infer(inputs=np.zeros((0, 9, 3), np.uint8)), r'inputs\[0\]: a \(H, W, 3\) uint8 array'),
    'intrinsics of text': (lambda x: find_intrinsics((9, 9), focal_length='far'), 'focal_length: numbers expected'),
    'an alias that is a path': (lambda x: register_alias('../a', 'b', 'c'), "alias: letters, digits"),
    'an unknown alias': (lambda x: find_alias('nothing'), "alias 'nothing' is neither in"),
    # videos
    'an overlap of 0': (lambda x: PersonTracker(0, 1), 'iou_thr: above 0 and at most 1'),
    'a time before the last': (lambda x: [PersonTracker(0.3, 1).update([], np.nan)], 'time_s: later than that of'),
    'boxes of NaN': (lambda x: PersonTracker(0.3, 1).update([[np.nan] * 4], 0), r'bboxes: \(N, 4\) finite numbers'),
    'a cutoff of 0': (lambda x: PoseSmoother(min_cutoff=0), 'min_cutoff, d_cutoff: positive numbers of Hz'),
    'joints of other people': (lambda x: PoseSmoother()([[0, 0, 1, 1]], np.zeros((2, 18, 3)), 0), r'shape \(1, 18, 3'),
}


@pytest.fixture(scope='module')
def shared(tmp_path_factory, standin):
    """What the rows use: an inferencer, a picture, a camera, and functions that write small files."""
    folder = tmp_path_factory.mktemp('api')
    arrays = dict(split=np.array('Val'), frame_ids=np.array([1, 2]), img_paths=np.array(['a', 'b']),
                  img_sizes=np.full((2, 2), 99), faulty=np.array([], str))

    def file(name, content):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / name

    def checkpoint(content):
        torch.save(content, folder / 'a.pth')
        return folder / 'a.pth'

    def npz(**content):
        np.savez(folder / 'a.npz', **content)
        return folder / 'a.npz'

    def detector(model=REPO / 'configs' / 'quickstart' / 'detector_rtmdet_nano.py', cat_ids=None):
        name = 'detector_rtmdet_nano' if cat_ids else 'integral_r18'
        return PeopleDetector(str(model), str(REPO / 'mmpose_integral' / 'assets' / f'{name}_standin.pth'), cat_ids)

    return SimpleNamespace(
        folder=folder, file=file, npz=npz, checkpoint=checkpoint, index=lambda **changes: npz(**arrays | changes),
        image=np.full((120, 90, 3), 128, np.uint8), camera=fit_weak_perspective(POSE, POINTS),
        table=make_table([FrameResult('a.jpg', 0, 0.0, people_arrays([dict(keypoints=POSE)]))]),
        standin=REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py', detector=detector,
        inferencer=MMPoseInferencer(pose3d='standin', device='cpu', det_model='whole_image'))


@pytest.mark.usefixtures('one_thread')
@pytest.mark.parametrize('name', ROWS)
def test_bad_arguments_are_named(name, shared, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    call, pattern = ROWS[name]
    with pytest.raises((ValueError, TypeError, KeyError, OSError)) as caught:
        call(shared)
    message = str(caught.value)
    assert re.search(pattern, message) and len(message.splitlines()) == 1 and len(message) < 1000, message
    assert not [*tmp_path.iterdir()]
