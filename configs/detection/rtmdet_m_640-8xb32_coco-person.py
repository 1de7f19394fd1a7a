"""RTMDet-m for people, with public weights (about 25 M parameters): the default detector for users' own photos.

The weights were trained on COCO and Objects365, which the paper does not use. For a reproduction, take the Faster R-CNN
of this folder.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = 'mmdet::rtmdet/rtmdet_m_8xb32-300e_coco.py'

custom_imports = dict(imports=['mmpose_integral'])
load_from = ('https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/'
             'rtmdet_m_8xb32-100e_coco-obj365-person-235e8209.pth')
model = dict(
    backbone=dict(init_cfg=None),  # load_from has these weights
    bbox_head=dict(num_classes=1),
    test_cfg=dict(nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6),
                  max_per_img=100))

coco_root = os.path.expanduser(os.environ.get('COCO_ROOT') or 'data/coco') + '/'
metainfo = dict(classes=('person', ), palette=[(220, 20, 60)])
train_dataloader = dict(dataset=dict(
    data_root=coco_root, ann_file='annotations/person_keypoints_train2017.json', metainfo=metainfo))
val_dataloader = dict(dataset=dict(
    data_root=coco_root, ann_file='annotations/person_keypoints_val2017.json', metainfo=metainfo))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=coco_root + 'annotations/person_keypoints_val2017.json')
test_evaluator = val_evaluator
