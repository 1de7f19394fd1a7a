"""Table 2, row 5: + 288x384 input, and with it a volume of 72 x 96 x 72 cells. Paper: 58.5 mm."""
_base_ = './integral_res152_4xb16_h80k-mpii-256x256.py'

codec = dict(type='Integral3DLabel', input_size=(288, 384))
model = dict(head=dict(depth_bins=72, decoder=codec))

move_box = dict(type='RandomCropBox', input_size=codec['input_size'])
crop = dict(type='TopdownAffine3D', input_size=codec['input_size'])
generate_target = dict(type='GenerateTarget', encoder=codec)
train_pipeline = [move_box, crop, {{_base_.flip}}, {{_base_.color_gain}}, generate_target, {{_base_.pack_inputs}}]
test_pipeline = [{{_base_.load_image}}, {{_base_.detected_box}}, crop, {{_base_.pack_inputs}}]
val_pipeline = [
    {{_base_.load_image}}, {{_base_.project}}, {{_base_.detected_box}}, crop, generate_target, {{_base_.pack_inputs}}]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
submission_dataloader = test_dataloader
