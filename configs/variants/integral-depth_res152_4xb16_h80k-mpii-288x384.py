"""Variant: the volume covers a depth of 384 px, the height of the crop, and not 288 px, its width; with equal bins.

With z / W, a crop of 288x384 covers a quarter less of a person's depth than one of 256x256. Labels outside the range
cannot be reached; the log shows their share as ``outside_z``.
"""
_base_ = '../ablation/integral_res152_4xb16_h80k-mpii-288x384.py'

codec = dict(type='Integral3DLabel', input_size=(288, 384), depth_range=384)
model = dict(head=dict(decoder=codec))
generate_target = dict(type='GenerateTarget', encoder=codec)
train_pipeline = [
    {{_base_.move_box}}, {{_base_.crop}}, {{_base_.flip}}, {{_base_.color_gain}}, generate_target,
    {{_base_.pack_inputs}}]
val_pipeline = [
    {{_base_.load_image}}, {{_base_.project}}, {{_base_.detected_box}}, {{_base_.crop}}, generate_target,
    {{_base_.pack_inputs}}]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
