"""Coarse 2D joints in MPII format: HRNet-W32 of MMPose's zoo, with its public weights (PCKh 90.0 %).

It was trained on MPII's 1-based pixels. ``predict_keypoints_2d.py`` detects that and subtracts the pixel.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/mpii/td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py'

load_from = 'https://download.openmmlab.com/mmpose/top_down/hrnet/hrnet_w32_mpii_256x256-6c4f923f_20200812.pth'
model = dict(backbone=dict(init_cfg=None))  # load_from has these weights

mpii_root = os.path.expanduser(os.environ.get('MPII_ROOT') or 'data/mpii') + '/'
train_dataloader = dict(dataset=dict(data_root=mpii_root))
val_dataloader = dict(dataset=dict(data_root=mpii_root, headbox_file=mpii_root + 'annotations/mpii_gt_val.mat'))
test_dataloader = val_dataloader
