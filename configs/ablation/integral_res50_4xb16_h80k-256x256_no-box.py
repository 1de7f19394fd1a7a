"""Table 2, row 1: the whole image, as the released code takes it, without augmentation. Paper: 115.9 mm."""
_base_ = ['../_base_/default_runtime.py', '../_base_/datasets/h80k_mpii_coco.py', '../_base_/models/integral_res50.py',
          '../_base_/schedules/plateau.py']

whole_image = dict(type='GetBBoxCenterScale', padding=1.0)

train_dataloader = dict(dataset=dict(
    datasets=[
        dict(type='H80KDataset', data_root={{_base_.h80k_root}}, ann_file='annotations/h80k_train.npz',
             box_source='image', camera_file='annotations/h80k_train_cameras.npz',
             pipeline=[{{_base_.load_image}}, {{_base_.project}}, whole_image])],
    pipeline=[{{_base_.crop}}, {{_base_.generate_target}}, {{_base_.pack_inputs}}]))
val_dataloader = dict(dataset=dict(
    box_source='image', bbox_file=None,
    pipeline=[{{_base_.load_image}}, {{_base_.project}}, whole_image, {{_base_.crop}}, {{_base_.generate_target}},
              {{_base_.pack_inputs}}]))
test_dataloader = dict(dataset=dict(
    box_source='image', bbox_file=None,
    pipeline=[{{_base_.load_image}}, whole_image, {{_base_.crop}}, {{_base_.pack_inputs}}]))
submission_dataloader = test_dataloader

custom_hooks = [{{_base_.early_stopping}}, dict(type='SyncBuffersHook'), {{_base_.skeleton_length}}]
