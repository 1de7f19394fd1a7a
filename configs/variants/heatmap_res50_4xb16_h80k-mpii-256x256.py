"""Row 3 of Table 2 as a plain 3D heat map: cross-entropy alone, and the largest cell as the prediction."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

model = dict(head=dict(
    loss=dict(loss_weight=0.0), volume_loss=dict(type='VolumeCrossEntropyLoss', sigma=1.0, loss_weight=0.01),
    argmax=True))
