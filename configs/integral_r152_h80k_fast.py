"""The paper's system, trained fast: bfloat16, channels last, fused Adam, compiled backbone, batches in one copy.

Model, data and schedule are the same. Weights, optimizer, integral and loss stay float32. For any other config, use
``mmpose_integral.engine.make_fast``.
"""
_base_ = './integral_r152_h80k.py'

model = dict(data_preprocessor=dict(type='BatchPosePreprocessor', channels_last=True))
optim_wrapper = dict(type='BFloat16OptimWrapper', optimizer=dict(fused=True))
train_dataloader = dict(pin_memory=True, collate_fn=dict(type='stacked_collate'))
default_hooks = dict(
    runtime_info=dict(type='DeferredRuntimeInfoHook'), channels_last=dict(type='ChannelsLastHook'),
    compile=dict(type='CompileHook'))
env_cfg = dict(cudnn_benchmark=True)
