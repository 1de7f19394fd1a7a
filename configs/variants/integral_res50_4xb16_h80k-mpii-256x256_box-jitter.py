"""Row 3 of Table 2 with errors as a detector makes them on the edges of all boxes."""
_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='PerturbBBox', edge_std=0.06),
    {{_base_.move_box}}, {{_base_.crop}}, {{_base_.flip}},
    {{_base_.color_gain}}, {{_base_.generate_target}}, {{_base_.pack_inputs}},
]))
