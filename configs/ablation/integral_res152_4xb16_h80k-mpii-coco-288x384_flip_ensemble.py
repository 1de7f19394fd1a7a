"""Table 2, row 8: + ensemble. Paper: 55.3 mm; it does not name the members. Here they are three seeds of row 6.

``tools/ablation.py`` writes the members. ENSEMBLE_ROOT is the folder of them.
"""
os = __import__('os')  # from Python 3.11 on, mmengine refuses "import os" in configs

_base_ = './integral_res152_4xb16_h80k-mpii-coco-288x384_flip.py'

root = os.path.expanduser(os.environ.get('ENSEMBLE_ROOT') or 'work_dirs/ablation')
root += '/integral_res152_4xb16_h80k-mpii-coco-288x384/'
members = [
    dict(config=root + f'seed{seed}/config.py', checkpoint=root + f'seed{seed}/best.pth', weight=1.0)
    for seed in range(3)]
model = dict(_delete_=True, type='EnsembleEstimator', members=members, test_cfg=dict(flip_test=True))
pipeline = [
    dict(type='LoadImage', color_type='color_ignore_orientation'),
    dict(type='MemberInputs', configs=[member['config'] for member in members]),
]
test_dataloader = dict(dataset=dict(pipeline=pipeline))
submission_dataloader = test_dataloader
