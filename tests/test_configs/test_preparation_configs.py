"""Configs of detectors and coarse 2D models: each trains for one epoch, is evaluated, and runs in its command."""
import json

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from small_training import REPO, run_tool

from mmpose_integral.formats.boxes import save_boxes
from mmpose_integral.formats.h80k_index import save_index, scan_split
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d
from mmpose_integral.preparation.detection import PersonDetector
from mmpose_integral.preparation.frames import choose_checkpoint

DETECTORS = sorted((REPO / 'configs' / 'detection').glob('*.py'))
KEYPOINTS = sorted((REPO / 'configs' / 'keypoints_2d').glob('*.py'))
SIDE = 128


@pytest.fixture(autouse=True)
def roots(standin, monkeypatch, one_thread):
    monkeypatch.setenv('MPII_ROOT', f'{standin}/mpii/')
    monkeypatch.setenv('COCO_ROOT', f'{standin}/coco/')


@pytest.fixture
def index(standin, tmp_path):
    """Index of Val, which is also the file h80k_val.npz."""
    index = scan_split(standin / 'h80k', 'Val')
    save_index(index, tmp_path / 'h80k_val.npz')
    return index


def change_entries(node, change, seen=()):
    """Replace entries of nested dicts and lists by ``change(key, value)`` where it is not None, each node once."""
    if id(node) in seen:
        return
    seen = seen or set()
    seen.add(id(node))
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        changed = change(key, value)
        if changed is not None:
            node[key] = changed
        elif isinstance(value, (dict, list)):
            change_entries(value, change, seen)


def small_image(key, value):
    """Set the image sizes of the pipelines of a detector to 128 px."""
    if key in ('scale', 'img_scale', 'crop_size', 'size') and isinstance(value, (tuple, list)):
        return SIDE, SIDE
    return [(SIDE, SIDE)] if key == 'scales' else None


def half_crop(key, value):
    """Halve the crops and heat maps of a 2D model; sizes that do not match still do not match."""
    return tuple(side // 2 for side in value) if key in ('input_size', 'heatmap_size') else None


def few_regions(model):
    """Pass a tenth of the regions to the second stage of a detector, which takes most of the time on small images."""
    for stage in (model.train_cfg.rpn_proposal, model.test_cfg.rpn):
        stage.max_per_img //= 10
    model.train_cfg.rcnn.sampler.num //= 8
    model.test_cfg.rcnn.score_thr = 0.0  # so that there are boxes to evaluate


def small(path, work_dir, batch_size):
    cfg = Config.fromfile(path)
    cfg.load_from = None
    cfg.default_hooks.checkpoint.save_optimizer = False  # it has hundreds of MB
    cfg.model.backbone.init_cfg = None
    cfg.work_dir, cfg.experiment_name = str(work_dir), path.stem
    cfg.visualizer.name = str(work_dir)  # mmengine gives one of the same name again, which writes to the first folder
    cfg.train_dataloader.update(batch_size=batch_size, num_workers=0, persistent_workers=False)
    for name in ('val_dataloader', 'test_dataloader'):
        cfg[name].update(batch_size=4, num_workers=0, persistent_workers=False)
    cfg.train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
    cfg.param_scheduler = []
    cfg.optim_wrapper.optimizer.lr = 1e-4  # without pretrained weights and warm-up, the full rate diverges
    cfg.custom_hooks = []
    return cfg


def one_epoch(cfg):
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
    return runner


@pytest.mark.parametrize('path', DETECTORS, ids=lambda path: path.stem)
def test_detector_trains_on_coco_people_and_finds_boxes(path, standin, tmp_path, index):
    cfg = small(path, tmp_path, batch_size=3)
    change_entries(cfg._cfg_dict, small_image)
    cfg.model.get('data_preprocessor', {}).pop('batch_augments', None)
    if 'deepen_factor' in cfg.model.backbone:
        cfg.model.test_cfg.score_thr = 0.0
    else:
        few_regions(cfg.model)
    runner = one_epoch(cfg)
    assert runner.train_dataloader.dataset.metainfo['classes'] == ('person', )
    assert 0 <= runner.message_hub.get_scalar('val/coco/bbox_mAP').current() <= 1
    cfg.dump(tmp_path / 'detector.py')
    assert run_tool('prepare boxes', tmp_path / 'detector.py', next(tmp_path.glob('epoch_*.pth')), '--index',
                    tmp_path / 'h80k_val.npz', '--root', standin / 'h80k', '--out', tmp_path / 'boxes.json', '--device',
                    'cpu', '--num-workers', 0, '--score-thr', 0) == 0
    found = {box['image_id'] for box in json.loads((tmp_path / 'boxes.json').read_text())}
    assert found <= set(index.frame_ids.tolist())


@pytest.mark.parametrize('path', KEYPOINTS, ids=lambda path: path.stem)
def test_2d_model_trains_and_predicts_our_joints(path, standin, tmp_path, index):
    if path != KEYPOINTS[0]:  # which runs with its own sizes
        cfg = Config.fromfile(path)
        change_entries(cfg._cfg_dict, half_crop)
        path = tmp_path / path.name
        cfg.dump(path)
    runner = one_epoch(small(path, tmp_path, batch_size=5))
    score = 'coco/AP' if 'coco' in path.stem else 'PCK'
    assert runner.message_hub.get_scalar(f'val/{score}').current() >= -1
    save_boxes(tmp_path / 'boxes.json',
               {int(i): dict(bbox=[20., 15., 60., 100.], score=0.9) for i in index.frame_ids}, index)
    assert run_tool('prepare keypoints-2d', path, next(tmp_path.glob('epoch_*.pth')), '--index',
                    tmp_path / 'h80k_val.npz', '--root', standin / 'h80k', '--boxes', tmp_path / 'boxes.json', '--out',
                    tmp_path / 'keypoints.npz', '--device', 'cpu', '--num-workers', 0) == 0
    keypoints, scores = load_keypoints_2d(tmp_path / 'keypoints.npz', index)
    absent = [0, 7, 8, 10, 17] if 'coco' in path.stem else [7, 9]
    assert (scores[:, absent] == 0).all()
    present = np.setdiff1d(np.arange(18), absent)
    assert (scores[:, present] > 0).any()  # without training, half of the peaks are below 0 and are set to 0
    middle = np.array([20 + 60 / 2, 15 + 100 / 2])  # of the boxes; crops are at most 125 px wide
    assert (np.abs(keypoints[:, present] - middle) < 125).all()


def test_public_coco_detector_loads_into_its_config(standin, tmp_path, monkeypatch):
    """The public weights are of mmdet's own config; a file with the same names and shapes takes their place."""
    path = next(path for path in DETECTORS if 'caffe' in path.stem)
    original = get_config('mmdet::faster_rcnn/faster-rcnn_r50-caffe_fpn_ms-1x_coco-person.py')
    init_default_scope('mmdet')
    weights = MMDET_MODELS.build(original.model).state_dict()
    torch.save(dict(state_dict=weights, meta=dict(CLASSES=('person', ))), tmp_path / 'public.pth')
    detector = PersonDetector(path, tmp_path / 'public.pth', 'cpu')
    loaded = detector.model.state_dict()
    assert loaded.keys() == weights.keys() and all(torch.equal(loaded[name], weights[name]) for name in weights)
    # The preprocessing of Caffe's ResNet: BGR, means only.
    preprocessor = detector.model.data_preprocessor
    assert preprocessor.mean.flatten().tolist() == pytest.approx([103.530, 116.280, 123.675])
    assert not preprocessor._channel_conversion and preprocessor.std.flatten().tolist() == [1, 1, 1]


def test_public_weights_are_the_default_and_configs_without_them_are_named():
    named = {path.stem: Config.fromfile(path).get('load_from') for path in (*DETECTORS, *KEYPOINTS)}
    for stem, url in named.items():
        assert (url or '').startswith('https://download.openmmlab.com/') == (not stem.startswith('integral')), stem
    assert named['faster-rcnn_r50-caffe_fpn_ms-1x_coco-person'].endswith(
        'faster_rcnn_r50_fpn_1x_coco-person_20201216_175929-d022e227.pth')
    assert choose_checkpoint(DETECTORS[-1], None) == named[DETECTORS[-1].stem]
    assert choose_checkpoint(DETECTORS[-1], 'own.pth') == 'own.pth'
    with pytest.raises(FileNotFoundError, match='integral.*load_from'):
        choose_checkpoint(KEYPOINTS[0], None)
    with pytest.raises(FileNotFoundError, match='nowhere.py: no such config'):
        choose_checkpoint('nowhere.py', None)
