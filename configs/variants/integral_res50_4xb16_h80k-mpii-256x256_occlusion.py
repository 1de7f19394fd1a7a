"""Row 3 of Table 2 with objects pasted over the person, p = 0.7, as the challenge's winner did.

Set VOC_ROOT to the folder VOC2012 of Pascal VOC to paste its objects; without it they are generated shapes.
"""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

voc_root = '{{$VOC_ROOT:generated}}'
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='RandomFlip3D', prob=0.5),
    dict(type='RandomBBoxTransform', shift_factor=0.02, shift_prob=1.0, scale_factor=(0.75, 1.25), scale_prob=1.0,
         rotate_factor=30, rotate_prob=1.0),
    dict(type='TopdownAffine3D', input_size=(256, 256)),
    dict(type='RandomOcclusion', prob=0.7, voc_root=None if voc_root == 'generated' else voc_root),
    dict(type='RandomChannelGain', gain=0.2),
    dict(type='GenerateTarget', encoder={{_base_.codec}}),
    dict(type='PackPose3DInputs'),
]))
