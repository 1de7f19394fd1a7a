"""The demo checkpoint's model: integral_r18_standin.py with half the channels, so that it fits into the repository."""
_base_ = './integral_r18_standin.py'

model = dict(backbone=dict(base_channels=32), head=dict(in_channels=256))
max_epochs = 10
train_cfg = dict(max_epochs=max_epochs, val_interval=2)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, end=max_epochs, T_max=max_epochs - 0.5, eta_min_ratio=0.005,
         convert_to_iter_based=True)]
