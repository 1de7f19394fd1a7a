"""The model `standin` of the package: 32 channels, trained on weak-perspective labels. Only for inference."""
_base_ = './integral_r18_standin.py'

model = dict(
    backbone=dict(_delete_=True, type='ResNet', depth=18, base_channels=32),
    head=dict(
        _delete_=True, type='Integral3DHead', in_channels=256, num_joints=18, depth_bins=24,
        deconv_out_channels=(64, 64), deconv_kernel_sizes=(4, 4), loss=dict(type='CoordinateL1Loss'),
        decoder={{_base_.codec}}))
