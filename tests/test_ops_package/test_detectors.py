"""The detectors of the project run on the ops: one training step and one prediction, tiny sizes."""
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData


def small_rtmdet():
    model = get_config('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py').model
    model.backbone.update(widen_factor=0.125, init_cfg=None)
    model.neck.update(in_channels=[32, 64, 128], out_channels=16)
    model.bbox_head.update(num_classes=1, in_channels=16, feat_channels=16)
    model.test_cfg.update(score_thr=0.0)
    return model


def small_faster_rcnn():
    model = get_config('mmdet::_base_/models/faster-rcnn_r50_fpn.py').model
    model.backbone.update(depth=18, base_channels=8, init_cfg=None)
    model.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
    model.rpn_head.update(in_channels=16, feat_channels=16)
    model.roi_head.bbox_roi_extractor.update(out_channels=16)
    model.roi_head.bbox_head.update(num_classes=1, in_channels=16, fc_out_channels=32)
    model.test_cfg.rcnn.update(score_thr=0.0)
    return model


def make_samples():
    samples = []
    for box in ([8., 6, 40, 58], [20., 10, 50, 60]):
        shapes = dict.fromkeys(('img_shape', 'ori_shape', 'batch_input_shape', 'pad_shape'), (64, 64))
        sample = DetDataSample(metainfo=dict(**shapes, scale_factor=(1.0, 1.0), img_id=0))
        sample.gt_instances = InstanceData(bboxes=torch.tensor([box]), labels=torch.zeros(1, dtype=torch.long))
        samples.append(sample)
    return samples


@pytest.mark.parametrize('model', [small_rtmdet, small_faster_rcnn])
def test_detector_trains_and_predicts(model):
    register_all_modules(init_default_scope=False)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(model())
        images = torch.randn(2, 3, 64, 64)
        losses, _ = detector.parse_losses(detector.loss(images, make_samples()))
        losses.backward()
        assert losses.isfinite()
        assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0
                   for parameter in detector.backbone.parameters())
        detector.eval()
        with torch.no_grad():
            results = detector.predict(images, make_samples())
    for result in results:
        found = result.pred_instances
        assert found.bboxes.shape == (len(found.scores), 4) and found.bboxes.isfinite().all()
