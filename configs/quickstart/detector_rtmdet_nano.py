"""A person detector small enough for one CPU core: RTMDet, a fifth as wide as RTMDet-l.

The quickstart trains it for about one minute on the COCO part of the stand-in data, from weights of the package
(``pretrain_rtmdet_nano.py``). It then detects the people in the CHALL_H80K part.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = 'mmdet::_base_/default_runtime.py'

custom_imports = dict(imports=['mmpose_integral'])

data_root = os.path.expanduser(os.environ.get('STANDIN_ROOT') or 'data/standin') + '/'
input_size = (128, 128)
max_epochs = 3

norm_cfg = dict(type='BN')
act_cfg = dict(type='SiLU', inplace=True)
model = dict(
    type='RTMDet',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395], bgr_to_rgb=False),
    backbone=dict(
        type='CSPNeXt', arch='P5', expand_ratio=0.5, deepen_factor=0.167, widen_factor=0.1875, channel_attention=True,
        norm_cfg=norm_cfg, act_cfg=act_cfg),
    neck=dict(
        type='CSPNeXtPAFPN', in_channels=[48, 96, 192], out_channels=48, num_csp_blocks=1, expand_ratio=0.5,
        norm_cfg=norm_cfg, act_cfg=act_cfg),
    bbox_head=dict(
        type='RTMDetSepBNHead', num_classes=1, in_channels=48, feat_channels=48, stacked_convs=2, share_conv=True,
        pred_kernel_size=1, with_objectness=False, exp_on_reg=False, norm_cfg=norm_cfg, act_cfg=act_cfg,
        anchor_generator=dict(type='MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type='DistancePointBBoxCoder'),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
        # five times RTMDet's: there is one class, and after a short training, only the box is imprecise
        loss_bbox=dict(type='GIoULoss', loss_weight=10.0)),
    train_cfg=dict(
        assigner=dict(type='DynamicSoftLabelAssigner', topk=13), allowed_border=-1, pos_weight=-1, debug=False),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.001, nms=dict(type='nms', iou_threshold=0.65), max_per_img=20))

pad = dict(type='Pad', size=input_size, pad_val=dict(img=(114, 114, 114)))
train_pipeline = [
    dict(type='LoadImageFromFile', color_type='color_ignore_orientation'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=input_size, ratio_range=(0.5, 1.1), keep_ratio=True),
    dict(type='RandomCrop', crop_size=input_size),
    # Without these strong changes of brightness, contrast and colours, boxes are too wide in the room of the CHALL_H80K
    # part.
    dict(type='PhotoMetricDistortion'),
    dict(type='RandomFlip', prob=0.5),
    pad,
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
test_pipeline = [
    dict(type='LoadImageFromFile', color_type='color_ignore_orientation'),
    # With bilinear interpolation, pictures that are much larger than those of the training become too sharp, and one
    # person in six is not found. A picture of 256x256 px is halved by both in the same way.
    dict(type='Resize', scale=input_size, keep_ratio=True, interpolation='area'),
    pad,
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]

metainfo = dict(classes=('person', ), palette=[(220, 20, 60)])
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        metainfo=metainfo,
        ann_file='coco/annotations/person_keypoints_train2017.json',
        data_prefix=dict(img='coco/train2017/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=8),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        metainfo=metainfo,
        ann_file='coco/annotations/person_keypoints_val2017.json',
        data_prefix=dict(img='coco/val2017/'),
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric', ann_file=data_root + 'coco/annotations/person_keypoints_val2017.json', metric='bbox')
test_evaluator = val_evaluator

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='BFloat16OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
    clip_grad=dict(max_norm=10))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=1, end=max_epochs, T_max=max_epochs - 1, eta_min_ratio=0.01, by_epoch=True,
         convert_to_iter_based=True),
]

default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=2, max_keep_ckpts=1))
custom_hooks = [dict(type='ChannelsLastHook')]
randomness = dict(seed=0)
