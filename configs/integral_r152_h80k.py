"""The paper's system: ResNet-152, 288x384, H80K + MPII + COCO in equal parts, Adam 1e-4, 16 per GPU x 4.

It is row 6 of Table 2 (57.5 mm; 56.9 with ``model.test_cfg.flip_test=True``), which ``configs/ablation`` builds up one
difference at a time. Command: ``tools/dist_train.sh configs/integral_r152_h80k.py 4``.
"""
_base_ = './ablation/integral_res152_4xb16_h80k-mpii-coco-288x384.py'
