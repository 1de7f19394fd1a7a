"""The released code's schedule: Adam, with the rate divided by 10 after 270 and after 290 of 300 epochs.

An epoch of the released code is as long as MPII (22,246 people). An epoch here is one pass over H80K (35,832 frames).
Its 270, 290 and 300 epochs are therefore about 167, 180 and 186 epochs here. The rate is that of the released code's
256 x 256 configuration.
"""
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='MultiStepLR', milestones=[167, 180], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=186, val_interval=1)
auto_scale_lr = dict(enable=False, base_batch_size=64)
