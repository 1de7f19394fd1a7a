"""Table 2, row 1: the whole image, as the released code takes it, without augmentation. Paper: 115.9 mm."""
_base_ = ['../_base_/default_runtime.py', '../_base_/datasets/h80k_mpii_coco.py', '../_base_/models/integral_res50.py',
          '../_base_/schedules/plateau.py']

whole_image = dict(type='GetBBoxCenterScale', padding=1.0)
crop = dict(type='TopdownAffine3D', input_size=(256, 256))
pack = dict(type='PackPose3DInputs')
load_image = dict(type='LoadImage', color_type='color_ignore_orientation')

train_dataloader = dict(dataset=dict(
    datasets=[
        dict(type='H80KDataset', data_root={{_base_.h80k_root}}, ann_file='annotations/h80k_train.npz',
             box_source='image', keypoints_2d_file='annotations/h80k_train_keypoints_2d.npz',
             pipeline=[load_image, dict(type='FitWeakPerspective'), whole_image])],
    pipeline=[crop, dict(type='GenerateTarget', encoder={{_base_.codec}}), pack]))
evaluation_dataset = dict(box_source='image', bbox_file=None, pipeline=[load_image, whole_image, crop, pack])
val_dataloader = dict(dataset=evaluation_dataset)
test_dataloader = val_dataloader
submission_dataloader = dict(dataset=evaluation_dataset)

custom_hooks = [{{_base_.early_stopping}}, dict(type='SyncBuffersHook'), {{_base_.skeleton_length}}]
