"""Row 3 of Table 2 with MMPose's PhotometricDistortion: brightness, contrast, saturation, hue, channels swapped."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

train_dataloader = dict(dataset=dict(pipeline=[
    {{_base_.move_box}}, {{_base_.crop}}, {{_base_.flip}},
    dict(type='PhotometricDistortion'),
    {{_base_.generate_target}}, {{_base_.pack_inputs}},
]))
