"""The authors' released model: ResNet-152, 288x384, trained on H80K Train + MPII + COCO.

`python tools/model_converters/convert_official.py` fetches and converts its weights. Grid, depth, normalisation and
flip test are those of every model here (the released code's configs and `common_loss/integral.py`, `loss/integral.py`).
The authors report 57.5 mm on Val, 56.9 with the flip test, with boxes around the true joints; see `..._true-boxes.py`.
"""
_base_ = '../integral_r152_h80k.py'

# file that convert_official.py downloads by default, and the page that links to it
released_weights = 'https://www.dropbox.com/s/hfz5nkd39uisvbr/model_chall_train_152ft_384x288.pth.tar?dl=1'
released_page = 'https://github.com/JimmySuen/integral-human-pose'

model = dict(backbone=dict(init_cfg=None), test_cfg=dict(flip_test=True))

# The training crops were 1.25 times the extent of the joints. A detector's box is already 1.15 to 1.47 times this.
val_pipeline = [
    {{_base_.load_image}}, dict(type='GetBBoxCenterScale', padding=1.0), {{_base_.crop}}, {{_base_.pack_inputs}}]
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
submission_dataloader = dict(dataset=dict(pipeline=val_pipeline))
