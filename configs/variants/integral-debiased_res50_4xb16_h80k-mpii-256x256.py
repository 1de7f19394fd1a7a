"""Row 3 of Table 2 with the volume's background removed from the integral (Gu et al., ICCV 2021)."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

model = dict(head=dict(debias=True))
