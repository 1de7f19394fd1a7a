"""Coarse 2D joints in COCO format: HRNet-W32 of MMPose's zoo, with its public weights (AP 0.746).

The paper fits its cameras to joints of both formats: ``predict_keypoints_2d.py MPII_CONFIG --also COCO_CONFIG`` takes
each joint from the model with the higher score.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'

load_from = ('https://download.openmmlab.com/mmpose/v1/body_2d_keypoint/topdown_heatmap/coco/'
             'td-hm_hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth')
model = dict(backbone=dict(init_cfg=None))  # load_from has these weights

coco_root = os.path.expanduser(os.environ.get('COCO_ROOT') or 'data/coco') + '/'
train_dataloader = dict(dataset=dict(data_root=coco_root))
val_dataloader = dict(dataset=dict(data_root=coco_root, bbox_file=None))  # with annotated boxes
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=coco_root + 'annotations/person_keypoints_val2017.json')
test_evaluator = val_evaluator
