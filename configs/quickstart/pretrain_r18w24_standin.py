"""Pretrained weights from which the quickstart's models start: ResNet-18 with 24 channels, trained for about an hour.

Its data have another seed than the stand-in data, and each frame shows another person with other clothes in another
scene. ``tools/pretrain.sh`` renders them, trains this config and writes the weights that the package contains.
"""
_base_ = './integral_r18_standin.py'

# Features of a sixteenth of the input's resolution: at 1/32, a crop of 96x128 would have 3x4 cells.
model = dict(
    backbone=dict(base_channels=24, strides=(1, 2, 2, 1)),
    head=dict(in_channels=192, deconv_out_channels=(64, ), deconv_kernel_sizes=(4, )))

h80k_root = {{_base_.h80k_root}}
train_dataloader = dict(batch_size=32, dataset=dict(datasets=[
    dict(type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_train.npz',
         bbox_file='annotations/h80k_train_boxes.json', camera_file='annotations/h80k_train_perspective_cameras.npz',
         pipeline=[{{_base_.load_image}}, dict(type='FitPerspective'), {{_base_.detected_box}}]),
    dict(type='ZeroBasedMpiiDataset', data_root={{_base_.mpii_root}}, ann_file='annotations/mpii_train.json',
         data_prefix=dict(img='images/'), pipeline={{_base_.mpii.pipeline}})]))

max_epochs = 16
train_cfg = dict(max_epochs=max_epochs, val_interval=2)
param_scheduler = [
    dict(type='WarmUpLR', start_factor=0.05, end=0.2, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.2, end=max_epochs, T_max=max_epochs - 0.2, eta_min_ratio=0.002,
         convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=32)
