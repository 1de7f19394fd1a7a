"""Row 3 of Table 2 with objects pasted over the person, p = 0.7, as in the challenge's winning entry.

Set VOC_ROOT to the folder VOC2012 of Pascal VOC to paste its objects. Without it, generated shapes are pasted.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = '../ablation/integral_res50_4xb16_h80k-mpii-256x256.py'

voc_root = os.path.expanduser(os.environ.get('VOC_ROOT') or 'generated')
train_dataloader = dict(dataset=dict(pipeline=[
    {{_base_.move_box}}, {{_base_.crop}}, {{_base_.flip}},
    dict(type='RandomOcclusion', prob=0.7, voc_root=None if voc_root == 'generated' else voc_root),
    {{_base_.color_gain}}, {{_base_.generate_target}}, {{_base_.pack_inputs}},
]))
