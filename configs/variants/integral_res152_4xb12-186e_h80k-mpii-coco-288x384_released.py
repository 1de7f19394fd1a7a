"""The released code's configuration for ResNet-152 and 288x384: COCO is added, 12 images per GPU, learning rate 1e-4.

The released code lists COCO in this configuration, but does not use it.
"""
_base_ = './integral_res152_4xb24-186e_h80k-mpii-256x256_released.py'

codec = dict(type='Integral3DLabel', input_size=(288, 384))
model = dict(head=dict(depth_bins=72, decoder=codec))

crop = dict(type='TopdownAffine3D', input_size=codec['input_size'])
generate_target = dict(type='GenerateTarget', encoder=codec)
train_dataloader = dict(batch_size=12, dataset=dict(
    datasets=[{{_base_.h80k_around_joints}}, {{_base_.mpii_around_joints}}, {{_base_.coco}}],
    pipeline=[dict(type='ReleasedCodeCropBox'), crop, {{_base_.flip}}, {{_base_.color_gain}}, generate_target,
              {{_base_.pack_inputs}}]))
around_joints = [{{_base_.load_image}}, {{_base_.similarity}}, {{_base_.joint_extent}}, {{_base_.detected_box}}]
val_dataloader = dict(dataset=dict(pipeline=[*around_joints, crop, generate_target, {{_base_.pack_inputs}}]))
test_dataloader = dict(dataset=dict(pipeline=[*around_joints, crop, {{_base_.pack_inputs}}]))
submission_dataloader = dict(dataset=dict(pipeline=[
    {{_base_.load_image}}, {{_base_.detected_box}}, dict(type='UnpadWholeImage'), crop, {{_base_.pack_inputs}}]))

optim_wrapper = dict(optimizer=dict(lr=1e-4))
auto_scale_lr = dict(base_batch_size=48)
