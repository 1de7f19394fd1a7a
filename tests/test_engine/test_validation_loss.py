"""The loss on Val that the schedule watches, against the loss of all frames in one batch."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from small_training import prepare, save_random_weights, write_config

FRAMES, WITHOUT_CAMERA = 7, 2


@pytest.fixture(scope='module')
def config(standin, tmp_path_factory):
    """Config whose Val has 7 frames, in batches of 2, and no camera for one of them; with flip test and two losses."""
    folder = tmp_path_factory.mktemp('validation_loss')
    prepare(standin, folder)
    with np.load(folder / 'h80k_val_cameras.npz') as cameras:
        arrays = dict(cameras)
    for name in ('scale', 'rotation', 'translation', 'residual'):
        arrays[name][WITHOUT_CAMERA] = np.nan
    np.savez(folder / 'h80k_val_cameras.npz', **arrays)
    path = write_config(standin, folder, folder / 'small.py', '''
model['test_cfg'] = dict(flip_test=True)
model['head']['volume_loss'] = dict(type='VolumeCrossEntropyLoss', loss_weight=0.1)
''')
    cfg = Config.fromfile(path)
    cfg.work_dir = str(folder / 'work')
    cfg.load_from = str(save_random_weights(path, folder / 'a.pth', large_head=True))
    return cfg


def test_it_is_the_loss_of_all_frames_in_one_batch(config):
    runner = Runner.from_cfg(config)
    metrics = runner.val()
    model, dataset = runner.model.eval(), runner.val_dataloader.dataset
    batch = model.data_preprocessor(pseudo_collate([dataset[i] for i in range(FRAMES)]), False)
    with torch.no_grad():
        feats = model.extract_feat(batch['inputs'])
        output, logits = model.head(feats).double().numpy(), model.head.logits(feats)
    labels, weights = (values.double() for values in model.head.gather_labels(batch['data_samples']))
    assert not weights[WITHOUT_CAMERA].any() and weights.sum() == (FRAMES - 1) * 18 * 3
    coordinates = np.abs(output - labels.numpy())[weights.numpy() > 0].sum() / FRAMES
    volumes = float(model.head.volume_loss(logits, labels.float(), weights.float()))
    assert volumes > 0.1 and metrics['h80k/loss'] == pytest.approx(coordinates + volumes, rel=1e-5)
    assert metrics['h80k/frames'] == FRAMES  # a frame without a camera is evaluated, too


def test_without_labels_there_is_no_loss(config):
    assert 'h80k/loss' not in Runner.from_cfg(config).test()
