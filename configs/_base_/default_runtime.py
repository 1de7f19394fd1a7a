_base_ = 'mmpose::_base_/default_runtime.py'

custom_imports = dict(imports=['mmpose_integral'], allow_failed_imports=False)
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1, save_best='h80k/MPJPE', rule='less'),
    logger=dict(type='LoggerHook', interval=50),
    visualization=dict(type='IntegralVisualizationHook', enable=False))
visualizer = dict(type='IntegralPose3dVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
