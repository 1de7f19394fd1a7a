"""The loss of the same model, trained plainly and fast, with several seeds each.

The baseline is float32, contiguous, the reference integral, torch's Adam; fast is what mmpose_integral.engine.make_fast
makes of the same config. A seed gives both the same first weights, samples and augmentation. STANDIN_ROOT is the folder
of the stand-in data with its prepared files.
"""
import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from training_step import CONFIGS, make_plain

import mmpose_integral  # noqa: F401  registers everything
from mmpose_integral.engine import make_fast

TITLE = 'Loss of plain and fast training'
PACKAGES = ('torch', 'mmpose')
COLUMNS = dict(case='loss', contestant='how', mean='mean of the seeds', std='standard deviation of a seed',
               difference='fast - plain', in_std='the same in standard deviations', same_seed='the same, seed by seed')


def add_arguments(parser):
    """Options of this scenario."""
    parser.add_argument('--loss-curves-config', default=str(CONFIGS / 'quickstart' / 'integral_r18_standin.py'))
    parser.add_argument('--loss-curves-backbone', metavar='CHECKPOINT', help='2D model to start from, as the '
                        'quickstart does; default: random weights')
    parser.add_argument('--loss-curves-iterations', type=int, default=250)
    parser.add_argument('--loss-curves-seeds', type=int, nargs='+', default=[0, 1, 2], help='two at least')
    parser.add_argument('--loss-curves-workers', type=int, default=1, help='data loading processes')


def run(args):
    """One row per way of training."""
    if args.quick:
        args.loss_curves_iterations, args.loss_curves_workers = 3, 0
    if len(args.loss_curves_seeds) < 2:
        raise ValueError('--loss-curves-seeds: two at least expected')
    losses = dict(plain=[], fast=[])
    for seed in args.loss_curves_seeds:
        for kind, curves in losses.items():
            runner = Runner.from_cfg(build_config(args, kind, seed))
            runner.train()
            curves.append(np.array(runner.message_hub.get_scalar('train/loss_kpt').data[0]))
    final = max(1, args.loss_curves_iterations // 5)
    return rows_of(f'last {final} of {args.loss_curves_iterations} steps', losses, final)


def build_config(args, kind, seed):
    """Config of one training; ``kind`` is 'plain' or 'fast'."""
    cfg = Config.fromfile(args.loss_curves_config)
    cfg.custom_hooks = [hook for hook in cfg.get('custom_hooks', ()) if hook.type == 'SkeletonLengthHook']
    make_fast(cfg) if kind == 'fast' else make_plain(cfg)
    steps, workers = args.loss_curves_iterations, args.loss_curves_workers
    warm_up = max(1, steps // 14)
    cfg.merge_from_dict({
        'train_cfg': dict(_delete_=True, by_epoch=False, max_iters=steps),
        'train_dataloader.num_workers': workers, 'train_dataloader.persistent_workers': workers > 0,
        'train_dataloader.pin_memory': torch.cuda.is_available(), 'train_dataloader.sampler.seed': seed,
        'default_hooks.checkpoint': dict(_delete_=True, type='CheckpointHook', interval=-1, save_last=False),
        'default_hooks.logger.interval': 50, 'log_processor.by_epoch': False, 'visualizer.vis_backends': [],
        'randomness': dict(seed=seed)})
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.05, end=warm_up, by_epoch=False),
        dict(type='CosineAnnealingLR', begin=warm_up, end=steps, T_max=steps - warm_up, eta_min_ratio=0.005,
             by_epoch=False)]
    if args.loss_curves_backbone:
        cfg.model.backbone.init_cfg = dict(type='Pretrained', prefix='backbone.', checkpoint=args.loss_curves_backbone)
    for part in ('cfg', 'dataloader', 'evaluator'):
        cfg[f'val_{part}'] = cfg[f'test_{part}'] = None
    cfg.work_dir, cfg.experiment_name = str(args.work), f'{kind}-{seed}-{args.work.name}'
    return cfg


def rows_of(case, losses, final):
    """Rows of both kinds: their final losses, and the difference beside the noise of the seeds.

    Args:
        case (str): Name of what is compared.
        losses (dict[str, list]): Losses of ``plain`` and of ``fast``, (seeds, iterations).
        final (int): Number of last steps of which the mean is taken.
    """
    ends = {kind: np.array(curves)[:, -final:].mean(axis=1) for kind, curves in losses.items()}
    rows = [dict(case=case, contestant=kind, mean=float(end.mean()), std=float(end.std(ddof=1)))
            for kind, end in ends.items()]
    each = ends['fast'] - ends['plain']
    rows[-1].update(difference=float(each.mean()), same_seed=', '.join(f'{one:+.3f}' for one in each),
                    in_std=float(each.mean() / np.sqrt(np.mean([row['std']**2 for row in rows]))))
    return rows
