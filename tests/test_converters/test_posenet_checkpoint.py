"""Conversion of 3DMPPE's PoseNet snapshots, against an independent copy of its arithmetic, from image to mm."""
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision
from mmengine.config import Config
from mmpose.apis import inference_topdown
from scipy.optimize import brentq
from torch import nn

from mmpose_integral.apis import IntegralPose3DInferencer
from mmpose_integral.cli.convert_official import check_config
from mmpose_integral.cli.main import run_command
from mmpose_integral.evaluation.functional import px_to_mm
from mmpose_integral.models.posenet_checkpoint import convert_posenet
from mmpose_integral.structures import unproject
from mmpose_integral.structures.skeleton import JOINT_NAMES, PARENTS, flip_indices

REPO = Path(__file__).parents[2]
CONFIGS = {18: REPO / 'configs/3dmppe/posenet_r50_h36m-mpii-256x256.py',
           21: REPO / 'configs/3dmppe/posenet_r50_muco-coco-256x256.py'}
LENGTH = 4502.881
# Standard deviation of the logits, by joints: with these random weights, poses are neither flat nor too deep.
LOGIT_STD = {18: 1.0, 21: 2.0}
MUCO = ('head_top thorax right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip '
        'right_knee right_ankle left_hip left_knee left_ankle pelvis spine head right_hand left_hand right_toe left_toe'
        ).split()
# MuCo's name of those of our joints that have another one there
MUCO_NAMES = dict(root='pelvis', torso='spine', neck='thorax', nose='head', head='head_top')


class PoseNet(nn.Module):
    """ResNet, three deconvolutions, a 1x1 convolution to joints x 64 depth bins, and a soft-argmax in cells."""

    def __init__(self, joints, depth=18, widths=(16, 24, 8)):
        super().__init__()
        self.joints = joints
        self.backbone = getattr(torchvision.models, f'resnet{depth}')(weights=None)
        layers, channels = [], self.backbone.fc.in_features
        del self.backbone.fc
        for width in widths:
            layers += [nn.ConvTranspose2d(channels, width, 4, 2, padding=1, bias=False), nn.BatchNorm2d(width),
                       nn.ReLU()]
            channels = width
        self.head = nn.Module()
        self.head.deconv_layers = nn.Sequential(*layers)
        self.head.final_layer = nn.Conv2d(channels, joints * 64, 1)

    def logits(self, x):
        """Volumes, joint by joint, with the depth bins of a joint in sequence."""
        b = self.backbone
        x = b.maxpool(b.relu(b.bn1(b.conv1(x))))
        return self.head.final_layer(self.head.deconv_layers(b.layer4(b.layer3(b.layer2(b.layer1(x))))))

    def forward(self, x):
        """Position of each joint along x, y and z, in cells from 0 to 63."""
        p = self.logits(x).view(len(x), self.joints, -1).softmax(-1).view(len(x), self.joints, 64, 64, 64)
        count = torch.arange(1.0, 65.0)  # the released code counts from 1 and subtracts 1 at the end
        return torch.stack([(p.sum(axes) * count).sum(-1) - 1 for axes in ((2, 3), (2, 4), (3, 4))], -1)


@torch.no_grad()
def make_network(joints):
    """Network with the statistics of a trained one, so that a mistake in any layer changes the result."""
    torch.manual_seed(joints)
    network = PoseNet(joints).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.momentum = 1.0
    logits = network.logits(to_input(np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)))
    network.head.final_layer.weight *= LOGIT_STD[joints] / logits.std()
    return network.eval()


def to_input(crops):
    """Crops (N, 256, 256, 3) uint8 BGR as the released code normalises them: pixels stay in 0 to 255."""
    rgb = torch.from_numpy(crops[..., ::-1].astype(np.float32)).permute(0, 3, 1, 2)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    return (rgb - mean) / std


def snapshot(network, path):
    weights = {f'module.{name}': value for name, value in network.state_dict().items()}
    torch.save(dict(epoch=24, network=weights, optimizer=torch.optim.Adam(network.parameters()).state_dict()), path)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    return tmp_path / 'home'


def small_config(joints, tmp_path):
    path = tmp_path / 'small.py'
    path.write_text(f"""_base_ = {str(CONFIGS[joints])!r}
model = dict(backbone=dict(depth=18), head=dict(in_channels=512, deconv_out_channels=(16, 24, 8)))
""")
    return path


def our_joints(joints, cells):
    """Our 18 joints of cells (joints, 3); those of Human3.6M are the same."""
    return cells if joints == 18 else cells[[MUCO.index(MUCO_NAMES.get(name, name)) for name in JOINT_NAMES]]


def their_crop(image, box):
    """Crop of x1, y1, x2, y2, and its side and upper left corner in the image, px."""
    x, y, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
    side = max(w, h) * 1.25
    corner = np.array([x + w / 2 - side / 2, y + h / 2 - side / 2])
    matrix = np.array([[256 / side, 0, -corner[0] * 256 / side], [0, 256 / side, -corner[1] * 256 / side]])
    return cv2.warpAffine(image, matrix, (256, 256), flags=cv2.INTER_LINEAR), side, corner


@torch.no_grad()
def their_pose(network, image, box):
    """Our joints in image px (18, 2) and their depth in mm (18,), with the flip test of the released code."""
    crop, side, corner = their_crop(image, box)
    cells, mirrored = network(torch.cat([to_input(crop[None]), to_input(crop[None, :, ::-1])])).numpy()
    cells, mirrored = our_joints(network.joints, cells), our_joints(network.joints, mirrored)[flip_indices()]
    mirrored[:, 0] = 63 - mirrored[:, 0]
    x, y, z = ((cells + mirrored) / 2).T
    return np.stack([x, y], -1) / 64 * side + corner, (z / 64 * 2 - 1) * 1000, side


@pytest.mark.parametrize('joints', [18, 21])
@torch.no_grad()
def test_from_the_image_to_millimetres(joints, tmp_path, home, capsys, one_thread):
    network = make_network(joints)
    source = snapshot(network, tmp_path / 'snapshot_24.pth.tar')
    alias = {18: '3dmppe-h36m', 21: '3dmppe'}[joints]
    assert run_command('convert-3dmppe', [str(source), '--config', str(small_config(joints, tmp_path))]) == 0
    assert f'ResNet-18, 64 depth bins (input 256 px wide), 140 weights, alias {alias}' in capsys.readouterr().out
    rng = np.random.default_rng(1)
    image = cv2.resize(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8), (400, 300))
    boxes = np.float32([[40, 20, 180, 290], [150, 100, 390, 220]])
    inferencer = IntegralPose3DInferencer(alias, device='cpu')
    people = next(inferencer(image, bboxes=boxes, focal_length=2000.0))['predictions'][0]
    for box, person in zip(boxes, people, strict=True):
        points, depth, side = their_pose(network, image, box)
        points[:, 0] += 1.5 / 256 * side  # they mirror x to 63 - x cells, which is 252 - x px of the crop, for 255 - x
        ours = inference_topdown(inferencer.model, image, box[None])[0].pred_instances.keypoints[0]
        np.testing.assert_allclose(ours[:, :2], points, atol=0.02)
        # their depth in mm, and their x and y at the scale that gives the bone length
        mm = px_to_mm(ours, LENGTH).keypoints
        np.testing.assert_allclose(mm[:, 2], depth - depth[0], atol=0.2)

        def too_long(scale, x=points, z=depth):
            ends = np.c_[x * scale, z]
            return np.linalg.norm(ends - ends[list(PARENTS)], axis=-1).sum() - LENGTH

        scale = brentq(too_long, 1e-3, 1e3)
        assert 0.2 < np.abs(depth - depth[list(PARENTS)]).sum() / LENGTH < 0.95  # the depths matter for the scale
        np.testing.assert_allclose(mm[:, :2], (points - points[0]) * scale, atol=0.5)
        # the inferencer decodes the same px by the perspective camera of the picture
        np.testing.assert_allclose(person['keypoints_2d'], ours[:, :2], atol=1e-3)
        in_perspective, _ = unproject(ours, 2000.0, np.array([199.5, 149.5]), LENGTH)
        np.testing.assert_allclose(person['keypoints'], in_perspective, atol=0.1)


@pytest.mark.parametrize('joints', [18, 21])
def test_configs_describe_the_released_models(joints):
    with torch.device('meta'):
        released = PoseNet(joints, depth=50, widths=(256, 256, 256))
    weights, architecture, found = convert_posenet(dict(network=released.state_dict()))
    cfg = Config.fromfile(CONFIGS[joints])
    check_config(cfg, weights, architecture, Path('snapshot'))
    assert found == joints and cfg.model.head.decoder.type == 'MetricDepthLabel'


def test_failures_are_error_messages(tmp_path, home, capsys):
    source = str(snapshot(PoseNet(18), tmp_path / 'snapshot_1.pth.tar'))
    parts = {joints: str(tmp_path / f'{joints}.pth.tar') for joints in (18, 19)}
    for joints, path in parts.items():
        torch.save(dict(network={'head.final_layer.weight': torch.zeros(joints * 64, 8, 1, 1)}), path)
    for command, path, message in [
            ('convert-3dmppe', parts[19], '18 or 21 joints x 64 depth bins expected, found one of shape (1216, 8'),
            ('convert-3dmppe', parts[18], '[0, 0, 0, 0] blocks in backbone.layer1'),
            ('convert-3dmppe', source, 'which is not the model of'),  # the config has ResNet-50
            ('convert-3dmppe', 'file:///absent/snapshot_24.pth.tar', 'mmpose-integral convert-3dmppe PATH'),
            ('convert-official', source, 'head.features.9.weight is missing')]:
        assert run_command(command, [path]) == 1
        error = capsys.readouterr().err
        assert message in error and 'Traceback' not in error
    assert not [path for path in home.rglob('*') if path.is_file()]
