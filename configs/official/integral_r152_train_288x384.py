"""The authors' released model: ResNet-152, 288x384, trained on H80K Train + MPII + COCO.

`python tools/model_converters/convert_official.py` fetches and converts its weights. Grid, depth, normalisation and
flip test are those of every model here (the released code's configs and `common_loss/integral.py`, `loss/integral.py`).
The authors report 57.5 mm on Val, 56.9 with the flip test, with boxes around the true joints; see `..._true-boxes.py`.

The boxes are those of the released code for Test: the extent of the coarse 2D joints, enlarged by 1.25. The 2D model
sees the detector's box, enlarged by 1.1 (`predict_keypoints_2d.py --padding 1.1`). Frames without a box use the whole
image.
"""
_base_ = '../integral_r152_h80k.py'

# file that convert_official.py downloads by default, and the page that links to it
released_weights = 'https://www.dropbox.com/s/hfz5nkd39uisvbr/model_chall_train_152ft_384x288.pth.tar?dl=1'
released_page = 'https://github.com/JimmySuen/integral-human-pose'

model = dict(backbone=dict(init_cfg=None), test_cfg=dict(flip_test=True))

test_pipeline = [
    {{_base_.load_image}}, {{_base_.detected_box}}, dict(type='UnpadWholeImage'), {{_base_.crop}},
    {{_base_.pack_inputs}}]
test_dataloader = dict(dataset=dict(
    box_source='keypoints_2d', bbox_file=None, keypoints_2d_file='annotations/h80k_val_keypoints_2d.npz',
    pipeline=test_pipeline))
submission_dataloader = dict(dataset=dict(
    box_source='keypoints_2d', bbox_file=None, keypoints_2d_file='annotations/h80k_test_keypoints_2d.npz',
    pipeline=test_pipeline))
# the same for photos, in the inferencer
joint_boxes = dict(model='td-hm_hrnet-w32_8xb64-210e_mpii-256x256', padding=1.1)
