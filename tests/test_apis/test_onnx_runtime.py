"""The file that users copy beside their .onnx, against the training's transforms and the torch model."""
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose
from PIL import Image

from mmpose_integral.evaluation.functional import rescale_to_bone_length, skeleton_length
from mmpose_integral.structures.skeleton import JOINT_NAMES

NO_EXPORT = 'onnx, onnxruntime or onnxscript is not installed (pip install onnx onnxruntime onnxscript)'
onnx = pytest.importorskip('onnx', reason=NO_EXPORT)
pytest.importorskip('onnxruntime', reason=NO_EXPORT)
pytest.importorskip('onnxscript', reason=NO_EXPORT)

REPO = Path(__file__).parents[2]
RUNTIME = REPO / 'mmpose_integral' / 'deployment' / 'onnx_runtime.py'
CONFIG = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
CHECKPOINT = REPO / 'mmpose_integral' / 'assets' / 'integral_r18w32_standin.pth'
# The exporter's tolerance of a coordinate, as a share of the input size.
TOLERANCE = 1e-4


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


runtime = load(RUNTIME)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """The shipped model, exported once for all tests of this file."""
    folder = tmp_path_factory.mktemp('exported')
    assert load(REPO / 'tools' / 'export.py').main(
        [str(CONFIG), str(CHECKPOINT), '--out-dir', str(folder), '--name', 'pose']) == 0
    return folder / 'pose.onnx'


@pytest.fixture(scope='module')
def model():
    from mmpose.apis import init_model
    return init_model(str(CONFIG), str(CHECKPOINT), device='cpu')


@pytest.fixture(scope='module')
def photo(standin):
    return standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg'


def by_torch(model, image, boxes, flip_test=False, length=None):
    """mm, px, scores and std in mm by mmpose's own inference."""
    from mmpose.apis import inference_topdown
    from mmpose.structures import merge_data_samples
    model.test_cfg['flip_test'] = flip_test
    people = merge_data_samples(inference_topdown(model, image, boxes)).pred_instances
    model.test_cfg['flip_test'] = False
    length = length or model.dataset_meta['skeleton_length']['train+val']
    scale = length / skeleton_length(people.keypoints)
    return dict(keypoints=rescale_to_bone_length(people.keypoints, length), keypoints_2d=people.keypoints[..., :2],
                keypoint_scores=people.keypoint_scores, keypoint_std=people.keypoint_std * scale[:, None, None]), scale


def assert_same(people, wanted, scale, box_px):
    """Equal within what the exporter allows: that share of the padded box, in mm, and twice for root and scale.

    A skeleton is about as long as four box heights, so the scale's own error is small beside the two joints'.
    """
    assert len(people) == len(scale)
    for number, person in enumerate(people):
        px = TOLERANCE * box_px
        limits = dict(keypoints=3 * px * scale[number], keypoints_2d=px, keypoint_scores=1e-3,
                      keypoint_std=3 * px * scale[number])
        for name, limit in limits.items():
            np.testing.assert_allclose(person[name], wanted[name][number], rtol=0, atol=limit, err_msg=name)


BOXES = np.float32([[30, 10, 100, 120], [-20, -15, 70.5, 60], [100, 100, 140, 140], [10, 60, 120, 70],
                    [60, 3, 64, 125], [0.3, 0.7, 127.6, 127.2], [-300, -300, 500, 400]])


@pytest.mark.parametrize('input_size', [(96, 128), (288, 384), (64, 64), (160, 96)])
@pytest.mark.parametrize('padding', [1.0, 1.25])
def test_the_crop_is_the_trainings_to_the_last_bit(photo, input_size, padding):
    image = cv2.imread(str(photo))[:, :110]
    cut = Compose([dict(type='LoadImage'), dict(type='GetBBoxCenterScale', padding=padding),
                   dict(type='TopdownAffine3D', input_size=input_size), dict(type='PackPose3DInputs')])
    random = np.random.default_rng(3)
    low = random.uniform(-30, 90, (20, 2))
    boxes = np.float32([*BOXES, *np.hstack([low, low + random.uniform(5, 120, (20, 2))])])
    for box in boxes:
        wanted = cut(dict(img=image, bbox=box[None], bbox_score=np.ones(1, np.float32)))
        center, size = runtime.crop_window(box, padding, input_size[0] / input_size[1])
        crop = runtime.cut_crop(image, center, size, input_size)
        np.testing.assert_array_equal(crop, wanted['inputs'].numpy().transpose(1, 2, 0))
        np.testing.assert_array_equal(size, wanted['data_samples'].input_scale)
        np.testing.assert_array_equal(center, wanted['data_samples'].input_center)


@pytest.mark.parametrize('flip_test', [False, True])
def test_millimetres_are_those_of_torch(exported, model, photo, flip_test, monkeypatch):
    monkeypatch.setattr(runtime, 'CHUNK', 3)  # 7 boxes: two full runs and one of a single crop
    image = cv2.imread(str(photo))
    people = runtime.OnnxIntegralPose(exported)(photo, BOXES, flip_test=flip_test)
    for number, box in enumerate(BOXES):
        wanted, scale = by_torch(model, image, box[None], flip_test)
        size = runtime.crop_window(box, 1.25, 96 / 128)[1].max()
        assert_same(people[number:number + 1], wanted, scale, size)
        np.testing.assert_array_equal(people[number]['bbox'], box[None])
        assert set(people[number]) == {'keypoints', 'keypoints_2d', 'keypoint_scores', 'keypoint_std', 'bbox',
                                       'bbox_score', 'bone_length'} and people[number]['bbox_score'] == 1
    if flip_test:
        plain = runtime.OnnxIntegralPose(exported)(photo, BOXES[:1])
        assert np.abs(plain[0]['keypoints'] - people[0]['keypoints']).max() > 1


def test_boxes_with_scores_and_a_single_one(exported, photo):
    pose = runtime.OnnxIntegralPose(exported)
    (scored, ), (flat, ) = pose(photo, [[*BOXES[0], 0.25]]), pose(photo, BOXES[0])
    assert scored['bbox_score'] == 0.25 and flat['bbox_score'] == 1
    np.testing.assert_array_equal(scored['keypoints'], flat['keypoints'])


def test_bone_lengths_of_all_and_of_each(exported, photo):
    pose = runtime.OnnxIntegralPose(exported, threads=1)
    assert pose.joints == JOINT_NAMES
    stored = pose.facts['skeleton_length']['train+val']
    for asked, got in ((None, [stored] * 2), (4000, [4000] * 2), ([3000, 5000.5], [3000, 5000.5])):
        people = pose(photo, BOXES[:2], bone_length=asked)
        np.testing.assert_allclose([skeleton_length(person['keypoints']) for person in people], got, rtol=1e-9)
        assert [person['bone_length'] for person in people] == got
        assert not people[0]['keypoints'][0].any()


def test_real_photos(real_data, exported, model):
    pictures = sorted((real_data / 'real_h80k' / 'Train' / 'IMG').glob('*.jpg'))
    pictures += sorted((real_data / 'real_coco' / 'images').glob('*.jpg'))
    assert len(pictures) > 2
    pose = runtime.OnnxIntegralPose(exported)
    for path in pictures:
        image = cv2.imread(str(path))
        height, width = image.shape[:2]
        boxes = np.float32([[0, 0, width, height], [width * .25, height * .1, width * .8, height * .95]])
        for box, person in zip(boxes, pose(image, boxes), strict=True):
            wanted, scale = by_torch(model, image, box[None])
            assert_same([person], wanted, scale, runtime.crop_window(box, 1.25, 96 / 128)[1].max())


BLOCKER = """
import sys
BLOCKED = {'torch', 'torchvision', 'mmcv', 'mmengine', 'mmpose', 'mmdet', 'scipy', 'matplotlib', 'mmpose_integral'}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in BLOCKED:
            raise ImportError(f'{name} is not to be imported')
sys.meta_path.insert(0, Blocker())
try:
    import torch
except ImportError:
    import runpy
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name='__main__')
"""


def test_the_copied_file_needs_neither_torch_nor_mmpose(exported, model, standin, tmp_path):
    copied = shutil.copy(RUNTIME, tmp_path / 'onnx_runtime.py')
    upright = Image.open(standin / 'h80k' / 'Val' / 'IMG' / '00002.jpg').crop((10, 0, 100, 120))
    exif = upright.getexif()
    exif[0x0112] = 6  # to be shown turned clockwise
    upright.rotate(90, expand=True).save(tmp_path / 'turned.png', exif=exif)
    boxes = np.float32([[5, 10, 60.5, 110], [-7, 0, 90, 120]])
    command = [sys.executable, '-c', BLOCKER, copied, exported, tmp_path / 'turned.png', '--bone-length', 4100]
    for box in boxes:
        command += ['--bbox', *box]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result['keypoint_names'] == list(JOINT_NAMES)
    image = np.asarray(upright.convert('RGB'))[..., ::-1].copy()
    for box, person in zip(boxes, result['instances'], strict=True):
        wanted, scale = by_torch(model, image, box[None], length=4100)
        assert_same([person], wanted, scale, runtime.crop_window(box, 1.25, 96 / 128)[1].max())
        assert person['bone_length'] == 4100


def test_no_people_no_answers(exported, photo):
    pose = runtime.OnnxIntegralPose(exported)
    assert pose(photo, np.zeros((0, 4))) == [] and pose(photo, []) == []
    assert len(pose(photo, 'whole_image')) == 1


@pytest.mark.parametrize('boxes, message', [
    (None, "'whole_image' expected, got None"), ('whole', 'a place is never guessed'),
    ([1, 2, 3], r'shape \(N, 4\).*got \(1, 3\)'), ([[1, 2, 3, 4, 0.9, 0]], r'got \(1, 6\)'),
    ([[0, 0, 9, 9], [50, 10, 20, 30]], r'bboxes\[1\].*x1 < x2'), ([[500, 0, 600, 9]], 'within the picture of 128x128'),
    ([[0, 0, np.nan, 9]], r'bboxes\[0\]'), ([[0, 0, np.inf, 9]], r'bboxes\[0\]')])
def test_wrong_boxes(exported, photo, boxes, message):
    with pytest.raises(ValueError, match=message):
        runtime.OnnxIntegralPose(exported)(photo, boxes)


@pytest.mark.parametrize('length', [0, -1, np.nan, [4000, 4000, 4000]])
def test_wrong_bone_lengths(exported, photo, length):
    with pytest.raises(ValueError, match='bone_length: a positive number of mm, or one for each of 2 people'):
        runtime.OnnxIntegralPose(exported)(photo, BOXES[:2], bone_length=length)


def test_wrong_pictures(exported, tmp_path):
    pose = runtime.OnnxIntegralPose(exported)
    (tmp_path / 'a.jpg').write_text('text')
    for picture, message in ((np.zeros((9, 9), np.uint8), r'\(9, 9\) uint8'),
                             (np.zeros((9, 9, 3), np.float32), r'\(9, 9, 3\) float32'),
                             (tmp_path / 'a.jpg', 'a.jpg cannot be decoded')):
        with pytest.raises(ValueError, match=message):
            pose(picture, 'whole_image')
    with pytest.raises(FileNotFoundError, match='b.jpg: no such file'):
        pose(tmp_path / 'b.jpg', 'whole_image')


def changed(exported, path, change):
    """A copy of the model whose facts are changed in place; ``change`` may also give back a text to store instead."""
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
    (lambda facts: facts.update(format_version=2), 'format 2, this onnx_runtime.py reads format 1'),
    (lambda facts: [facts.pop('unit'), facts.pop('parents')] and None, 'lacks unit, parents'),
    (lambda facts: facts.update(input_size=[128, 128]), r'metadata says \(128, 128\)')])
def test_damaged_metadata_is_refused(exported, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        runtime.OnnxIntegralPose(changed(exported, tmp_path / 'a.onnx', change))


def test_what_is_no_exported_model_is_refused(exported, tmp_path):
    program = onnx.load(exported)
    del program.metadata_props[:]
    onnx.save(program, tmp_path / 'bare.onnx')
    (tmp_path / 'text.onnx').write_text('text')
    for name, error, message in (('bare', ValueError, "has no 'mmpose_integral'"),
                                 ('text', ValueError, 'text.onnx: onnxruntime .* cannot load it'),
                                 ('absent', FileNotFoundError, 'absent.onnx: no such file')):
        with pytest.raises(error, match=message):
            runtime.OnnxIntegralPose(tmp_path / f'{name}.onnx')


def test_a_collapsed_skeleton_is_named(exported, photo, tmp_path):
    flat = changed(exported, tmp_path / 'a.onnx', lambda facts: facts.update(parents=list(range(18))))
    with pytest.raises(ValueError, match=r'bboxes\[0\].*length 0'):
        runtime.OnnxIntegralPose(flat)(photo, 'whole_image')


def test_command_line_mistakes_end_in_a_sentence(exported, photo, capsys):
    assert runtime.main([str(exported), str(photo), '--bbox', '9', '9', '1', '1']) == 1
    assert 'x1 < x2' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        runtime.main([str(exported), str(photo)])
