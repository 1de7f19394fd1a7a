"""PoseNet of 3DMPPE (Moon and others, ICCV 2019), trained on MuCo-3DHP + COCO: people in the wild.

`python tools/model_converters/convert_3dmppe.py SNAPSHOT` converts its weights; this config is for inference and
evaluation only. Of its 21 joints, 17 fill our 18: neck and thorax are both its thorax. docs/3dmppe.md has the details.
"""
_base_ = ['../_base_/default_runtime.py', '../_base_/datasets/h80k_mpii_coco.py', '../_base_/models/integral_res50.py']

# The released code applies the mean and std of ImageNet for values from 0 to 1 to values from 0 to 255. The weights
# were trained with this input.
model = dict(
    data_preprocessor=dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]), backbone=dict(init_cfg=None),
    head=dict(decoder=dict(type='MetricDepthLabel', depth_range_mm=2000)),
    test_cfg=dict(flip_test=True))

# x and y were projected by the true cameras. The converted checkpoint gets this entry. The focal length, px, is that of
# Human3.6M's cameras, for the evaluation on CHALL_H80K; photos have their own.
label_camera = dict(model='perspective', focal_length=1145.0)

train_dataloader = train_cfg = optim_wrapper = None
val_dataloader = val_cfg = val_evaluator = None
