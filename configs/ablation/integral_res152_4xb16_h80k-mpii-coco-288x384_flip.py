"""Table 2, row 7: + flip test, on the checkpoint of row 6. Paper: 56.9 mm."""
_base_ = './integral_res152_4xb16_h80k-mpii-coco-288x384.py'

model = dict(test_cfg=dict(flip_test=True))
