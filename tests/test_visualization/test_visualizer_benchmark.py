import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'benchmark' / 'visualizer.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('visualizer_benchmark', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ours_is_faster_in_the_same_run(tool, capsys):
    threads = cv2.getNumThreads()
    rows = tool.main(['--sizes', '320x240', '--people', '1', '2', '--frames', '5', '--baseline-frames', '2'])
    assert cv2.getNumThreads() == threads
    ms = {(row['people'], row['what']): row['ms'] for row in rows}
    assert len(rows) == 6 and ms[2, 'mmpose'] is None, 'mmpose draws one person only'
    assert 2 * ms[1, 'ours, video'] < ms[1, 'mmpose']
    assert 'cannot draw them' in capsys.readouterr().out


def test_both_draw_people_over_the_image(tool):
    sample, image = tool.make_samples((320, 240), 1, 1, 0)[0], np.full((240, 320, 3), 90, np.uint8)
    joint = np.rint(sample.pred_instances.keypoints_2d[0, 0]).astype(int)
    assert (0 <= joint).all() and (joint < (320, 240)).all()
    theirs = tool.draw_baseline(tool.baseline_visualizer(), image, sample)
    assert theirs.shape[0] >= 240 and np.unique(theirs.reshape(-1, 3), axis=0).shape[0] > 10
