"""CHALL_H80K, MPII and COCO: their folders, the conversion of each to our 18 joints, and one crop for all (256x256).

The environment variables H80K_ROOT, MPII_ROOT and COCO_ROOT set the folders of the data. Sources and steps of the
pipelines have names, so that a config that inherits from this one can list those that it keeps.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs
h80k_root = os.path.expanduser(os.environ.get('H80K_ROOT') or 'data/h80k') + '/'
mpii_root = os.path.expanduser(os.environ.get('MPII_ROOT') or 'data/mpii') + '/'
coco_root = os.path.expanduser(os.environ.get('COCO_ROOT') or 'data/coco') + '/'
index_files = dict(train=h80k_root + 'annotations/h80k_train.npz', val=h80k_root + 'annotations/h80k_val.npz')

codec = dict(type='Integral3DLabel', input_size=(256, 256))
load_image = dict(type='LoadImage', color_type='color_ignore_orientation')
project = dict(type='FitWeakPerspective')
detected_box = dict(type='GetBBoxCenterScale', padding=1.25)

# Sources. Their pipelines differ up to the box. H80K and COCO boxes are enlarged by 1.25. The extent of MPII's joints
# is enlarged by 1.35, so that people have the same size as in a detector's box.
h80k = dict(
    type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_train.npz',
    bbox_file='annotations/h80k_train_boxes.json', camera_file='annotations/h80k_train_cameras.npz',
    pipeline=[load_image, project, detected_box])
h80k_val = dict(  # for the challenge entry, which also trains on Val
    h80k, ann_file='annotations/h80k_val.npz', bbox_file='annotations/h80k_val_boxes.json',
    camera_file='annotations/h80k_val_cameras.npz')
mpii = dict(
    type='ZeroBasedMpiiDataset', data_root=mpii_root, ann_file='annotations/mpii_train.json',
    data_prefix=dict(img='images/'),
    pipeline=[load_image, dict(type='KeypointConverter3D', source='mpii'), dict(type='GetBBoxFromKeypoints'),
              dict(type='GetBBoxCenterScale', padding=1.35)])
coco = dict(
    type='LabelledCocoDataset', data_root=coco_root, ann_file='annotations/person_keypoints_train2017.json',
    data_prefix=dict(img='train2017/'),
    pipeline=[load_image, dict(type='KeypointConverter3D', source='coco'),
              dict(type='GetBBoxCenterScale', padding=1.25)])

# Steps that are common to all sources, each with a name, so that a config can list the steps that it keeps: the paper's
# augmentation, and the colour augmentation of the released code.
move_box = dict(
    type='RandomCropBox', input_size=codec['input_size'], shift_factor=0.02, scale_factor=(0.75, 1.25),
    rotate_factor=30)
crop = dict(type='TopdownAffine3D', input_size=codec['input_size'])
flip = dict(type='RandomFlip3D', prob=0.5)
color_gain = dict(type='RandomChannelGain', gain=0.2)
generate_target = dict(type='GenerateTarget', encoder=codec)
pack_inputs = dict(type='PackPose3DInputs')
train_pipeline = [move_box, crop, flip, color_gain, generate_target, pack_inputs]
test_pipeline = [load_image, detected_box, crop, pack_inputs]
# Validation in a training also computes the loss, so it needs labels, and with them Val's cameras.
val_pipeline = [load_image, project, detected_box, crop, generate_target, pack_inputs]

train_dataloader = dict(
    batch_size=16, num_workers=4, persistent_workers=True, pin_memory=True,
    worker_init_fn=dict(type='keep_freed_memory'),
    sampler=dict(type='EqualPartsSampler'), batch_sampler=dict(type='EqualPartsBatchSampler'),
    dataset=dict(type='MixedPoseDataset', datasets=[h80k], pipeline=train_pipeline))
evaluation_set = dict(
    type='H80KDataset', data_root=h80k_root, ann_file='annotations/h80k_val.npz',
    bbox_file='annotations/h80k_val_boxes.json', pipeline=test_pipeline, test_mode=True)
test_dataloader = dict(
    batch_size=32, num_workers=4, persistent_workers=True, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False), dataset=evaluation_set)
val_dataloader = dict(test_dataloader, dataset=dict(
    evaluation_set, camera_file='annotations/h80k_val_cameras.npz', pipeline=val_pipeline))
submission_dataloader = dict(test_dataloader, dataset=dict(
    evaluation_set, ann_file='annotations/h80k_test.npz', bbox_file='annotations/h80k_test_boxes.json'))

val_evaluator = dict(type='H80KMetric', index_files=index_files)
test_evaluator = val_evaluator
skeleton_length = dict(type='SkeletonLengthHook', **index_files)
