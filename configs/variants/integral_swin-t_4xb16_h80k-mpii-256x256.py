"""Row 3 of Table 2 with Swin-T, a vision transformer, and the same head. The optimizer is AdamW, as in MMPose."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

model = dict(
    backbone=dict(
        _delete_=True, type='SwinTransformer', embed_dims=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24],
        window_size=7, drop_path_rate=0.2, out_indices=(3, ), convert_weights=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/'
            'swin_tiny_patch4_window7_224.pth')),
    head=dict(in_channels=768))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, custom_keys=dict(
        relative_position_bias_table=dict(decay_mult=0))))
