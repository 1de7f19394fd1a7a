"""A training that takes seconds: the tiny stand-in data, its truth in place of models, and a tiny network."""
import importlib.util
import json
import sys
from pathlib import Path
from unittest import mock

REPO = Path(__file__).resolve().parents[1]

CONFIG = '''
_base_ = ['{repo}/configs/_base_/default_runtime.py', '{repo}/configs/_base_/schedules/plateau.py']
annotations = '{annotations}/'
codec = dict(type='Integral3DLabel', input_size=(32, 64))
model = dict(
    type='Integral3DEstimator', data_preprocessor=dict(type='PoseDataPreprocessor', mean=[120.] * 3, std=[60.] * 3),
    backbone=dict(type='ResNet', depth=18, base_channels=8),
    head=dict(type='Integral3DHead', in_channels=64, num_joints=18, depth_bins=8, deconv_out_channels=(16, 16),
              deconv_kernel_sizes=(4, 4), loss=dict(type='CoordinateL1Loss'), decoder=codec))
load = dict(type='LoadImage', color_type='color_ignore_orientation')
box = dict(type='GetBBoxCenterScale', padding=1.25)
augment = [
    dict(type='RandomCropBox', input_size=(32, 64)), dict(type='TopdownAffine3D', input_size=(32, 64)),
    dict(type='RandomFlip3D', prob=0.5), dict(type='RandomChannelGain', gain=0.2),
    dict(type='GenerateTarget', encoder=codec), dict(type='PackPose3DInputs')]
train_dataloader = dict(
    batch_size=4, num_workers=0,
    sampler=dict(type='EqualPartsSampler', seed=0), batch_sampler=dict(type='EqualPartsBatchSampler'),
    dataset=dict(type='MixedPoseDataset', datasets=[
        dict(type='H80KDataset', data_root='{standin}/h80k', ann_file=annotations + 'h80k_train.npz',
             bbox_file=annotations + 'h80k_train_boxes.json',
             camera_file=annotations + 'h80k_train_cameras.npz',
             pipeline=[load, dict(type='FitWeakPerspective'), box, *augment]),
        dict(type='ZeroBasedMpiiDataset', data_root='{standin}/mpii', ann_file='annotations/mpii_train.json',
             data_prefix=dict(img='images/'),
             pipeline=[load, dict(type='KeypointConverter3D', source='mpii'), dict(type='GetBBoxFromKeypoints'), box,
                       *augment])]))
val_dataloader = dict(
    batch_size=2, num_workers=0, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='H80KDataset', data_root='{standin}/h80k', ann_file=annotations + 'h80k_val.npz',
        bbox_file=annotations + 'h80k_val_boxes.json', test_mode=True,
        pipeline=[load, box, dict(type='TopdownAffine3D', input_size=(32, 64)), dict(type='PackPose3DInputs')]))
test_dataloader = val_dataloader
val_evaluator = dict(
    type='H80KMetric', index_files=dict(train=annotations + 'h80k_train.npz', val=annotations + 'h80k_val.npz'))
test_evaluator = val_evaluator
custom_hooks = [dict(type='SyncBuffersHook'), {{{{_base_.early_stopping}}}}]
randomness = dict(seed=0)
'''


def prepare(standin, folder):
    """Write indexes, boxes and 2D joints of Train (12 frames) and Val (7, an odd number) to ``folder``.

    Args:
        standin (Path): of the fixture of this name.
        folder (Path): where to.
    """
    from mmpose_integral.formats.h80k_index import load_index, save_index
    from mmpose_integral.synthetic.prepare import prepare_from_truth
    prepare_from_truth(standin, folder, ('train', 'val'))
    # Seven frames do not divide evenly between two ranks.
    index, boxes = load_index(folder / 'h80k_val.npz'), folder / 'h80k_val_boxes.json'
    save_index(index._replace(**{
        field: getattr(index, field)[:7] for field in ('frame_ids', 'img_paths', 'img_sizes', 'keypoints_mm')
    }), folder / 'h80k_val.npz')
    boxes.write_text(json.dumps(json.loads(boxes.read_text())[:7]))


def run_tool(name, *args):
    """Run a tool in this process: a process of its own takes longer than its work here.

    Args:
        name (str): of a file in ``tools``, without ``.py``.
        *args (object): command line.

    Returns:
        object: what ``main`` returned, or the message or status that it stopped with.
    """
    spec = importlib.util.spec_from_file_location(f'tool_{name}', REPO / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with mock.patch.object(sys, 'argv', [f'{name}.py', *map(str, args)]):
        try:
            return module.main()
        except SystemExit as stop:
            return stop.code


def evaluate(config, checkpoint=None, predictions=None, **options):
    """Evaluate in this process, as ``tools/test.py`` does in one of its own.

    Args:
        config (Path): of :func:`write_config`, say.
        checkpoint (Path, optional): none for an ensemble.
        predictions (Path, optional): where to write them.
        **options: entries of the config, with ``__`` for a dot.

    Returns:
        dict[str, float]: the metrics.
    """
    from mmengine.config import Config
    from mmengine.runner import Runner
    cfg = Config.fromfile(config)
    cfg.merge_from_dict({name.replace('__', '.'): value for name, value in options.items()})
    cfg.load_from = checkpoint and str(checkpoint)
    cfg.work_dir, cfg.experiment_name = str(Path(config).parent / 'evaluations'), f'{Path(config)}{options}'
    cfg.test_evaluator.outfile = predictions and str(predictions)
    return Runner.from_cfg(cfg).test()


def write_config(standin, folder, path, extra=''):
    """Write a config that trains on the products of :func:`prepare`.

    Args:
        standin (Path): of the fixture of this name.
        folder (Path): with the products.
        path (Path): the config to write.
        extra (str): lines to append.

    Returns:
        Path: ``path``.
    """
    path.write_text(CONFIG.format(repo=REPO, standin=standin, annotations=folder) + extra)
    return path
