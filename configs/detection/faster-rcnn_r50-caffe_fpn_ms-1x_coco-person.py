"""Faster R-CNN, ResNet-50 FPN, with public weights that were trained on the people of COCO only: for a reproduction.

The paper uses no external data except MPII and COCO, and names no detector. mmdet's weights of this config obey that
rule. ``python tools/dataset_converters/detect_boxes.py`` with this config fetches them once.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50-caffe_fpn_ms-1x_coco-person.py'

custom_imports = dict(imports=['mmpose_integral'])
load_from = ('https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r50_fpn_1x_coco-person/'
             'faster_rcnn_r50_fpn_1x_coco-person_20201216_175929-d022e227.pth')
model = dict(backbone=dict(init_cfg=None))  # load_from has these weights

coco_root = os.path.expanduser(os.environ.get('COCO_ROOT') or 'data/coco') + '/'
train_dataloader = dict(dataset=dict(data_root=coco_root, ann_file='annotations/person_keypoints_train2017.json'))
val_dataloader = dict(dataset=dict(data_root=coco_root, ann_file='annotations/person_keypoints_val2017.json'))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=coco_root + 'annotations/person_keypoints_val2017.json')
test_evaluator = val_evaluator
