import re

import pytest
from mmengine.config import Config
from small_training import REPO

from mmpose_integral.engine.shrink import shrink_config

CONFIGS = REPO / 'configs'


PARTS = ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'submission_dataloader')


def input_sizes(cfg):
    """Every ``input_size`` in the model and in the loaders; a 288x384 config also has unused parts of 256x256."""
    text = ' '.join(str(cfg[name].to_dict()) for name in PARTS if cfg.get(name))
    return {(int(width), int(height)) for width, height in re.findall(r"'input_size': [([](\d+), (\d+)", text)}


@pytest.mark.parametrize(('name', 'divisor', 'size'), [
    ('res50_4xb16_h80k-256x256.py', 3, (96, 96)),  # holds one object with an input size in several places
    ('res50_4xb16_h80k-mpii-256x256.py', 4, (64, 64)),
    ('res152_4xb16_h80k-mpii-288x384.py', 3, (96, 128)),
    ('res152_4xb16_h80k-mpii-288x384.py', 4, (64, 96))])
def test_all_sizes_are_divided_once(name, divisor, size):
    cfg = shrink_config(Config.fromfile(CONFIGS / 'ablation' / f'integral_{name}'), divisor)
    assert input_sizes(cfg) == {size}
    assert cfg.model.head.depth_bins == size[0] // 4
    assert cfg.model.backbone.depth == (34 if 'res152' in name else 18)
    assert cfg.model.head.in_channels == 256 and 'init_cfg' not in cfg.model.backbone


def test_all_parts_of_a_full_config_have_the_same_input_size():
    for path in (*CONFIGS.glob('*.py'), *CONFIGS.glob('ablation/*.py'), *CONFIGS.glob('variants/*.py')):
        cfg = Config.fromfile(path)
        if 'ensemble' not in path.name:
            size, = input_sizes(cfg)
            assert cfg.model.head.get('depth_bins', size[0] // 4) == size[0] // 4, path


def test_other_backbones_are_refused_by_name():
    cfg = Config.fromfile(CONFIGS / 'ablation' / 'integral_res50_4xb16_h80k-256x256.py')
    cfg.model.backbone.type = 'VGG'
    with pytest.raises(ValueError, match='VGG'):
        shrink_config(cfg)
