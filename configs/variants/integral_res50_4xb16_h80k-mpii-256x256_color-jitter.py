"""Row 3 of Table 2 with MMPose's PhotometricDistortion: brightness, contrast, saturation, hue, channels swapped."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

train_dataloader = dict(dataset=dict(pipeline=[
    {{_base_.flip}}, {{_base_.move_box}}, {{_base_.crop}},
    dict(type='PhotometricDistortion'),
    {{_base_.target}}, {{_base_.pack}},
]))
