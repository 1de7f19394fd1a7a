"""A training that takes seconds: the tiny stand-in data, its truth in place of models, and a tiny network."""
import json
from importlib import import_module
from pathlib import Path

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
    sampler=dict(type='EqualPartsSampler'), batch_sampler=dict(type='EqualPartsBatchSampler'),
    dataset=dict(type='MixedPoseDataset', datasets=[
        dict(type='H80KDataset', data_root='{standin}/h80k', ann_file=annotations + 'h80k_train.npz',
             bbox_file=annotations + 'h80k_train_boxes.json',
             camera_file=annotations + 'h80k_train_cameras.npz',
             pipeline=[load, dict(type='FitWeakPerspective'), box, *augment]),
        dict(type='ZeroBasedMpiiDataset', data_root='{standin}/mpii', ann_file='annotations/mpii_train.json',
             data_prefix=dict(img='images/'),
             pipeline=[load, dict(type='KeypointConverter3D', source='mpii'), dict(type='GetBBoxFromKeypoints'), box,
                       *augment])]))
crop, pack = dict(type='TopdownAffine3D', input_size=(32, 64)), dict(type='PackPose3DInputs')
evaluation_set = dict(
    type='H80KDataset', data_root='{standin}/h80k', ann_file=annotations + 'h80k_val.npz',
    bbox_file=annotations + 'h80k_val_boxes.json', test_mode=True, pipeline=[load, box, crop, pack])
test_dataloader = dict(
    batch_size=2, num_workers=0, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False), dataset=evaluation_set)
val_dataloader = dict(test_dataloader, dataset=dict(
    evaluation_set, camera_file=annotations + 'h80k_val_cameras.npz',
    pipeline=[load, dict(type='FitWeakPerspective'), box, crop, dict(type='GenerateTarget', encoder=codec), pack]))
val_evaluator = dict(
    type='H80KMetric', index_files=dict(train=annotations + 'h80k_train.npz', val=annotations + 'h80k_val.npz'))
test_evaluator = val_evaluator
custom_hooks = [dict(type='SyncBuffersHook'), {{{{_base_.early_stopping}}}}]
randomness = dict(seed=0)
'''


def prepare(standin, folder):
    """Write indexes, boxes and 2D joints of Train (12 frames) and Val (7 frames) of the stand-in to a folder."""
    from mmpose_integral.formats.h80k_index import load_index, save_index
    from mmpose_integral.synthetic.prepare import prepare_from_truth
    prepare_from_truth(standin, folder, ('train', 'val'))
    # Seven frames cannot be divided evenly between two ranks.
    index, boxes = load_index(folder / 'h80k_val.npz'), folder / 'h80k_val_boxes.json'
    save_index(index._replace(**{
        field: getattr(index, field)[:7] for field in ('frame_ids', 'img_paths', 'img_sizes', 'keypoints_mm')
    }, img_states=None, pose_states=None), folder / 'h80k_val.npz')
    boxes.write_text(json.dumps(json.loads(boxes.read_text())[:7]))


def write_config(standin, folder, path, extra=''):
    """Write a config that trains on the products of :func:`prepare`, with further lines at its end; return ``path``."""
    path.write_text(CONFIG.format(repo=REPO, standin=standin, annotations=folder) + extra)
    return path


def save_random_weights(config, path, seed=0, large_head=False, depth=None, **meta):
    """Write a checkpoint of the model of a config, with random weights; return ``path``.

    The output of a network at its initialisation hardly depends on the image. With ``large_head``, it does, because the
    weights of the head are larger. ``depth`` is that of another backbone.
    """
    import torch
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS
    init_default_scope('mmpose')
    torch.manual_seed(seed)
    cfg = (Config.fromfile(config) if isinstance(config, (str, Path)) else config).model
    if depth is not None:
        cfg.backbone.depth = depth
    model = MODELS.build(cfg)
    for parameter in model.head.parameters() if large_head else ():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


def run_tool(command, *args):
    """Run a command of ``mmpose_integral.cli.main.COMMANDS`` in this process, which is faster than another process.

    The exit status is returned, or the message of an error.
    """
    from mmpose_integral.cli.main import COMMANDS
    from mmpose_integral.utils.errors import explain
    module = import_module(f'mmpose_integral.cli.{COMMANDS[command][0]}')
    try:
        return module.main([*map(str, args)])
    except SystemExit as stop:
        return stop.code
    except Exception as error:
        message = explain(error, getattr(module, 'EXPECTED_ERRORS', (OSError, ValueError)))
        if message is None:
            raise
        return message


def evaluate(config, checkpoint, predictions=None, **options):
    """Metrics of a checkpoint, evaluated in this process as the command ``test`` does.

    ``options`` are entries of the config, with ``__`` for a dot.
    """
    from mmengine.config import Config
    from mmengine.runner import Runner
    cfg = Config.fromfile(config)
    cfg.merge_from_dict({name.replace('__', '.'): value for name, value in options.items()})
    cfg.load_from = str(checkpoint)
    cfg.work_dir, cfg.experiment_name = str(Path(config).parent / 'evaluations'), f'{Path(config)}{options}'
    cfg.test_evaluator.outfile = predictions and str(predictions)
    return Runner.from_cfg(cfg).test()


def files_in(folder):
    """Names of all files below a folder, relative to it, without the list that infer --skip-done keeps."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*')
                  if path.is_file() and path.name != '.images.jsonl')
