"""The hooks that draw while a model is evaluated."""
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from bodies import LENGTH, make_sample
from mmpose.engine.hooks import PoseVisualizationHook
from mmpose.registry import HOOKS
from PIL import Image


def make_runner(tmp_path, length=None):
    metrics = [SimpleNamespace(bone_lengths={'per-frame': 'per-frame', 'train+val': length})] if length else []
    evaluator = SimpleNamespace(dataset_meta=dict(dataset_name='h80k'), metrics=metrics)
    return SimpleNamespace(val_evaluator=evaluator, test_evaluator=evaluator, work_dir=str(tmp_path), timestamp='now',
                           iter=0, epoch=2)


@pytest.fixture
def path(tmp_path, image):
    """File of a frame."""
    cv2.imwrite(str(tmp_path / '00007.jpg'), image)
    return tmp_path / '00007.jpg'


@pytest.mark.parametrize('kind', ['PoseVisualizationHook', 'IntegralVisualizationHook'])
def test_both_hooks_write_pictures(visualizer, path, tmp_path, kind):
    hook = HOOKS.build(dict(type=kind, enable=True, interval=1, out_dir='shown'))
    assert isinstance(hook, PoseVisualizationHook)
    runner, sample = make_runner(tmp_path, LENGTH), make_sample(path)
    hook.after_test_iter(runner, 0, None, [sample, make_sample(path)])
    names = sorted(file.name for file in (tmp_path / 'now' / 'shown').iterdir())
    assert len(names) == 2 and all(name.startswith('00007') for name in names)
    hook.after_val_iter(runner, 0, dict(data_samples=[sample]), [sample])
    assert len(list(tmp_path.rglob('val*_*.png'))) == 1


def test_interval_bone_length_and_truth(visualizer, path, tmp_path, monkeypatch):
    calls, draw = [], visualizer.add_datasample
    monkeypatch.setattr(visualizer, 'add_datasample', lambda *a, **k: calls.append(k) or draw(*a, **k))
    hook = HOOKS.build(dict(type='IntegralVisualizationHook', enable=True, interval=2, out_dir='shown'))
    runner = make_runner(tmp_path, LENGTH)
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, None, [make_sample(path) for _ in range(3)])
    assert len(calls) == 2, 'the interval counts samples'
    assert calls[0]['draw_gt'] and calls[0]['bone_length'] == LENGTH and calls[0]['crop']
    hook.after_val_iter(runner, 1, None, [make_sample(path)])
    assert len(calls) == 2
    hook.after_val_iter(make_runner(tmp_path), 2, None, [make_sample(path)])
    assert calls[2]['bone_length'] is None
    HOOKS.build(dict(type='IntegralVisualizationHook')).after_test_iter(runner, 0, None, [make_sample(path)])
    assert len(calls) == 3, 'the hook is off by default'
    with pytest.raises(ValueError, match='interval'):
        HOOKS.build(dict(type='IntegralVisualizationHook', interval=0))


def test_images_are_read_as_rgb_without_their_orientation(visualizer, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    path = tmp_path / '00009.jpg'
    Image.new('RGB', (200, 120), (200, 90, 20)).save(path, exif=exif)
    images = []
    monkeypatch.setattr(visualizer, 'add_datasample', lambda name, image, **kwargs: images.append(image))
    hook = HOOKS.build(dict(type='IntegralVisualizationHook', enable=True, interval=1))
    hook.after_test_iter(make_runner(tmp_path), 0, None, [make_sample(path)])
    assert images[0].shape == (120, 200, 3)
    np.testing.assert_allclose(images[0].mean(axis=(0, 1)), (200, 90, 20), atol=3)
