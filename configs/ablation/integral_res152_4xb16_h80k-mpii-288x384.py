"""Table 2, row 5: + 288x384 input, and with it a volume of 72 x 96 x 72 cells. Paper: 58.5 mm."""
_base_ = './integral_res152_4xb16_h80k-mpii-256x256.py'

codec = dict(type='Integral3DLabel', input_size=(288, 384))
model = dict(head=dict(depth_bins=72, decoder=codec))

crop = dict(type='TopdownAffine3D', input_size=codec['input_size'])
train_pipeline = [
    dict(type='RandomFlip3D', prob=0.5),
    dict(type='RandomBBoxTransform', shift_factor=0.02, shift_prob=1.0, scale_factor=(0.75, 1.25), scale_prob=1.0,
         rotate_factor=30, rotate_prob=1.0),
    crop,
    dict(type='RandomChannelGain', gain=0.2),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPose3DInputs'),
]
val_pipeline = [
    dict(type='LoadImage', color_type='color_ignore_orientation'),
    dict(type='GetBBoxCenterScale', padding=1.25),
    crop,
    dict(type='PackPose3DInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
submission_dataloader = dict(dataset=dict(pipeline=val_pipeline))
