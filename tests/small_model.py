"""A small model with random weights, for tests of the exported graph and of its files."""
import copy

import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from small_training import REPO

STANDIN = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
WIDTH, HEIGHT = 64, 96
BACKBONE = dict(base_channels=8, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1, ))
HEAD = dict(in_channels=16, depth_bins=10, deconv_out_channels=(8, 8), deconv_kernel_sizes=(4, 4), std_channels=None)
REGRESSION = dict(_delete_=True, type='Regression3DHead', in_channels=16, num_joints=18,
                  decoder=dict(type='Integral3DLabel', input_size=(WIDTH, HEIGHT)))


def small_config(padding=1.4, head=None, preprocessor=None, pipeline=(), flip_test=False):
    """The model of the stand-in with an eighth of the channels and half of the stages, for 64x96 crops."""
    cfg = Config.fromfile(STANDIN)
    cfg.merge_from_dict(dict(model=dict(
        data_preprocessor=preprocessor or {}, backbone=BACKBONE, test_cfg=dict(flip_test=flip_test),
        head=copy.deepcopy(head or HEAD))))
    cfg.model.head.decoder.input_size = (WIDTH, HEIGHT)
    cfg.test_dataloader.dataset.pipeline = [
        dict(type='LoadImage'), dict(type='GetBBoxCenterScale', padding=padding), *pipeline,
        dict(type='TopdownAffine3D', input_size=(WIDTH, HEIGHT)), dict(type='PackPose3DInputs')]
    return cfg


def small_model(cfg):
    """Model with random weights, which are so large that volumes have peaks and the joints differ."""
    torch.manual_seed(5)
    model = MODELS.build(cfg.model).eval()
    last = model.head.fc if 'fc' in dict(model.head.named_children()) else model.head.final_layer
    torch.nn.init.normal_(last.weight, std=2.0)
    return model


def random_crops(count, seed):
    return torch.randint(0, 256, (count, 3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(seed)).float()
