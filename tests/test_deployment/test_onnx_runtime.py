"""The runtime that users copy to their .onnx file, against the training's transforms and the torch model."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bad_pictures import png
from mmengine.dataset import Compose
from PIL import Image

from mmpose_integral.apis.media import read_picture
from mmpose_integral.codecs import MetricDepthLabel
from mmpose_integral.deployment import onnx_runtime as runtime
from mmpose_integral.deployment.crop_to_pose import deployment_facts
from mmpose_integral.evaluation.functional import px_to_mm, skeleton_length
from mmpose_integral.formats.boxes import MAX_SIDES, MIN_SHOWN_PX
from mmpose_integral.structures.bone_length import BONE_LENGTH_LIMITS_MM, mm_per_px_of_depth
from mmpose_integral.structures.skeleton import JOINT_NAMES, PARENTS

onnx, *_ = (pytest.importorskip(name, reason=f'{name} is not installed (pip install onnx onnxruntime onnxscript)')
            for name in ('onnx', 'onnxruntime', 'onnxscript'))

REPO = Path(__file__).parents[2]
CONFIG = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
CHECKPOINT = REPO / 'mmpose_integral' / 'assets' / 'integral_r18_standin.pth'
TOLERANCE = 1e-4  # the exporter's tolerance of a coordinate, as a share of the input size
BOXES = np.float32([[30, 10, 100, 120], [-20, -15, 70.5, 60], [100, 100, 140, 140], [10, 60, 120, 70],
                    [60, 3, 64, 125], [0.3, 0.7, 127.6, 127.2], [-80, -60, 190, 200]])


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """The shipped model, exported once for all tests of this file."""
    from mmpose_integral.cli.export import main
    folder = tmp_path_factory.mktemp('exported')
    assert not main([str(CONFIG), str(CHECKPOINT), '--out-dir', str(folder), '--name', 'pose'])
    return folder / 'pose.onnx'


@pytest.fixture(scope='module')
def pose(exported):
    return runtime.OnnxIntegralPose(exported, threads=1)


@pytest.fixture(scope='module')
def model():
    from mmpose.apis import init_model
    return init_model(str(CONFIG), str(CHECKPOINT), device='cpu')


@pytest.fixture(scope='module')
def photo(standin):
    return standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg'


def intrinsics_of(image):
    """Focal length and principal point, px, for a field of view of 55 degrees across the longer side."""
    height, width = image.shape[:2]
    return np.array([max(width, height) / 2 / np.tan(np.radians(55) / 2), (width - 1) / 2, (height - 1) / 2])


def assert_same_as_torch(person, model, image, box, flip_test=False, length=None, weak=False):
    """Compare a person with mmpose's own inference.

    The limit is what the exporter allows, that share of the padded box, in mm three times for joint, root and scale.
    A skeleton is about as long as four box heights, so the scale's own error is small beside those of the two joints.
    """
    from mmpose.apis import inference_topdown
    model.test_cfg['flip_test'] = flip_test
    wanted = inference_topdown(model, image, box[None])[0].pred_instances
    model.test_cfg['flip_test'] = False
    keypoints, scale = px_to_mm(wanted.keypoints[0], length or model.dataset_meta['skeleton_length']['train+val'],
                                None if weak else intrinsics_of(image))
    px = TOLERANCE * runtime.cut_crop(image, box, 1.25, (96, 128))[2].max()
    for name, expected, limit in (
            ('keypoints', keypoints, 3 * px * scale), ('keypoints_2d', wanted.keypoints[0, :, :2], px),
            ('keypoint_scores', wanted.keypoint_scores[0], 1e-3),
            ('keypoint_std', wanted.keypoint_std[0] * scale, 3 * px * scale)):
        np.testing.assert_allclose(person[name], expected, rtol=0, atol=limit, err_msg=name)


def test_mm_per_px_of_depth_is_that_of_the_package():
    poses = np.random.default_rng(0).normal(0, 100, (5, 18, 3)) * [[[1, 1, 0.5]]]
    poses[2, :, 2] *= 10  # deeper than a person is long
    poses[3, :, :2], poses[4, 8] = 7, poses[4, 17]  # without extent in the image; a bone of length zero
    copied = runtime.mm_per_px_of_depth(poses, list(PARENTS), 4500.0, 190.0)
    np.testing.assert_allclose(copied, mm_per_px_of_depth(poses[..., :2], poses[..., 2], 4500.0, 190.0), rtol=1e-12)
    assert copied[2] == np.abs(poses[2, :, 2]).max() / 190 and copied[3] == np.inf


def test_px_to_mm_is_that_of_the_package():
    poses = np.random.default_rng(0).normal(0, 100, (5, 18, 3)) + 300
    lengths = np.array([3000.0, 4000, 4500, 4502.881, 5000])
    poses[..., 2] -= 300
    for intrinsics in (None, [1145.0, 320, 240]):
        ours, theirs = runtime.px_to_mm(poses, lengths, list(PARENTS), intrinsics), px_to_mm(poses, lengths, intrinsics)
        for copied, original in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(copied, original, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize('input_size', [(96, 128), (288, 384), (64, 64), (160, 96)])
@pytest.mark.parametrize('padding', [1.0, 1.25])
def test_the_crop_is_that_of_the_training_to_the_last_bit(photo, input_size, padding):
    image = cv2.imread(str(photo))[:, :110]
    cut = Compose([dict(type='LoadImage'), dict(type='GetBBoxCenterScale', padding=padding),
                   dict(type='TopdownAffine3D', input_size=input_size), dict(type='PackPose3DInputs')])
    random = np.random.default_rng(3)
    low = random.uniform(-30, 90, (20, 2))
    for box in np.float32([*BOXES, *np.hstack([low, low + random.uniform(5, 120, (20, 2))])]):
        wanted = cut(dict(img=image, bbox=box[None], bbox_score=np.ones(1, np.float32)))
        crop, center, size = runtime.cut_crop(image, box, padding, input_size)
        np.testing.assert_array_equal(crop, wanted['inputs'].numpy().transpose(1, 2, 0))
        np.testing.assert_array_equal(size, wanted['data_samples'].input_scale)
        np.testing.assert_array_equal(center, wanted['data_samples'].input_center)


@pytest.mark.parametrize('flip_test', [False, True])
def test_millimetres_are_those_of_torch(pose, model, photo, flip_test, monkeypatch):
    monkeypatch.setattr(runtime, 'CHUNK', 3)  # 7 boxes: two full runs and one of a single crop
    people = pose(photo, BOXES, flip_test=flip_test)
    for person, box in zip(people, BOXES, strict=True):
        assert_same_as_torch(person, model, cv2.imread(str(photo)), box, flip_test)
        np.testing.assert_array_equal(person['bbox'], box[None])
        assert set(person) == {'keypoints', 'keypoints_2d', 'keypoint_scores', 'keypoint_std', 'bbox', 'bbox_score',
                               'bone_length'} and person['bbox_score'] == 1
    if flip_test:
        assert np.abs(pose(photo, BOXES[:1])[0]['keypoints'] - people[0]['keypoints']).max() > 1


def test_a_model_of_weak_perspective_whose_std_is_the_volumes(photo, tmp_path):
    """The shipped model without its layers for the std, their calibration, and the camera of its labels."""
    from mmpose.apis import init_model

    from mmpose_integral.cli.export import main
    config, checkpoint, path = tmp_path / 'plain.py', torch.load(CHECKPOINT), tmp_path / 'plain.pth'
    config.write_text(f"_base_ = '{CONFIG}'\nmodel = dict(head=dict(std_channels=None))\n")
    for name in [name for name in checkpoint['state_dict'] if name.startswith('head.std_layers.')]:
        del checkpoint['state_dict'][name]
    for name in ('camera', 'std_factors'):
        del checkpoint['meta']['dataset_meta'][name]
    torch.save(checkpoint, path)
    assert not main([str(config), str(path), '--out-dir', str(tmp_path), '--name', 'plain'])
    pose, model = runtime.OnnxIntegralPose(tmp_path / 'plain.onnx', threads=1), init_model(
        str(config), str(path), device='cpu')
    for flip_test in (False, True):
        people = pose(photo, BOXES, flip_test=flip_test, bone_length=4000)
        for person, box in zip(people, BOXES, strict=True):
            assert_same_as_torch(person, model, cv2.imread(str(photo)), box, flip_test, length=4000, weak=True)


def test_real_photos(real_data, pose, model):
    pictures = sorted((real_data / 'real_h80k' / 'Train' / 'IMG').glob('*.jpg'))
    pictures += sorted((real_data / 'real_coco' / 'images').glob('*.jpg'))
    assert len(pictures) > 2
    for image in map(cv2.imread, map(str, pictures)):
        height, width = image.shape[:2]
        boxes = np.float32([[0, 0, width, height], [width * .25, height * .1, width * .8, height * .95]])
        for box, person in zip(boxes, pose(image, boxes), strict=True):
            assert_same_as_torch(person, model, image, box)


def test_boxes_with_scores_a_single_one_or_none(pose, photo):
    (scored, ), (flat, ) = pose(photo, [[*BOXES[0], 0.25]]), pose(photo, BOXES[0])
    assert scored['bbox_score'] == 0.25 and flat['bbox_score'] == 1
    np.testing.assert_array_equal(scored['keypoints'], flat['keypoints'])
    assert pose(photo, np.zeros((0, 4))) == [] and pose(photo, []) == []
    assert len(pose(photo, 'whole_image')) == 1


def test_bone_lengths_of_all_and_of_each(pose, photo):
    assert pose.joints == JOINT_NAMES
    stored = pose.facts['skeleton_length']['train+val']
    for asked, got in ((None, [stored] * 2), (4000, [4000] * 2), ([3000, 5000.5], [3000, 5000.5])):
        people = pose(photo, BOXES[:2], bone_length=asked)
        np.testing.assert_allclose([skeleton_length(person['keypoints']) for person in people], got, rtol=1e-9)
        assert [person['bone_length'] for person in people] == got
        assert not people[0]['keypoints'][0].any()


# An entry of None makes the import of a package fail.
BLOCKER = """
import runpy, sys
sys.modules.update(dict.fromkeys(
    ['torch', 'torchvision', 'mmcv', 'mmengine', 'mmpose', 'mmdet', 'scipy', 'matplotlib', 'mmpose_integral']))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def test_the_copied_file_needs_neither_torch_nor_mmpose(exported, model, standin, tmp_path):
    copied = shutil.copy(runtime.__file__, tmp_path / 'onnx_runtime.py')
    upright = Image.open(standin / 'h80k' / 'Val' / 'IMG' / '00002.jpg').crop((10, 0, 100, 120))
    exif = upright.getexif()
    exif[0x0112] = 6  # to be shown turned clockwise
    upright.rotate(90, expand=True).save(tmp_path / 'turned.png', exif=exif)
    boxes = np.float32([[5, 10, 60.5, 110], [-7, 0, 90, 120]])
    command = map(str, (sys.executable, '-c', BLOCKER, copied, exported, tmp_path / 'turned.png', '--bone-length', 4100,
                        '--bbox', *boxes[0], '--bbox', *boxes[1]))
    done = subprocess.run([*command], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result['keypoint_names'] == list(JOINT_NAMES)
    image = np.asarray(upright.convert('RGB'))[..., ::-1].copy()
    for box, person in zip(boxes, result['instances'], strict=True):
        assert_same_as_torch(person, model, image, box, length=4100)
        assert person['bone_length'] == 4100


def test_depth_in_mm_is_that_of_torch(exported, model, photo, tmp_path, monkeypatch):
    """The shipped model, with another codec in torch and the facts of this codec in the file."""
    monkeypatch.setattr(model.head, 'decoder', MetricDepthLabel((96, 128), depth_range_mm=1500, bone_length=4300))
    facts = deployment_facts(model, 1.25)
    assert facts['unit'] == [96, 128, 1500]
    assert facts['metric_depth'] == dict(bone_length=4300, largest_depth_px=72)
    pose = runtime.OnnxIntegralPose(changed(exported, tmp_path / 'mm.onnx', lambda stored: stored.update(facts, **{
        name: stored[name] for name in ('bone_length', 'skeleton_length')})), threads=1)
    for person, box in zip(pose(photo, BOXES), BOXES, strict=True):
        assert_same_as_torch(person, model, cv2.imread(str(photo)), box)


@pytest.mark.parametrize('boxes, message', [
    (None, "'whole_image' expected, got None"), ('whole', 'a place is never guessed'),
    ([1, 2, 3], r'shape \(N, 4\).*got \(1, 3\)'), ([[1, 2, 3, 4, 0.9, 0]], r'got \(1, 6\)'),
    ([[0, 0, 9, 9], [50, 10, 20, 30]], r'bboxes\[1\].*x1 < x2'), ([[500, 0, 600, 9]], 'within the picture of 128x128'),
    ([[0, 0, np.nan, 9]], r'bboxes\[0\]'), ([[0, 0, np.inf, 9]], r'bboxes\[0\]')])
def test_wrong_boxes(boxes, message):
    with pytest.raises(ValueError, match=message):
        runtime.read_boxes(boxes, 128, 128)


@pytest.mark.parametrize('length', [0, -1, np.nan, 4.5, [4000, 4.5], [4000, 4000, 4000]])
def test_wrong_bone_lengths(pose, photo, length):
    with pytest.raises(ValueError, match=r'bone_length: mm, 500 to 20000 .*, or one for each of 2 people, expected'):
        pose(photo, BOXES[:2], bone_length=length)


def test_limits_and_stored_bone_length_are_those_of_the_package(exported, photo, tmp_path):
    assert runtime.BONE_LENGTH_LIMITS_MM == BONE_LENGTH_LIMITS_MM
    assert (runtime.MAX_SIDES, runtime.MIN_SHOWN_PX) == (MAX_SIDES, MIN_SHOWN_PX)
    metres = changed(exported, tmp_path / 'a.onnx', lambda facts: facts.update(bone_length=4.5))
    with pytest.raises(ValueError, match='bone_length: mm, 500 to 20000 .*got 4.5'):
        runtime.OnnxIntegralPose(metres)(photo, 'whole_image')


@pytest.mark.parametrize('focal_length', [0, -1.0, np.nan, np.inf])
def test_wrong_focal_lengths(exported, photo, tmp_path, focal_length):
    perspective = changed(exported, tmp_path / 'a.onnx', lambda facts: facts.update(camera_model='perspective'))
    with pytest.raises(ValueError, match='focal_length: a positive number of px expected'):
        runtime.OnnxIntegralPose(perspective)(photo, 'whole_image', focal_length=focal_length)


def test_wrong_pictures(tmp_path):
    (tmp_path / 'a.jpg').write_text('text')
    (tmp_path / 'bomb.png').write_bytes(png(60_000, 60_000))
    for picture, error, message in ((np.zeros((9, 9), np.uint8), ValueError, r'\(9, 9\) uint8'),
                                    (np.zeros((9, 9, 3), np.float32), ValueError, r'\(9, 9, 3\) float32'),
                                    (tmp_path / 'a.jpg', ValueError, 'a.jpg cannot be decoded'),
                                    (tmp_path / 'bomb.png', ValueError, 'bomb.png cannot be decoded'),
                                    (tmp_path / 'b.jpg', FileNotFoundError, 'b.jpg: no such file')):
        with pytest.raises(error, match=message):
            runtime.read_image(picture)


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
@pytest.mark.parametrize('share', [0.0, 0.4, 0.9, 0.999])
def test_incomplete_pictures_are_refused_as_by_the_inferencer(photo, tmp_path, suffix, share):
    path = tmp_path / f'a.{suffix}'
    Image.open(photo).save(path)
    np.testing.assert_array_equal(runtime.read_image(path), read_picture(path).image)
    content = path.read_bytes()
    path.write_bytes(content[:int(share * len(content))])
    for read in (runtime.read_image, read_picture):
        with pytest.raises(ValueError, match=f'a.{suffix} cannot be decoded'):
            read(path)


def changed(exported, path, change):
    """A copy of the model whose facts are changed in place; ``change`` may also return a text to store instead."""
    program = onnx.load(exported)
    entry, = (entry for entry in program.metadata_props if entry.key == runtime.METADATA_KEY)
    facts = json.loads(entry.value)
    text = change(facts)
    entry.value = json.dumps(facts) if text is None else text
    onnx.save(program, path)
    return path


@pytest.mark.parametrize('change, message', [
    (lambda facts: '{"format', 'is damaged'), (lambda facts: '[1]', 'is damaged'),
    (lambda facts: facts.pop('format_version') and None, 'is damaged'),
    (lambda facts: facts.update(format_version=1), 'format 1, this onnx_runtime.py reads format 4'),
    (lambda facts: [facts.pop('unit'), facts.pop('parents')] and None, 'lacks unit, parents'),
    (lambda facts: facts.update(input_size=[128, 128]), r'metadata says \(128, 128\)')])
def test_damaged_metadata_is_refused(exported, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        runtime.OnnxIntegralPose(changed(exported, tmp_path / 'a.onnx', change))


def test_other_files_are_refused(exported, tmp_path):
    program = onnx.load(exported)
    del program.metadata_props[:]
    onnx.save(program, tmp_path / 'bare.onnx')
    (tmp_path / 'text.onnx').write_bytes(b'text')
    for name, error, message in (('bare', ValueError, "has no 'mmpose_integral'"),
                                 ('text', ValueError, 'text.onnx: onnxruntime .* cannot load it'),
                                 ('absent', FileNotFoundError, 'absent.onnx: no such file')):
        with pytest.raises(error, match=message):
            runtime.OnnxIntegralPose(tmp_path / f'{name}.onnx')


def test_weights_in_other_files_are_read_from_the_folder_of_the_model_only(exported, tmp_path):
    folder, secret = tmp_path / 'model', tmp_path / 'secret'
    folder.mkdir()
    program = onnx.load(exported)
    onnx.save(program, folder / 'a.onnx', save_as_external_data=True, location='a.data')
    runtime.OnnxIntegralPose(folder / 'a.onnx')
    (folder / 'a.data').rename(secret)
    (folder / 'link').symlink_to(secret)
    for place in (str(secret), '../secret', 'link'):
        program = onnx.load(folder / 'a.onnx', load_external_data=False)
        for tensor in program.graph.initializer:
            for entry in tensor.external_data:
                entry.value = place if entry.key == 'location' else entry.value
        onnx.save(program, folder / 'b.onnx')
        with pytest.raises(ValueError, match='b.onnx: onnxruntime .* cannot load it'):
            runtime.OnnxIntegralPose(folder / 'b.onnx')


def test_a_collapsed_skeleton_is_named(exported, photo, tmp_path):
    flat = changed(exported, tmp_path / 'a.onnx', lambda facts: facts.update(parents=list(range(18))))
    with pytest.raises(ValueError, match=r'bboxes\[0\].*length 0'):
        runtime.OnnxIntegralPose(flat)(photo, 'whole_image')


def test_wrong_command_lines_end_with_a_sentence(exported, photo, capsys):
    assert runtime.main([str(exported), str(photo), '--bbox', '9', '9', '1', '1']) == 1
    assert 'x1 < x2' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        runtime.main([str(exported), str(photo)])
