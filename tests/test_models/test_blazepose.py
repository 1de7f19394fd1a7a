"""The BlazePose backbone: its arithmetic against TFLite's definitions, and against TFLite itself where its file is."""
import hashlib
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mmpose_integral.apis import user_folder
from mmpose_integral.cli.get_model import MEMBER, SHA256
from mmpose_integral.models.backbones.blazepose import OUTPUT_CHANNELS, BlazePoseBackbone, LandmarkBlock
from mmpose_integral.models.blazepose_checkpoint import convert_blazepose

STRIDES = dict(stride4=4, stride8=8, stride16=16, stride32=32, fused=4, heatmaps=4, landmark_features=128,
               world_landmarks=256)
# Numbers of the file's tensors and graph outputs with these contents.
TENSORS = dict(stride4=216, stride8=226, stride16=251, stride32=271, fused=279, landmark_features=335)
GRAPH_OUTPUTS = dict(heatmaps=3, world_landmarks=4)


def build(*outputs):
    torch.manual_seed(0)
    backbone = BlazePoseBackbone(outputs or tuple(OUTPUT_CHANNELS))
    backbone.eval()
    return backbone


@torch.no_grad()
def test_outputs_have_the_documented_shapes_and_do_not_depend_on_each_other():
    crops = torch.rand(2, 3, 256, 256)
    everything = dict(zip(OUTPUT_CHANNELS, build()(crops), strict=True))
    for name, output in everything.items():
        assert output.shape == (2, OUTPUT_CHANNELS[name], 256 // STRIDES[name], 256 // STRIDES[name]), name
    backbone = build('fused', 'stride16')
    backbone.load_state_dict({name: value for name, value in build().state_dict().items()
                              if not name.startswith(('heatmaps', 'landmark_', 'world_'))}, strict=True)
    for output, name in zip(backbone(crops), ('fused', 'stride16'), strict=True):
        torch.testing.assert_close(output, everything[name])
    assert [output.shape for output in build('heatmaps', 'stride32')(torch.rand(1, 3, 128, 192))] == [
        (1, 39, 32, 48), (1, 864, 4, 6)]


def test_numbers_of_weights_are_those_of_the_file():
    """Counted in the constants of the file's convolutions, by the outputs that need them."""
    for outputs, expected in ((('stride32',), 1_541_192), (('heatmaps',), 1_601_759),
                              (('heatmaps', 'world_landmarks'), 2_941_652)):
        assert sum(value.numel() for value in build(*outputs).parameters()) == expected


@pytest.mark.parametrize('outputs', [(), ('fused', 'stride2')])
def test_unknown_outputs_are_named(outputs):
    with pytest.raises(ValueError, match=r'outputs: some of stride4, .* expected, got \(' + ', '.join(
            repr(name) for name in outputs)):
        BlazePoseBackbone(outputs)


def depthwise_same(x, weight, bias, stride):
    """TFLite's DEPTHWISE_CONV_2D with SAME padding for x (C, H, W) and weight (C, 3, 3).

    The half of the padding that is before the first cell is rounded down.
    """
    out = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    first = [max((n - 1) * stride + 3 - size, 0) // 2 for n, size in zip(out, x.shape[1:], strict=True)]
    result = np.zeros((len(x), *out))
    for channel, row, column in np.ndindex(result.shape):
        total = bias[channel]
        for i, j in np.ndindex(3, 3):
            y, z = row * stride - first[0] + i, column * stride - first[1] + j
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                total += weight[channel, i, j] * x[channel, y, z]
        result[channel, row, column] = total
    return result


@pytest.mark.parametrize('stride', [1, 2])
@torch.no_grad()
def test_blocks_of_the_landmark_branch_pad_as_tflite_does(stride):
    torch.manual_seed(0)
    block, x = LandmarkBlock(4, stride).double(), 3 * torch.rand(1, 4, 6, 8, dtype=torch.float64)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=2)
    kernel, bias, mix, mix_bias = (parameter.numpy() for parameter in block.parameters())
    inner = depthwise_same(x[0].numpy(), kernel[:, 0], bias, stride).clip(0, 6)
    image = x[0].numpy().reshape(4, 6 // stride, stride, 8 // stride, stride).max((2, 4))
    expected = image + np.einsum('oc,chw->ohw', mix[:, :, 0, 0], inner) + mix_bias[:, None, None]
    assert (expected < 0).any() and (expected > 6).any()
    np.testing.assert_allclose(block(x)[0].numpy(), expected.clip(0, 6), atol=1e-12)


def upsample(x):
    """TFLite's RESIZE_BILINEAR with half-pixel centres, to the double size, of (H, W)."""
    for axis in (0, 1):
        size = x.shape[axis]
        position = ((np.arange(2 * size) + 0.5) / 2 - 0.5).clip(0, size - 1)
        low = np.floor(position).astype(int)
        share = np.expand_dims(position - low, 1 - axis)
        x = x.take(low, axis) * (1 - share) + x.take((low + 1).clip(max=size - 1), axis) * share
    return x


def test_maps_are_fused_from_coarse_to_fine():
    backbone = build('fused')
    backbone.laterals = nn.ModuleList([nn.Identity()] * 4)
    rng = np.random.default_rng(0)
    fine, *others, coarse = (rng.normal(size=(24 // stride, 40 // stride)) for stride in (1, 2, 4, 8))
    expected = coarse
    for features in (*reversed(others), fine):
        expected = features + upsample(expected)
    maps = [torch.from_numpy(values)[None, None] for values in (fine, *others, coarse)]
    np.testing.assert_allclose(backbone.fuse(maps)[0, 0].numpy(), expected, atol=1e-12)


@pytest.fixture(scope='module')
def tflite_file():
    path = user_folder() / 'downloads' / MEMBER.rpartition('/')[2]
    pytest.importorskip('tflite', reason='the package tflite (extra photo) is not installed')
    if not path.is_file():
        pytest.skip(f'no {path}; `mmpose-integral get-model photo` makes it')
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    return path


@pytest.fixture(scope='module')
def crops(real_data):
    """(N, 256, 256, 3), RGB in [0, 1]: people in real frames and photographs."""
    people = []
    frames = json.loads((real_data / 'real_h80k' / 'keypoints_2d.json').read_text())['frames']
    for path, frame in zip(sorted((real_data / 'real_h80k').glob('Train/IMG/*.jpg')), frames, strict=True):
        points = np.array(frame['keypoints_2d'])
        people.append((path, points.min(0), points.max(0)))
    content = json.loads((real_data / 'real_photos' / 'person_keypoints.json').read_text())
    files = {image['id']: real_data / 'real_photos' / 'images' / image['file_name'] for image in content['images']}
    for row in content['annotations'][:6]:
        corner, size = np.split(np.array(row['bbox']), 2)
        people.append((files[row['image_id']], corner, corner + size))
    pictures = []
    for path, low, high in people:
        middle, half = (low + high) / 2, 0.65 * (high - low).max()
        picture = Image.open(path).convert('RGB').crop((*(middle - half).round(), *(middle + half).round()))
        pictures.append(np.asarray(picture.resize((256, 256))))
    return np.stack(pictures).astype(np.float32) / 255


@torch.no_grad()
def test_features_and_heat_maps_are_those_of_tflite(tflite_file, crops):
    litert = pytest.importorskip('ai_edge_litert.interpreter', reason='ai-edge-litert is not installed')
    runtime = litert.Interpreter(
        str(tflite_file), num_threads=1, experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    runtime.allocate_tensors()
    outputs = runtime.get_output_details()
    tensors = TENSORS | {name: outputs[number]['index'] for name, number in GRAPH_OUTPUTS.items()}
    backbone = build()
    backbone.load_state_dict(convert_blazepose(tflite_file), strict=True)
    for crop in crops:
        runtime.set_tensor(runtime.get_input_details()[0]['index'], crop[None])
        runtime.invoke()
        found = dict(zip(OUTPUT_CHANNELS, backbone(torch.from_numpy(crop)[None].permute(0, 3, 1, 2)), strict=True))
        for name, index in tensors.items():
            expected = np.moveaxis(np.atleast_3d(runtime.get_tensor(index)[0]), -1, 0)
            if name == 'world_landmarks':
                expected = expected.reshape(-1, 1, 1)
            # Maps have values up to 300, and sums of float32 depend on their order: TFLite's own two sets of kernels
            # differ by as much.
            np.testing.assert_allclose(found[name][0].numpy(), expected, rtol=0, err_msg=name,
                                       atol=1e-4 * max(1, np.abs(expected).max()))
