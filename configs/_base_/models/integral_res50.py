"""ResNet-50 with ImageNet weights, three deconvolutions, one 64x64x64 volume per joint (256x256 crop), L1 loss."""
model = dict(
    type='Integral3DEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(
        type='ResNet', depth=50, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    head=dict(
        type='Integral3DHead', in_channels=2048, num_joints=18, depth_bins=64, loss=dict(type='CoordinateL1Loss'),
        decoder=dict(type='Integral3DLabel', input_size=(256, 256))),
    test_cfg=dict(flip_test=False))
