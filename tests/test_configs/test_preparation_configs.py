"""Detectors and coarse 2D models: every config builds, makes one step and one evaluation, and the tools run it."""
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import KEYPOINT_CODECS

from mmpose_integral.formats.boxes import save_boxes
from mmpose_integral.formats.h80k_index import save_index, scan_split
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d
from mmpose_integral.preparation.job_command import choose_checkpoint

REPO = Path(__file__).resolve().parents[2]
DETECTORS = sorted((REPO / 'configs' / 'detection').glob('*.py'))
KEYPOINTS = sorted((REPO / 'configs' / 'keypoints_2d').glob('*.py'))
SIDE = 128


@pytest.fixture(autouse=True)
def roots(standin, monkeypatch, one_thread):
    monkeypatch.setenv('MPII_ROOT', f'{standin}/mpii/')
    monkeypatch.setenv('COCO_ROOT', f'{standin}/coco/')
    yield
    init_default_scope('mmpose')


def small_images(node):
    """Every image size of a detector's pipelines becomes 128 px."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if key in ('scale', 'img_scale', 'crop_size', 'size') and isinstance(value, (tuple, list)):
            node[key] = (SIDE, SIDE)
        elif isinstance(value, (dict, list)):
            small_images(value)


def few_regions(model):
    """A tenth of the regions go to a detector's second stage, which takes most of its time on small images."""
    for stage in (model.train_cfg.rpn_proposal, model.test_cfg.rpn):
        stage.max_per_img //= 10
    model.train_cfg.rcnn.sampler.num //= 8


def half_crops(node, seen):
    """Every crop and heat map of a 2D model is half as wide and high: what does not fit together still does not."""
    if id(node) in seen:
        return
    seen.add(id(node))
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if key in ('input_size', 'heatmap_size'):
            node[key] = tuple(side // 2 for side in value)
        elif isinstance(value, (dict, list)):
            half_crops(value, seen)


def small(path, work_dir, batch_size):
    cfg = Config.fromfile(path)
    cfg.load_from = None
    cfg.default_hooks.checkpoint.save_optimizer = False  # hundreds of MB that nobody reads here
    cfg.model.backbone.init_cfg = None
    cfg.work_dir, cfg.experiment_name = str(work_dir), path.stem
    cfg.train_dataloader.update(batch_size=batch_size, num_workers=0, persistent_workers=False)
    for name in ('val_dataloader', 'test_dataloader'):
        cfg[name].update(batch_size=4, num_workers=0, persistent_workers=False)
    cfg.train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
    cfg.param_scheduler = []
    cfg.custom_hooks = []
    return cfg


def one_epoch(cfg):
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
    return runner


@pytest.mark.parametrize('path', DETECTORS, ids=lambda path: path.stem)
def test_detector_trains_on_coco_people_and_finds_boxes(path, standin, tmp_path):
    cfg = small(path, tmp_path, batch_size=3)
    small_images(cfg._cfg_dict)
    cfg.model.get('data_preprocessor', {}).pop('batch_augments', None)
    if 'deepen_factor' in cfg.model.backbone:
        cfg.model.test_cfg.score_thr = 0.0
    else:
        few_regions(cfg.model)
    runner = one_epoch(cfg)
    assert runner.train_dataloader.dataset.metainfo['classes'] == ('person', )
    assert 0 <= runner.message_hub.get_scalar('val/coco/bbox_mAP').current() <= 1
    index = tmp_path / 'h80k_val.npz'
    save_index(scan_split(standin / 'h80k', 'Val')[0], index)
    cfg.dump(tmp_path / 'detector.py')
    boxes = tmp_path / 'boxes.json'
    status = tool('detect_boxes').main([
        str(tmp_path / 'detector.py'), str(next(tmp_path.glob('epoch_*.pth'))), '--index', str(index), '--root',
        str(standin / 'h80k'), '--out', str(boxes), '--device', 'cpu', '--num-workers', '0', '--score-thr', '0'])
    assert status == 0
    assert {box['image_id'] for box in json.loads(boxes.read_text())} <= set(range(1, 9))


def tool(name):
    spec = importlib.util.spec_from_file_location(name, REPO / f'tools/dataset_converters/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('path', KEYPOINTS, ids=lambda path: path.stem)
def test_2d_model_trains_and_predicts_our_joints(path, standin, tmp_path):
    if path != KEYPOINTS[0]:  # one runs as it is
        as_it_is = Config.fromfile(path)
        half_crops(as_it_is._cfg_dict, set())
        path = tmp_path / path.name
        as_it_is.dump(path)
    runner = one_epoch(small(path, tmp_path, batch_size=5))
    score = 'coco/AP' if 'coco' in path.stem else 'PCK'
    assert runner.message_hub.get_scalar(f'val/{score}').current() >= -1
    index = scan_split(standin / 'h80k', 'Val')[0]
    save_index(index, tmp_path / 'h80k_val.npz')
    save_boxes(tmp_path / 'boxes.json', {int(i): dict(bbox=[20., 15., 60., 100.], score=0.9) for i in index.frame_ids})
    status = tool('predict_keypoints_2d').main([
        str(path), str(next(tmp_path.glob('epoch_*.pth'))), '--index', str(tmp_path / 'h80k_val.npz'),
        '--root', str(standin / 'h80k'), '--boxes', str(tmp_path / 'boxes.json'), '--out',
        str(tmp_path / 'keypoints.npz'), '--device', 'cpu', '--num-workers', '0'])
    assert status == 0
    keypoints, scores = load_keypoints_2d(tmp_path / 'keypoints.npz', index.frame_ids)
    absent = [0, 7, 8, 10, 17] if 'coco' in path.stem else [7, 9]
    assert (scores[:, absent] == 0).all()
    present = np.setdiff1d(np.arange(18), absent)
    assert (scores[:, present] > 0).any()  # untrained, half of the peaks are below 0, which is cut off
    middle = np.array([20 + 60 / 2, 15 + 100 / 2])  # of the boxes given; crops are at most 125 px wide
    assert (np.abs(keypoints[:, present] - middle) < 125).all()


def test_public_weights_are_the_default_and_their_lack_is_told():
    named = {path.stem: Config.fromfile(path).get('load_from') for path in (*DETECTORS, *KEYPOINTS)}
    for stem, url in named.items():
        public = stem.startswith(('rtmdet', 'td-hm'))
        assert (url or '').startswith('https://download.openmmlab.com/') == public, stem
    assert choose_checkpoint(DETECTORS[-1], None) == named[DETECTORS[-1].stem]
    assert choose_checkpoint(DETECTORS[-1], 'own.pth') == 'own.pth'
    with pytest.raises(FileNotFoundError, match='faster-rcnn.*load_from'):
        choose_checkpoint(DETECTORS[0], None)
    with pytest.raises(FileNotFoundError, match='nowhere.py: no such config'):
        choose_checkpoint('nowhere.py', None)


def test_2d_codec_takes_and_gives_two_coordinates():
    codec = KEYPOINT_CODECS.build(dict(type='Integral2DLabel', input_size=(64, 96)))
    keypoints = np.random.default_rng(0).uniform(0, 64, (1, 5, 2)).astype(np.float32)
    encoded = codec.encode(keypoints, np.array([[1, 1, 0, 1, 1]]))
    assert encoded['keypoint_weights'].sum(1).tolist() == [[4, 4, 0]]
    decoded, scores = codec.decode(encoded['keypoint_labels'], np.full((1, 5, 3), [0.2, 0.1, 9.0]))
    np.testing.assert_allclose(decoded, keypoints, atol=1e-4)
    np.testing.assert_allclose(scores, np.exp(-4 * (0.15**2) * 12), rtol=1e-5)
    with pytest.raises(ValueError, match=r'\(1, K, 2\)'):
        codec.encode(np.zeros((1, 5, 3)))
