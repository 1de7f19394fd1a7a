"""The model `photo`, for photographs: MediaPipe's frozen landmark network and a head that rendered people trained.

`mmpose-integral get-model photo` fetches the backbone and adds the head's weights, which are part of the package.
`tools/train_photo_head.sh` makes these weights: it renders the data and trains this config.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = ['../_base_/default_runtime.py', '../_base_/datasets/h80k_mpii_coco.py']

data_root = os.path.expanduser(os.environ.get('PHOTO_ROOT') or 'data/photo') + '/'
h80k_root = data_root + 'h80k/'
input_size = (256, 256)

model = dict(
    type='Integral3DEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', mean=[0] * 3, std=[255] * 3, bgr_to_rgb=True),
    backbone=dict(type='BlazePoseBackbone', outputs=('heatmaps', 'world_landmarks'), frozen=True),
    head=dict(type='Landmark3DHead', decoder={{_base_.codec}}),
    test_cfg=dict(flip_test=False))
# The landmark network was made for crops in which the trunk stands. If it does not recognise a person well, it also
# gets crops that are turned by 90, 180 and 270 degrees. The limits are logits of its heat maps.
upright = dict(rotations=(0, 90, 180, 270), sure=0.5, margin=0.3)

# Rendered photographs, whose cameras are known. The crops are turned as in inference, up to 15 degrees.
project = dict(type='FitPerspective')
move_box = dict(
    type='RandomCropBox', input_size=input_size, shift_factor=0.05, scale_factor=(0.8, 1.25), rotate_factor=15)
turn = dict(type='TurnUpright')
test_box = dict(type='GetBBoxCenterScale', padding=1.35)  # the landmark network was trained with some surroundings
train_dataloader = dict(
    batch_size=64, num_workers=0, persistent_workers=False, pin_memory=False,
    dataset=dict(
        pipeline=[move_box, turn, {{_base_.crop}}, {{_base_.flip}}, {{_base_.generate_target}},
                  {{_base_.pack_inputs}}],
        datasets=[dict(
            type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_train.npz',
            bbox_file='annotations/h80k_train_boxes.json',
            camera_file='annotations/h80k_train_perspective_cameras.npz',
            pipeline=[{{_base_.load_image}}, project, {{_base_.detected_box}}])]))
val_dataloader = dict(
    batch_size=64, num_workers=0, persistent_workers=False,
    dataset=dict(data_root=h80k_root, camera_file='annotations/h80k_val_perspective_cameras.npz', pipeline=[
        {{_base_.load_image}}, project, test_box, turn, {{_base_.crop}}, {{_base_.generate_target}},
        {{_base_.pack_inputs}}]))
test_dataloader = dict(dataset=dict(
    pipeline=[{{_base_.load_image}}, test_box, {{_base_.crop}}, {{_base_.pack_inputs}}]))
submission_dataloader = test_dataloader
index_files = dict(train=h80k_root + 'annotations/h80k_train.npz', val=h80k_root + 'annotations/h80k_val.npz')
val_evaluator = dict(index_files=index_files)
test_evaluator = val_evaluator

max_epochs = 3
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01))
param_scheduler = [
    dict(type='WarmUpLR', start_factor=0.05, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, end=max_epochs, T_max=max_epochs - 0.5, eta_min_ratio=0.005,
         convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=64)
custom_hooks = [
    dict(type='SyncBuffersHook'), dict(type='ChannelsLastHook'), dict(type='SkeletonLengthHook', **index_files)]
