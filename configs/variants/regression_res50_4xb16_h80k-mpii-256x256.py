"""Row 3 of Table 2 with direct regression: average pooling and a linear layer instead of volume and integral."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

model = dict(head=dict(
    _delete_=True, type='Regression3DHead', in_channels=2048, num_joints=18, loss=dict(type='CoordinateL1Loss'),
    decoder={{_base_.codec}}))
