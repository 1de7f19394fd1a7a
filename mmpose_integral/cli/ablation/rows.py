"""The rows that the command ablation can run: those of the paper's Table 2, and further variants."""
from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """A row of the table."""
    key: str  # short name, for --rows
    label: str  # what differs from the row above (Table 2) or from row 'mpii' (the rest)
    config: str  # config file, below configs
    paper_mm: float | None = None  # MPJPE of the paper, Val, bone length train+val
    trained: str | None = None  # key of the row whose trainings are evaluated; None for a row with its own trainings
    against: str | None = None  # key of the row with which it is compared
    pretrained: bool = True  # whether the backbone starts from pretrained weights, not from random ones
    rate: float = 1.0  # factor of the learning rate on the stand-in


TABLE_2 = (
    Row('no-box', 'ResNet-50, whole image', 'ablation/integral_res50_4xb16_h80k-256x256_no-box.py', 115.9),
    Row('box', '+ person box', 'ablation/integral_res50_4xb16_h80k-256x256.py', 86.5, None, 'no-box'),
    Row('mpii', '+ MPII', 'ablation/integral_res50_4xb16_h80k-mpii-256x256.py', 62.2, None, 'box'),
    Row('res152', '+ ResNet-152', 'ablation/integral_res152_4xb16_h80k-mpii-256x256.py', 61.2, None, 'mpii'),
    Row('384', '+ 288x384', 'ablation/integral_res152_4xb16_h80k-mpii-288x384.py', 58.5, None, 'res152'),
    Row('coco', '+ COCO', 'ablation/integral_res152_4xb16_h80k-mpii-coco-288x384.py', 57.5, None, '384'),
    Row('flip', '+ flip test', 'ablation/integral_res152_4xb16_h80k-mpii-coco-288x384_flip.py', 56.9, 'coco', 'coco'),
    Row('ensemble', '+ ensemble', 'ablation/integral_res152_4xb16_h80k-mpii-coco-288x384_flip_ensemble.py', 55.3,
        'flip', 'flip'))

VARIANTS = (
    Row('scratch', 'ResNet-50 from random weights', 'ablation/integral_res50_4xb16_h80k-mpii-256x256.py', None, None,
        'mpii', False),
    *(Row(key, label, f'variants/{config}.py', None, None, against) for key, label, config, against in (
        ('l2', 'L2 loss', 'integral-l2_res50_4xb16_h80k-mpii-256x256', 'mpii'),
        ('heatmap-loss', 'heat-map loss in addition to L1', 'integral-heatmap_res50_4xb16_h80k-mpii-256x256', 'mpii'),
        ('heatmap', 'heat map only, largest cell', 'heatmap_res50_4xb16_h80k-mpii-256x256', 'mpii'),
        ('regression', 'direct regression', 'regression_res50_4xb16_h80k-mpii-256x256', 'mpii'),
        ('debiased', 'debiased integral', 'integral-debiased_res50_4xb16_h80k-mpii-256x256', 'mpii'),
        ('perspective', 'perspective labels', 'integral-perspective_res50_4xb16_h80k-mpii-256x256', 'mpii'),
        ('depth', 'depth range of the height', 'integral-depth_res152_4xb16_h80k-mpii-288x384', '384'),
        ('occlusion', 'random occlusion, p = 0.7', 'integral_res50_4xb16_h80k-mpii-256x256_occlusion', 'mpii'),
        ('color', 'colour jitter', 'integral_res50_4xb16_h80k-mpii-256x256_color-jitter', 'mpii'),
        ('box-jitter', 'jittered boxes', 'integral_res50_4xb16_h80k-mpii-256x256_box-jitter', 'mpii'),
        ('hrnet', 'HRNet-W32', 'integral_hrnet-w32_4xb16_h80k-mpii-256x256', 'mpii'))),
    # With the learning rate of the others, a transformer stays at 280 mm.
    Row('swin', 'Swin-T', 'variants/integral_swin-t_4xb16_h80k-mpii-256x256.py', None, None, 'mpii', rate=0.25))

ROWS = {row.key: row for row in (*TABLE_2, *VARIANTS)}

# Table 1: one model, several choices of total bone length. The paper does not say which model.
TABLE_1 = {'per-frame': 60.0, 'val': 64.6, 'train': 65.6, 'train+val': 65.2}


def ensemble_name(seeds: Sequence[int]) -> str:
    """Name of the ensemble of these seeds, where other rows have the number of a seed."""
    return 's' + '-'.join(map(str, seeds))
