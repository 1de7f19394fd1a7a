"""The command box-sensitivity on an untrained model: exact boxes give the plain evaluation, others do not."""
import csv

import pytest
from small_training import evaluate, prepare, run_tool, save_random_weights, write_config


def test_exact_boxes_give_the_plain_evaluation(standin, tmp_path, capsys, one_thread):
    prepare(standin, tmp_path)
    config = write_config(standin, tmp_path, tmp_path / 'small.py')
    weights = save_random_weights(config, tmp_path / 'weights.pth', large_head=True)
    plain = evaluate(config, weights)['h80k/MPJPE']
    run_tool('box-sensitivity', config, weights, '--work-dir', tmp_path / 'sweep', '--out-dir', tmp_path,
             '--scales', 1, 1.5, '--edge-stds', 0, 0.2)
    with open(tmp_path / 'box_sensitivity.csv') as file:
        rows = {(float(row['scale']), float(row['edge_std'])): float(row['mpjpe']) for row in csv.DictReader(file)}
    assert set(rows) == {(1, 0), (1.5, 0), (1, 0.2)}
    assert rows[1, 0] == pytest.approx(plain, abs=1e-4)
    assert abs(rows[1.5, 0] - plain) > 2e-3 and abs(rows[1, 0.2] - plain) > 2e-3  # small, because it is untrained
    assert f'MPJPE {rows[1.5, 0]:.1f} mm' in capsys.readouterr().out
    assert (tmp_path / 'box_sensitivity.png').stat().st_size > 5000
