"""The integral model at the size of the stand-in data: half-width ResNet-18, 96x128 input, H80K + MPII mixed 1 : 1.

Half the channels learn from twice the samples in the same minutes, and their checkpoint fits into a repository.
"""
_base_ = '../_base_/default_runtime.py'

data_root = '{{$STANDIN_ROOT:data/standin}}/'
h80k_root = data_root + 'h80k/'
input_size = (96, 128)
codec = dict(type='Integral3DLabel', input_size=input_size)

model = dict(
    type='Integral3DEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    # tools/quickstart.py starts it from the coarse 2D model, as a full-size run starts from ImageNet
    backbone=dict(type='ResNet', depth=18, base_channels=32),
    head=dict(
        type='Integral3DHead', in_channels=256, num_joints=18, depth_bins=input_size[0] // 4,
        deconv_out_channels=(64, 64), deconv_kernel_sizes=(4, 4), loss=dict(type='CoordinateL1Loss'), decoder=codec),
    test_cfg=dict(flip_test=False))

load_image = dict(type='LoadImage', color_type='color_ignore_orientation')
# milder than the paper's (scale 25 %, rotation 30 degrees), which pays only in longer trainings
augment = [
    dict(type='RandomFlip3D', prob=0.5),
    dict(type='RandomBBoxTransform', shift_factor=0.02, shift_prob=1.0, scale_factor=(0.85, 1.15), scale_prob=1.0,
         rotate_factor=15, rotate_prob=1.0),
    dict(type='TopdownAffine3D', input_size=input_size),
    dict(type='RandomChannelGain', gain=0.2),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPose3DInputs'),
]
h80k_pipeline = [load_image, dict(type='FitWeakPerspective'), dict(type='GetBBoxCenterScale', padding=1.25), *augment]
mpii_pipeline = [
    load_image, dict(type='KeypointConverter3D', source='mpii'), dict(type='GetBBoxFromKeypoints'),
    dict(type='GetBBoxCenterScale', padding=1.35), *augment]
val_pipeline = [
    load_image, dict(type='GetBBoxCenterScale', padding=1.25), dict(type='TopdownAffine3D', input_size=input_size),
    dict(type='PackPose3DInputs')]

train_dataloader = dict(
    batch_size=16, num_workers=2, persistent_workers=True,
    sampler=dict(type='EqualPartsSampler', seed=0), batch_sampler=dict(type='EqualPartsBatchSampler'),
    dataset=dict(
        type='MixedPoseDataset',
        datasets=[
            dict(type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_train.npz',
                 bbox_file='annotations/h80k_train_boxes.json',
                 keypoints_2d_file='annotations/h80k_train_keypoints_2d.npz', pipeline=h80k_pipeline),
            dict(type='ZeroBasedMpiiDataset', data_root=data_root + 'mpii/', ann_file='annotations/mpii_train.json',
                 data_prefix=dict(img='images/'), pipeline=mpii_pipeline),
        ]))
val_dataloader = dict(
    batch_size=64, num_workers=2, persistent_workers=True, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_val.npz',
        bbox_file='annotations/h80k_val_boxes.json', pipeline=val_pipeline, test_mode=True))
test_dataloader = val_dataloader
submission_dataloader = dict(
    batch_size=64, num_workers=2, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_test.npz',
        bbox_file='annotations/h80k_test_boxes.json', pipeline=val_pipeline, test_mode=True))

index_files = dict(train=h80k_root + 'annotations/h80k_train.npz', val=h80k_root + 'annotations/h80k_val.npz')
val_evaluator = dict(type='H80KMetric', index_files=index_files)
test_evaluator = val_evaluator

max_epochs = 7
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=3)
optim_wrapper = dict(type='BFloat16OptimWrapper', optimizer=dict(type='Adam', lr=4e-3, fused=True))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, end=max_epochs, T_max=max_epochs - 0.5, eta_min_ratio=0.005,
         convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=16)
custom_hooks = [
    dict(type='SyncBuffersHook'), dict(type='ChannelsLastHook'), dict(type='SkeletonLengthHook', **index_files)]
randomness = dict(seed=0)
person_detector = 'detector_rtmdet_nano'  # of model-index.yml, for the inferencer
