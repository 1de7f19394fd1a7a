"""Row 3 of Table 2 with labels of perspective cameras; see docs/cameras.md."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

project = dict(type='FitPerspective')
h80k = dict(
    type='H80KDataset', data_root={{_base_.h80k_root}}, ann_file='annotations/h80k_train.npz',
    bbox_file='annotations/h80k_train_boxes.json', camera_file='annotations/h80k_train_perspective_cameras.npz',
    pipeline=[{{_base_.load_image}}, project, {{_base_.detected_box}}])
train_dataloader = dict(dataset=dict(datasets=[h80k, {{_base_.mpii}}]))
val_dataloader = dict(dataset=dict(
    camera_file='annotations/h80k_val_perspective_cameras.npz',
    pipeline=[{{_base_.load_image}}, project, {{_base_.detected_box}}, {{_base_.crop}}, {{_base_.generate_target}},
              {{_base_.pack_inputs}}]))
