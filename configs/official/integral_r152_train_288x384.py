"""The authors' released model: ResNet-152, 288x384, trained on H80K Train + MPII + COCO; for inference.

`python tools/model_converters/convert_official.py` fetches and converts its weights. Grid, depth, normalisation and
flip test are those of every model here (the released code's configs and `common_loss/integral.py`, `loss/integral.py`).
They report 57.5 mm on Val, 56.9 with the flip test, with boxes around the true joints; see `..._true-boxes.py`.
"""
_base_ = '../_base_/default_runtime.py'

# what convert_official.py fetches by default, and the page that links to it
released_weights = 'https://www.dropbox.com/s/hfz5nkd39uisvbr/model_chall_train_152ft_384x288.pth.tar?dl=1'
released_page = 'https://github.com/JimmySuen/integral-human-pose'

h80k_root = 'data/h80k/'
input_size = (288, 384)
codec = dict(type='Integral3DLabel', input_size=input_size)

model = dict(
    type='Integral3DEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=152),
    head=dict(
        type='Integral3DHead', in_channels=2048, num_joints=18, depth_bins=input_size[0] // 4, decoder=codec),
    test_cfg=dict(flip_test=True))

# Its training crops were 1.25 times the extent of the joints. A detector's box already is 1.15 to 1.47 times that.
val_pipeline = [
    dict(type='LoadImage', color_type='color_ignore_orientation'),
    dict(type='GetBBoxCenterScale', padding=1.0),
    dict(type='TopdownAffine3D', input_size=input_size),
    dict(type='PackPose3DInputs')]

val_dataloader = dict(
    batch_size=64, num_workers=4, persistent_workers=True, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_val.npz',
        bbox_file='annotations/h80k_val_boxes.json', pipeline=val_pipeline, test_mode=True))
test_dataloader = val_dataloader
submission_dataloader = dict(
    batch_size=64, num_workers=4, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_test.npz',
        bbox_file='annotations/h80k_test_boxes.json', pipeline=val_pipeline, test_mode=True))

val_evaluator = dict(type='H80KMetric', index_files=dict(
    train=h80k_root + 'annotations/h80k_train.npz', val=h80k_root + 'annotations/h80k_val.npz'))
test_evaluator = val_evaluator
train_cfg = None  # there is nothing to train with
