"""The integral model at the size of the stand-in data: narrow ResNet-18, 96x128 input, H80K + MPII mixed 1 : 1.

With 24 channels in place of 64, it trains in minutes on two CPU cores, and the checkpoint is small enough for a
repository. The labels come from perspective cameras (docs/cameras.md).
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = ['../_base_/default_runtime.py', '../_base_/datasets/h80k_mpii_coco.py']

data_root = os.path.expanduser(os.environ.get('STANDIN_ROOT') or 'data/standin') + '/'
h80k_root, mpii_root = data_root + 'h80k/', data_root + 'mpii/'
input_size = (96, 128)
codec = dict(type='Integral3DLabel', input_size=input_size)

model = dict(
    type='Integral3DEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    # The quickstart starts it from pretrained weights of the package, as a full-size run starts from ImageNet. Its
    # features have a sixteenth of the input's resolution; with 1/32, a crop would have 3x4 cells.
    backbone=dict(type='ResNet', depth=18, base_channels=24, strides=(1, 2, 2, 1)),
    head=dict(
        type='Integral3DHead', in_channels=192, num_joints=18, depth_bins=input_size[0] // 4,
        deconv_out_channels=(64, ), deconv_kernel_sizes=(4, ), loss=dict(type='CoordinateL1Loss'), std_channels=64,
        decoder=codec),
    test_cfg=dict(flip_test=False))

# weaker than the paper's, which helps only in longer training runs
move_box = dict(type='RandomCropBox', input_size=input_size, scale_factor=(0.85, 1.15), rotate_factor=15)
crop = dict(type='TopdownAffine3D', input_size=input_size)
generate_target = dict(type='GenerateTarget', encoder=codec)
train_pipeline = [move_box, crop, {{_base_.flip}}, {{_base_.color_gain}}, generate_target, {{_base_.pack_inputs}}]
test_pipeline = [{{_base_.load_image}}, {{_base_.detected_box}}, crop, {{_base_.pack_inputs}}]

train_dataloader = dict(
    num_workers=2, pin_memory=False,
    dataset=dict(pipeline=train_pipeline, datasets=[
        dict(type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_train.npz',
             bbox_file='annotations/h80k_train_boxes.json',
             camera_file='annotations/h80k_train_perspective_cameras.npz',
             pipeline=[{{_base_.load_image}}, dict(type='FitPerspective'), {{_base_.detected_box}}]),
        dict(type='ZeroBasedMpiiDataset', data_root=mpii_root, ann_file='annotations/mpii_train.json',
             data_prefix=dict(img='images/'), pipeline={{_base_.mpii.pipeline}})]))
test_dataloader = dict(batch_size=64, num_workers=2, dataset=dict(data_root=h80k_root, pipeline=test_pipeline))
submission_dataloader = test_dataloader
val_dataloader = dict(  # without cameras, and so without Val's loss, which this schedule does not use
    batch_size=64, num_workers=2, dataset=dict(data_root=h80k_root, camera_file=None, pipeline=test_pipeline))

index_files = dict(train=h80k_root + 'annotations/h80k_train.npz', val=h80k_root + 'annotations/h80k_val.npz')
val_evaluator = dict(index_files=index_files)
test_evaluator = val_evaluator

max_epochs = 7
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=3)
optim_wrapper = dict(type='BFloat16OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, fused=True))
param_scheduler = [
    dict(type='WarmUpLR', start_factor=0.05, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, end=max_epochs, T_max=max_epochs - 0.5, eta_min_ratio=0.005,
         convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=16)
custom_hooks = [
    dict(type='SyncBuffersHook'), dict(type='ChannelsLastHook'), dict(type='SkeletonLengthHook', **index_files)]
randomness = dict(seed=0)
person_detector = 'detector_rtmdet_nano'  # of model-index.yml, for the inferencer
