"""Row 3 of Table 2 with a squared instead of an absolute error."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

model = dict(head=dict(loss=dict(type='CoordinateL2Loss')))
