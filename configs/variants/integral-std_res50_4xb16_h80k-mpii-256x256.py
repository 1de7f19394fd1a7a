"""Row 3 of Table 2 with learned standard deviations (docs/metrics.md); coordinates are trained as in row 3."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

model = dict(head=dict(std_channels=256))
