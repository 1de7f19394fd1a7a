"""Table 2, row 3: + MPII, in equal parts with H80K. Paper: 62.2 mm."""
_base_ = './integral_res50_4xb16_h80k-256x256.py'

train_dataloader = dict(dataset=dict(datasets=[{{_base_.h80k}}, {{_base_.mpii}}]))
