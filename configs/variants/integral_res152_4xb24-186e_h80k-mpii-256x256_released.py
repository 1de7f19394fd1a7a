"""The released code's configuration for ResNet-152 and 256x256: that of ResNet-50, with 24 images per GPU."""
_base_ = './integral_res50_4xb16-186e_h80k-mpii-256x256_released.py'

model = dict(backbone=dict(depth=152, init_cfg=dict(checkpoint='torchvision://resnet152')))
train_dataloader = dict(batch_size=24)
auto_scale_lr = dict(base_batch_size=96)
