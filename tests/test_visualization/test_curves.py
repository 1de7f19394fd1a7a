import json

import cv2
import numpy as np
import pytest

from mmpose_integral.cli import plot_curve
from mmpose_integral.visualization.curves import choose_metrics, draw_curves, read_scalars


def train_line(epoch, iteration, loss, lr=1e-3):
    return json.dumps(dict(lr=lr, loss=loss, data_time=0.1, time=0.2, memory=5, epoch=epoch, iter=iteration,
                           step=iteration))


def val_line(epoch, error):
    return json.dumps({'h80k/MPJPE': error, 'h80k/PA-MPJPE': error / 2, 'h80k/MPJPE_head': 3.0, 'h80k/AUC': 50.0,
                       'data_time': 0.1, 'time': 0.1, 'step': epoch})


@pytest.fixture
def work_dir(tmp_path):
    """Two parts of one run: killed in epoch 3, resumed from the end of epoch 2."""
    parts = {'20260101_000000': [train_line(1, 10, 4.0), train_line(1, 20, 3.0), val_line(1, 150.0),
                                 train_line(2, 30, 2.5, 5e-4), train_line(2, 40, 2.2, 5e-4), val_line(2, 120.0),
                                 train_line(3, 50, 99.0, 5e-4), '{"lr": 0.0'],
             '20260102_000000': [train_line(3, 50, 2.0, 1e-4), train_line(3, 60, 1.8, 1e-4), val_line(3, 100.0)]}
    for name, lines in parts.items():
        (tmp_path / name / 'vis_data').mkdir(parents=True)
        (tmp_path / name / 'vis_data' / 'scalars.json').write_text('\n'.join(lines))
    return tmp_path


def test_resumed_parts_are_one_curve(work_dir):
    scalars = read_scalars(work_dir)
    epochs, loss = scalars.train['loss']
    np.testing.assert_allclose(epochs, [0.5, 1, 1.5, 2, 2.5, 3])
    np.testing.assert_allclose(loss, [4, 3, 2.5, 2.2, 2.0, 1.8])
    np.testing.assert_allclose(scalars.val['h80k/MPJPE'], [[1, 2, 3], [150, 120, 100]])
    assert 'time' not in scalars.train and 'step' not in scalars.val
    part = read_scalars(str(work_dir / '20260102_000000' / 'vis_data' / 'scalars.json'))
    assert part.val['h80k/MPJPE'][1].tolist() == [100]


def test_the_default_metrics_are_errors_over_all_joints(work_dir):
    assert choose_metrics(read_scalars(work_dir).val) == ['h80k/MPJPE', 'h80k/PA-MPJPE']
    assert choose_metrics({'coco/AP': 1, 'coco/AR': 2}) == ['coco/AP', 'coco/AR']


def test_figures_show_what_was_logged(work_dir):
    scalars = read_scalars(work_dir)
    plain = draw_curves(scalars)
    assert plain.dtype == np.uint8 and plain.ndim == 3 and plain.shape[2] == 3
    assert (draw_curves(scalars, baseline=160.0) != plain).any()
    assert draw_curves(scalars, metrics=['h80k/AUC']).shape == plain.shape
    assert draw_curves(scalars._replace(val={})).shape[0] < plain.shape[0]
    assert draw_curves(scalars._replace(train={})).shape[0] < plain.shape[0]


def test_errors(work_dir, tmp_path_factory):
    scalars = read_scalars(work_dir)
    with pytest.raises(ValueError, match="'h80k/PCK' was not logged; there are h80k/MPJPE"):
        draw_curves(scalars, metrics=['h80k/PCK'])
    with pytest.raises(ValueError, match='has the run trained yet'):
        draw_curves(scalars._replace(train={}, val={}))
    with pytest.raises(FileNotFoundError, match=r'scalars\.json'):
        read_scalars(tmp_path_factory.mktemp('empty'))
    (work_dir / '20260102_000000' / 'vis_data' / 'scalars.json').write_text('{"loss"\n' + val_line(1, 3.0))
    with pytest.raises(ValueError, match='line 1 is not JSON'):
        read_scalars(work_dir)


def test_command(work_dir, capsys):
    out = work_dir / 'pictures' / 'curve.png'
    assert plot_curve.main([str(work_dir), '--out', str(out), '--baseline', '160']) == 0
    assert cv2.imread(str(out)) is not None and str(out) in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match=r'scalars\.json'):
        plot_curve.main([str(work_dir / 'pictures')])
