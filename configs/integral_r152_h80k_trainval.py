"""The challenge entry: the headline trained on Train and Val together, for ``tools/submit.py`` (paper: 47 mm on Test).

No data is left for validation, so the schedule is fixed. It uses the epochs at which the headline's training dropped
its rate and stopped. ``tools/plateau_epochs.py work_dirs/integral_r152_h80k`` reads them from its log and prints them
as options. The two numbers below are placeholders.
"""
_base_ = './integral_r152_h80k.py'

drop_epoch, stop_epoch = 20, 25

trainval = dict(type='ConcatDataset', datasets=[{{_base_.h80k}}, {{_base_.h80k_val}}])
train_dataloader = dict(dataset=dict(datasets=[trainval, {{_base_.mpii}}, {{_base_.coco}}]))
val_dataloader = None
val_evaluator = None
val_cfg = None

param_scheduler = [dict(type='MultiStepLR', milestones=[drop_epoch], gamma=0.01)]
train_cfg = dict(max_epochs=stop_epoch)
default_hooks = dict(checkpoint=dict(save_best=None))
custom_hooks = [dict(type='SyncBuffersHook'), {{_base_.skeleton_length}}]
