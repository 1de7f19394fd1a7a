"""Weights from which the quickstart's models start, trained for about an hour on two CPU cores.

The data have another seed than the stand-in data, and each frame shows another person with other clothes in another
scene. ``tools/pretrain.sh`` renders them, trains this config and writes the weights that the package contains.
"""
_base_ = './integral_r18_standin.py'

model = dict(head=dict(std_channels=None))  # the quickstart trains these layers
train_dataloader = dict(batch_size=32)
max_epochs = 16
train_cfg = dict(max_epochs=max_epochs, val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    dict(type='WarmUpLR', start_factor=0.05, end=0.2, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.2, end=max_epochs, T_max=max_epochs - 0.2, eta_min_ratio=0.002,
         convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=32)
