from pathlib import Path

import pytest
from mmengine.config import Config

from mmpose_integral.engine.shrink import shrink_config

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def input_sizes(node):
    """Every ``input_size`` in a config."""
    found = set()
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == 'input_size':
            found.add(tuple(value))
        elif isinstance(value, (dict, list)):
            found |= input_sizes(value)
    return found


@pytest.mark.parametrize(('name', 'divisor', 'size'), [
    ('ablation/integral_res50_4xb16_h80k-mpii-256x256.py', 3, (96, 96)),
    ('ablation/integral_res50_4xb16_h80k-mpii-256x256.py', 4, (64, 64)),
    ('ablation/integral_res152_4xb16_h80k-mpii-288x384.py', 3, (96, 128)),
    ('ablation/integral_res152_4xb16_h80k-mpii-288x384.py', 4, (64, 96))])
def test_sizes_shrink_together_and_once(name, divisor, size):
    """Also where the config holds one object in several places, as it does with its codec."""
    cfg = Config.fromfile(CONFIGS / name)
    # the whole model, and what the loaders use; the base's 256x256 parts stay beside a 288x384 config unused
    shrink_config(cfg, divisor)
    used = [cfg.model, cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader, cfg.submission_dataloader]
    assert set().union(*map(input_sizes, used)) == {size}
    assert cfg.model.head.depth_bins == size[0] // 4
    assert cfg.model.backbone.depth == (34 if 'res152' in name else 18)
    assert cfg.model.head.in_channels == 256 and 'init_cfg' not in cfg.model.backbone


def test_all_parts_of_a_full_config_agree_on_the_input():
    for path in (*CONFIGS.glob('*.py'), *CONFIGS.glob('ablation/*.py'), *CONFIGS.glob('variants/*.py')):
        cfg = Config.fromfile(path)
        parts = [cfg[name] for name in ('model', 'train_dataloader', 'val_dataloader', 'submission_dataloader')
                 if cfg.get(name)]
        if 'ensemble' not in path.name:
            size, = set().union(*map(input_sizes, parts))
            assert cfg.model.head.get('depth_bins', size[0] // 4) == size[0] // 4, path


def test_other_backbones_are_refused_by_name():
    cfg = Config.fromfile(CONFIGS / 'ablation' / 'integral_res50_4xb16_h80k-256x256.py')
    cfg.model.backbone.type = 'VGG'
    with pytest.raises(ValueError, match='VGG'):
        shrink_config(cfg)
