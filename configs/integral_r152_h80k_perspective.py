"""The paper's system with labels of perspective cameras in place of weak-perspective ones; see docs/cameras.md.

`fit_cameras.py --model perspective` makes the cameras. Give Val the focal length of Train (`--focal-length`).
"""
_base_ = './integral_r152_h80k.py'

project = dict(type='FitPerspective')
h80k = dict(
    type='H80KDataset', data_root={{_base_.h80k_root}}, ann_file='annotations/h80k_train.npz',
    bbox_file='annotations/h80k_train_boxes.json', camera_file='annotations/h80k_train_perspective_cameras.npz',
    pipeline=[{{_base_.load_image}}, project, {{_base_.detected_box}}])
train_dataloader = dict(dataset=dict(datasets=[h80k, {{_base_.mpii}}, {{_base_.coco}}]))
val_dataloader = dict(dataset=dict(
    camera_file='annotations/h80k_val_perspective_cameras.npz',
    pipeline=[{{_base_.load_image}}, project, {{_base_.detected_box}}, {{_base_.crop}}, {{_base_.generate_target}},
              {{_base_.pack_inputs}}]))
