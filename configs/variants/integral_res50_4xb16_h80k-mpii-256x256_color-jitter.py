"""Row 3 of Table 2 with MMPose's PhotometricDistortion: brightness, contrast, saturation, hue, order of the channels."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='RandomFlip3D', prob=0.5),
    dict(type='RandomBBoxTransform', shift_factor=0.02, shift_prob=1.0, scale_factor=(0.75, 1.25), scale_prob=1.0,
         rotate_factor=30, rotate_prob=1.0),
    dict(type='TopdownAffine3D', input_size=(256, 256)),
    dict(type='PhotometricDistortion'),
    dict(type='GenerateTarget', encoder={{_base_.codec}}),
    dict(type='PackPose3DInputs'),
]))
