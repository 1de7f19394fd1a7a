"""The detector of the quickstart, trained for about ten minutes on two CPU cores.

The quickstart starts from its weights. The people, clothes, poses and scenes differ from those of the stand-in data.
``tools/pretrain.sh`` renders them, trains this config and writes the weights that the package contains.
"""
_base_ = './detector_rtmdet_nano.py'

model = dict(use_syncbn=False)  # the two processes are on a CPU, for which torch has no synchronised batch norm
train_dataloader = dict(batch_size=32)
max_epochs = 12
train_cfg = dict(max_epochs=max_epochs, val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=1, end=max_epochs, T_max=max_epochs - 1, eta_min_ratio=0.01, by_epoch=True,
         convert_to_iter_based=True)]
