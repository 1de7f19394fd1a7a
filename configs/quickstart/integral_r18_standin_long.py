"""The model `standin` of the package: the quickstart's, with 150 epochs and the paper's augmentation."""
_base_ = './integral_r18_standin.py'

move_box = dict(
    type='RandomCropBox', input_size={{_base_.input_size}}, shift_factor=0.02, scale_factor=(0.75, 1.25),
    rotate_factor=30)
train_dataloader = dict(dataset=dict(pipeline=[
    move_box, {{_base_.crop}}, {{_base_.flip}}, {{_base_.color_gain}}, {{_base_.generate_target}},
    {{_base_.pack_inputs}}]))

max_epochs = 150
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
param_scheduler = [
    dict(type='WarmUpLR', start_factor=0.05, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, end=max_epochs, T_max=max_epochs - 0.5, eta_min_ratio=0.005,
         convert_to_iter_based=True)]
