"""Coarse 2D joints: heat maps of a narrow ResNet-18 in MPII format, trained in minutes on two CPU cores.

The quickstart starts it from pretrained weights of the package, as MMPose's own models start from ImageNet.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = 'mmpose::_base_/default_runtime.py'

custom_imports = dict(imports=['mmpose_integral'])

data_root = os.path.expanduser(os.environ.get('STANDIN_ROOT') or 'data/standin') + '/'
max_epochs = 4
base_lr = 1e-3
codec = dict(type='MSRAHeatmap', input_size=(128, 128), heatmap_size=(16, 16), sigma=1, unbiased=True)

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='ResNet', depth=18, base_channels=24, strides=(1, 2, 2, 1)),
    head=dict(
        type='HeatmapHead', in_channels=192, out_channels=16, deconv_out_channels=(64, ), deconv_kernel_sizes=(4, ),
        loss=dict(type='KeypointMSELoss', use_target_weight=True), decoder=codec),
    train_cfg=dict(compute_acc=False),  # the accuracy is computed in numpy, which has no bfloat16
    test_cfg=dict(flip_test=False))

# MPII's boxes are already a quarter larger than the person; with detected boxes, use --padding 1.25
mpii_padding = 1.0
# weaker than MMPose's (shift 0.16, scale 50 %, rotation 80 degrees), which helps only in longer training runs
train_pipeline = [
    dict(type='LoadImage', color_type='color_ignore_orientation'),
    dict(type='GetBBoxCenterScale', padding=mpii_padding),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomBBoxTransform', shift_factor=0.04, scale_factor=(0.8, 1.2), rotate_factor=15),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage', color_type='color_ignore_orientation'),
    dict(type='GetBBoxCenterScale', padding=mpii_padding),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ZeroBasedMpiiDataset',
        data_root=data_root,
        ann_file='mpii/annotations/mpii_train.json',
        data_prefix=dict(img='mpii/images/'),
        pipeline=train_pipeline))
# Validation keeps mmpose's 1-based joints: its PCK metric adds 1 px to the predictions before it compares.
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='MpiiDataset',
        data_root=data_root,
        ann_file='mpii/annotations/mpii_val.json',
        headbox_file=data_root + 'mpii/annotations/mpii_gt_val.mat',
        data_prefix=dict(img='mpii/images/'),
        test_mode=True,
        pipeline=val_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='MpiiPCKAccuracy')
test_evaluator = val_evaluator

train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(type='BFloat16OptimWrapper', optimizer=dict(type='Adam', lr=base_lr, fused=True))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=1, end=max_epochs, T_max=max_epochs - 1, eta_min_ratio=0.01, by_epoch=True,
         convert_to_iter_based=True),
]

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1, max_keep_ckpts=1))
custom_hooks = [dict(type='SyncBuffersHook'), dict(type='ChannelsLastHook')]
randomness = dict(seed=0)
