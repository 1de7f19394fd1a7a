"""Table 2, row 6: + COCO; every batch has a third of each source. Paper: 57.5 mm."""
_base_ = './integral_res152_4xb16_h80k-mpii-288x384.py'

train_dataloader = dict(dataset=dict(datasets=[{{_base_.h80k}}, {{_base_.mpii}}, {{_base_.coco}}]))
