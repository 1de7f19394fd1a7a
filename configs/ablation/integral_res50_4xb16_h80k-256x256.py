"""Table 2, row 2: + person box, also in training, and with it the augmentation. Paper: 86.5 mm."""
_base_ = './integral_res50_4xb16_h80k-256x256_no-box.py'

train_dataloader = dict(dataset=dict(datasets=[{{_base_.h80k}}], pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(dataset=dict(
    box_source='detector', bbox_file='annotations/h80k_val_boxes.json', pipeline={{_base_.val_pipeline}}))
test_dataloader = dict(dataset=dict(
    box_source='detector', bbox_file='annotations/h80k_val_boxes.json', pipeline={{_base_.test_pipeline}}))
submission_dataloader = dict(dataset=dict(
    box_source='detector', bbox_file='annotations/h80k_test_boxes.json', pipeline={{_base_.test_pipeline}}))
