"""The sweep over worse boxes, on an untrained model: exact boxes give the plain evaluation, others differ."""
import csv

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from small_training import evaluate, prepare, run_tool, write_config


def test_exact_boxes_give_the_plain_evaluation(standin, tmp_path, capsys, one_thread):
    prepare(standin, tmp_path)
    config = write_config(standin, tmp_path, tmp_path / 'small.py')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model)
    torch.nn.init.normal_(model.head.final_layer.weight, std=0.5)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'weights.pth')
    plain = evaluate(config, tmp_path / 'weights.pth')['h80k/MPJPE']

    run_tool('box_sensitivity', config, tmp_path / 'weights.pth', '--work-dir', tmp_path / 'sweep', '--out-dir',
             tmp_path, '--scales', 1, 1.5, '--edge-stds', 0, 0.2)
    with open(tmp_path / 'box_sensitivity.csv') as file:
        rows = {(float(row['scale']), float(row['edge_std'])): float(row['mpjpe']) for row in csv.DictReader(file)}
    assert set(rows) == {(1, 0), (1.5, 0), (1, 0.2)}
    assert rows[1, 0] == pytest.approx(plain, abs=1e-4)
    assert abs(rows[1.5, 0] - plain) > 2e-3 and abs(rows[1, 0.2] - plain) > 2e-3  # untrained, it hardly looks
    assert f'MPJPE {rows[1.5, 0]:.1f} mm' in capsys.readouterr().out
    assert (tmp_path / 'box_sensitivity.png').stat().st_size > 5000
