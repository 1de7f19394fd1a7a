"""Table 2, row 4: + ResNet-152. Paper: 61.2 mm."""
_base_ = './integral_res50_4xb16_h80k-mpii-256x256.py'

model = dict(backbone=dict(depth=152, init_cfg=dict(checkpoint='torchvision://resnet152')))
