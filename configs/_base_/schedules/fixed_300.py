"""The released code's schedule: Adam, a tenth of the rate after 270 and again after 290 of 300 epochs.

The released code's epoch is as long as MPII (22,246 people), ours is one pass over H80K (35,832 frames), so that its
270, 290 and 300 epochs are about 167, 180 and 186 of these. Its rate is that of its 256 x 256 configuration.
"""
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='MultiStepLR', milestones=[167, 180], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=186, val_interval=1)
auto_scale_lr = dict(enable=False, base_batch_size=64)
