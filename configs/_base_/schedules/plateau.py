"""The paper's schedule (section 3): Adam at 1e-4, at 1e-6 when Val's loss saturates, stop when Val's error saturates.

The schedule is for 4 GPUs with a batch of 16 each; with other numbers, use --auto-scale-lr. Lists of two bases do not
merge, so a config with this base lists early_stopping in its custom_hooks, as _base_.early_stopping in double braces.

Both hooks below and the checkpoint of default_runtime.py need validation: with --no-validate the rate stays at 1e-4.
"""
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))

# The rate drops after 8 epochs in a row in which Val's loss was not at least 0.1 % below its best value. The training
# stops after 5 epochs in a row, at the lower rate, in which the MPJPE was not at least 0.1 mm below its best value.
param_scheduler = [
    dict(type='ReduceOnPlateauLR', monitor='h80k/loss', rule='less', factor=0.01, min_value=1e-6, patience=7,
         threshold=1e-3, threshold_rule='rel')]
early_stopping = dict(
    type='ResumableEarlyStoppingHook', monitor='h80k/MPJPE', rule='less', min_delta=0.1, patience=5, strict=True,
    after_lr_drop=True)

# This is an upper bound, because early stopping ends the training. An epoch is one pass over H80K's Train.
train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=1)
auto_scale_lr = dict(enable=False, base_batch_size=64)
