"""Coarse 2D joints from :class:`Integral3DHead` with one depth bin, trained on MPII.

The schedule is that of "Integral Human Pose Regression" (Sun et al., ECCV 2018, section 4): Adam at 1e-3, and
at a tenth of it after 120 of 140 epochs.

``tools/dist_train.sh configs/keypoints_2d/integral_res50_8xb32-140e_mpii-256x256.py 8``
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = 'mmpose::_base_/default_runtime.py'

custom_imports = dict(imports=['mmpose_integral'])
mpii_root = os.path.expanduser(os.environ.get('MPII_ROOT') or 'data/mpii') + '/'
codec = dict(type='Integral2DLabel', input_size=(256, 256))

model = dict(
    type='Integral3DEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=50, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    head=dict(type='Integral3DHead', in_channels=2048, num_joints=16, depth_bins=1, decoder=codec),
    test_cfg=dict(flip_test=True))

train_pipeline = [
    dict(type='LoadImage', color_type='color_ignore_orientation'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomBBoxTransform', shift_prob=0, rotate_factor=60, scale_factor=(0.75, 1.25)),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage', color_type='color_ignore_orientation'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(
    batch_size=32, num_workers=4, persistent_workers=True, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ZeroBasedMpiiDataset', data_root=mpii_root, ann_file='annotations/mpii_train.json',
        data_prefix=dict(img='images/'), pipeline=train_pipeline))
# Validation keeps mmpose's 1-based joints: its PCK metric adds 1 px to the predictions before it compares.
val_dataloader = dict(
    batch_size=32, num_workers=4, persistent_workers=True, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='MpiiDataset', data_root=mpii_root, ann_file='annotations/mpii_val.json',
        headbox_file=mpii_root + 'annotations/mpii_gt_val.mat', data_prefix=dict(img='images/'), test_mode=True,
        pipeline=val_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='MpiiPCKAccuracy')
test_evaluator = val_evaluator

train_cfg = dict(by_epoch=True, max_epochs=140, val_interval=10)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='MultiStepLR', milestones=[120], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=256)
default_hooks = dict(checkpoint=dict(save_best='PCK', rule='greater', max_keep_ckpts=1))
