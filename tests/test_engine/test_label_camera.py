"""The camera model of the labels: from the file of cameras through training and checkpoint to every decoding."""
import json
import re

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS
from small_training import evaluate, prepare, run_tool, save_random_weights, write_config

from mmpose_integral.evaluation.functional import px_to_mm
from mmpose_integral.formats.predictions import load_predictions

PERSPECTIVE = '''
train_dataloader['dataset']['datasets'][0]['pipeline'][1]['type'] = 'FitPerspective'
val_dataloader['dataset']['pipeline'][1]['type'] = 'FitPerspective'
train_cfg = dict(max_epochs=1)
'''


@pytest.fixture(scope='module')
def trained(standin, tmp_path_factory):
    """Folder with a config, a training on perspective labels, and the focal length of its cameras."""
    folder = tmp_path_factory.mktemp('label_camera')
    prepare(standin, folder)
    with np.load(standin / 'truth' / 'h80k_train.npz') as truth:
        focal = float(truth['focal'][0])
    for split in ('train', 'val'):
        files = {name: folder / f'h80k_{split}{name}.npz' for name in ('', '_keypoints_2d', '_cameras')}
        assert run_tool(
            'prepare cameras', '--model', 'perspective', '--focal-length', focal, '--index', files[''],
            '--keypoints-2d', files['_keypoints_2d'], '--out', files['_cameras'], '--truth',
            standin / 'truth' / f'h80k_{split}.npz') == 0
    config = write_config(standin, folder, folder / 'small.py', PERSPECTIVE)
    assert run_tool('train', config, '--work-dir', folder / 'work') == 0
    return folder, config, focal


def test_the_report_names_model_and_focal_length(trained):
    folder, _, focal = trained
    summary = json.loads((folder / 'h80k_train_cameras_summary.json').read_text())
    assert summary['model'] == 'perspective' and summary['focal_length_px'] == round(focal, 2)
    # The 2D joints are the true ones, which perspective cameras reproduce.
    assert summary['mean_residual_px'] < 0.5 * summary['mean_weak_residual_px'] and summary['truth_mean_error_px'] < 0.3
    table = (folder / 'h80k_train_cameras.csv').read_text().splitlines()
    assert {'off_axis_deg', 'weak_residual'} <= set(table[0].split(',')) and len(table) == 13


def test_the_checkpoint_decides_how_predictions_are_decoded(trained):
    folder, config, focal = trained
    checkpoint = torch.load(folder / 'work' / 'epoch_1.pth', map_location='cpu')
    assert checkpoint['meta']['dataset_meta']['camera'] == dict(model='perspective', focal_length=focal)
    metrics = evaluate(config, folder / 'work' / 'epoch_1.pth', folder / 'strong.npz')
    arrays = load_predictions(folder / 'strong.npz')
    np.testing.assert_allclose(arrays['intrinsics'], np.tile([focal, 63.5, 63.5], (7, 1)))  # images of 128 px
    expected = px_to_mm(arrays['pred_px'], 4476.0, arrays['intrinsics']).keypoints
    shape = np.linalg.norm(expected, axis=-1).mean() / np.linalg.norm(arrays['pred_mm'], axis=-1).mean()
    np.testing.assert_allclose(arrays['pred_mm'] * shape, expected, rtol=1e-4, atol=0.1)
    assert abs(metrics['h80k/MPJPE_decoded_weakly'] - metrics['h80k/MPJPE']) > 0.1
    checkpoint['meta']['dataset_meta']['camera'] = dict(model='weak')
    torch.save(checkpoint, folder / 'weak.pth')
    weak = evaluate(config, folder / 'weak.pth', folder / 'weak.npz')
    assert weak['h80k/MPJPE'] == pytest.approx(metrics['h80k/MPJPE_decoded_weakly'], abs=1e-3)
    both = evaluate(config, folder / 'weak.pth', test_evaluator__focal_length=focal)
    assert both['h80k/MPJPE'] == weak['h80k/MPJPE']
    assert both['h80k/MPJPE_decoded_by_perspective'] == pytest.approx(metrics['h80k/MPJPE'], abs=1e-3)
    assert not {key for key in weak if '_decoded_' in key}
    assert 'intrinsics' not in load_predictions(folder / 'weak.npz')


def test_members_of_an_ensemble_must_agree(trained):
    folder, config, _ = trained
    members = [dict(config=str(config), checkpoint=str(folder / 'work' / 'epoch_1.pth')),
               dict(config=str(config), checkpoint=str(save_random_weights(config, folder / 'random.pth')))]
    with pytest.raises(ValueError, match="members: one camera model of the training labels .*'perspective'.*'weak'"):
        MODELS.build(dict(type='EnsembleEstimator', members=members))
    assert len(MODELS.build(dict(type='EnsembleEstimator', members=members[:1] * 2)).members) == 2
    message = run_tool('ensemble', folder / 'strong.npz', folder / 'weak.npz', '--annotations', folder)
    assert 'weak.npz and' in message and 'one camera model' in message


def test_labels_of_another_model_are_refused(trained):
    folder, config, _ = trained
    options = ['train_dataloader.dataset.datasets.0.pipeline.1.type=FitWeakPerspective']
    message = run_tool('train', config, '--work-dir', folder / 'other', '--cfg-options', *options)
    assert re.search('a WeakPerspectiveCamera expected .*, got PerspectiveCamera', message)


@pytest.mark.parametrize(('options', 'message'), [
    (['--focal-length', '900'], 'with --model perspective only'),
    (['--model', 'perspective', '--rotation'], 'with --model weak only')])
def test_options_of_the_other_model_are_refused(options, message, capsys):
    files = ['--index', 'a.npz', '--keypoints-2d', 'b.npz', '--out', 'c.npz']
    assert run_tool('prepare cameras', *files, *options) == 2 and message in capsys.readouterr().err
