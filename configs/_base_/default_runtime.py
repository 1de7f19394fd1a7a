# mmpose's default_runtime.py with our hooks and drawing, and without train_cfg. The schedule sets train_cfg, and
# mmengine allows no key in two bases.
default_scope = 'mmpose'
custom_imports = dict(imports=['mmpose_integral'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointAfterValidationHook', interval=1, max_keep_ckpts=1, save_best='h80k/MPJPE', rule='less'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # 'stop' ends the training when the loss is NaN or infinite; 'skip' leaves out such updates. Both name the files.
    finite_loss=dict(type='CheckFiniteLossHook', action='stop', interval=50),
    label_camera=dict(type='LabelCameraHook'),
    visualization=dict(type='IntegralVisualizationHook', enable=False),
    badcase=dict(
        type='BadCaseAnalysisHook', enable=False, out_dir='badcase', metric_type='loss', badcase_thr=5))
custom_hooks = [dict(type='SyncBuffersHook')]

env_cfg = dict(
    cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl'))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='IntegralPose3dVisualizer', vis_backends=vis_backends, name='visualizer')

log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True, num_digits=6)
log_level = 'INFO'
randomness = dict(seed=0)  # of initialisation, order of the samples and augmentation; another seed is another run
load_from = None
resume = False
backend_args = dict(backend='local')

val_cfg = dict()
test_cfg = dict()
