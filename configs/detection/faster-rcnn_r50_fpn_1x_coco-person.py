"""Faster R-CNN, ResNet-50 FPN, trained on COCO's people alone, for a reproduction of the paper.

Its weights are not public. Train it with ``tools/dist_train.sh THIS_FILE 8`` (12 epochs), and give the result to
``detect_boxes.py``. COCO_ROOT is the folder of COCO; annotations/person_keypoints_*.json has all its person boxes.
"""
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'

custom_imports = dict(imports=['mmpose_integral'])
model = dict(roi_head=dict(bbox_head=dict(num_classes=1)))

coco_root = '{{$COCO_ROOT:data/coco}}/'
metainfo = dict(classes=('person', ), palette=[(220, 20, 60)])
train_dataloader = dict(dataset=dict(
    data_root=coco_root, ann_file='annotations/person_keypoints_train2017.json', metainfo=metainfo))
val_dataloader = dict(dataset=dict(
    data_root=coco_root, ann_file='annotations/person_keypoints_val2017.json', metainfo=metainfo))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=coco_root + 'annotations/person_keypoints_val2017.json')
test_evaluator = val_evaluator
