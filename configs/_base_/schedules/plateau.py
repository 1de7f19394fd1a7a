"""The paper's schedule (section 3): Adam at 1e-4, at 1e-6 after validation saturates, stop when it saturates again.

The schedule is for 4 GPUs with a batch of 16 each; with other numbers, use --auto-scale-lr. Lists of two bases do not
merge, so a config with this base lists early_stopping in its custom_hooks, as _base_.early_stopping in double braces.

Both hooks below and the checkpoint of default_runtime.py need validation: with --no-validate the rate stays at 1e-4.
"""
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))

# An epoch counts as better if it improves by at least 0.1 mm. The rate drops in the 8th epoch in a row without that.
# The training stops after the 12th, so that the lower rate has some epochs to take effect.
param_scheduler = [
    dict(type='ReduceOnPlateauLR', monitor='h80k/MPJPE', rule='less', factor=0.01, min_value=1e-6, patience=7,
         threshold=0.1, threshold_rule='abs')]
early_stopping = dict(
    type='ResumableEarlyStoppingHook', monitor='h80k/MPJPE', rule='less', min_delta=0.1, patience=12, strict=True)

# This is an upper bound, because early stopping ends the training. An epoch is one pass over H80K's Train.
train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=1)
auto_scale_lr = dict(enable=False, base_batch_size=64)
