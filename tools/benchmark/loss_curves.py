"""Train the same model plainly and fast, several seeds each, and compare the loss curves: plot and one number.

Plain is float32, contiguous, the reference integral, torch's Adam, losses read after each step; fast is what
mmpose_integral.engine.make_fast makes of the same config. A seed gives both the same first weights, samples and
augmentation. STANDIN_ROOT says where the stand-in data with its prepared files lies.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from timing import describe_machine

import mmpose_integral  # noqa: F401  registers everything
from mmpose_integral.engine import make_fast
from mmpose_integral.preparation.files import replace_when_done

REPO = Path(__file__).resolve().parents[2]
COLORS = dict(plain='#D55E00', fast='#0072B2')


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default=str(REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'))
    parser.add_argument('--backbone', metavar='CHECKPOINT', help='of a 2D model to start from, as the quickstart does; '
                        'default: random weights')
    parser.add_argument('--iterations', type=int, default=250)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='two at least')
    parser.add_argument('--workers', type=int, default=1, help='data loading processes')
    parser.add_argument('--smooth', type=int, default=25, help='steps of the moving mean of the plot')
    parser.add_argument('--final', type=int, default=50, help='last steps, whose mean loss is compared')
    parser.add_argument('--no-compile', action='store_true', help='on a GPU: without torch.compile')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark/loss_curves.png'),
                        help='plot; the record goes beside it, .json')
    args = parser.parse_args(args)
    if len(args.seeds) < 2 or not 0 < max(args.final, args.smooth) <= args.iterations:
        parser.error('--seeds: two at least; --final and --smooth: from 1 to --iterations expected')
    return args


def build_config(args, kind, seed, work_dir):
    """Config of one training of ``args.iterations`` steps; ``kind`` is 'plain' or 'fast'."""
    cfg = Config.fromfile(args.config)
    cfg.custom_hooks = [hook for hook in cfg.get('custom_hooks', ()) if hook.type == 'SkeletonLengthHook']
    if kind == 'fast':
        make_fast(cfg, compiled=not args.no_compile)
    else:
        cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(cfg.optim_wrapper.optimizer))
        cfg.optim_wrapper.optimizer.pop('fused', None)
        cfg.model.head.backend = 'reference'
    warm_up = max(1, args.iterations // 14)
    cfg.merge_from_dict({
        'train_cfg': dict(_delete_=True, by_epoch=False, max_iters=args.iterations),
        'train_dataloader.num_workers': args.workers, 'train_dataloader.persistent_workers': args.workers > 0,
        'train_dataloader.pin_memory': torch.cuda.is_available(), 'train_dataloader.sampler.seed': seed,
        'default_hooks.checkpoint': dict(_delete_=True, type='CheckpointHook', interval=-1, save_last=False),
        'default_hooks.logger.interval': 50, 'log_processor.by_epoch': False, 'visualizer.vis_backends': [],
        'randomness': dict(seed=seed)})
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.05, end=warm_up, by_epoch=False),
        dict(type='CosineAnnealingLR', begin=warm_up, end=args.iterations, T_max=args.iterations - warm_up,
             eta_min_ratio=0.005, by_epoch=False)]
    if args.backbone:
        cfg.model.backbone.init_cfg = dict(type='Pretrained', prefix='backbone.', checkpoint=args.backbone)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.work_dir, cfg.experiment_name = str(work_dir), f'{kind}-{seed}-{Path(work_dir).name}'
    return cfg


def train(args, kind, seed, work_dir):
    """Loss of each step, (iterations,)."""
    runner = Runner.from_cfg(build_config(args, kind, seed, work_dir))
    runner.train()
    return np.array(runner.message_hub.get_scalar('train/loss_kpt').data[0])


def compare(losses, final):
    """Final losses of both kinds, and their difference beside the noise of the seeds.

    Args:
        losses (dict[str, np.ndarray]): ``plain`` and ``fast``, (seeds, iterations).
        final (int): last steps of which the mean is taken.

    Returns:
        dict: of each kind ``mean`` and ``std`` (of single seeds); ``difference`` fast - plain, and
        ``difference_in_std``, the same over the pooled standard deviation of single seeds; ``of_same_seed``, fast -
        plain of each seed.
    """
    ends = {kind: curves[:, -final:].mean(axis=1) for kind, curves in losses.items()}
    pooled = np.sqrt(np.mean([end.var(ddof=1) for end in ends.values()]))
    difference = ends['fast'].mean() - ends['plain'].mean()
    return dict({kind: dict(mean=float(end.mean()), std=float(end.std(ddof=1))) for kind, end in ends.items()},
                difference=float(difference), difference_in_std=float(difference / pooled),
                of_same_seed=(ends['fast'] - ends['plain']).tolist())


def moving_mean(curves, steps):
    """(seeds, iterations) -> (seeds, iterations - steps + 1)."""
    return np.stack([np.convolve(curve, np.full(steps, 1 / steps), 'valid') for curve in curves])


def plot(losses, result, args):
    """Moving means of each seed, thin, and of their mean, thick, with the band that the seeds span."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(8, 4.5), layout='constrained')
    axes = figure.subplots()
    steps = np.arange(args.smooth, args.iterations + 1)
    for kind, curves in losses.items():
        smooth = moving_mean(curves, args.smooth)
        label = f'{kind}: {result[kind]["mean"]:.4f} ± {result[kind]["std"]:.4f} in the end'
        axes.fill_between(steps, smooth.min(axis=0), smooth.max(axis=0), color=COLORS[kind], alpha=.2, lw=0)
        axes.plot(steps, smooth.mean(axis=0), color=COLORS[kind], lw=2, label=label,
                  linestyle='-' if kind == 'plain' else '--')
    axes.set(xlabel='training step', xlim=(0, args.iterations),
             ylabel=f'L1 loss, mean of {args.smooth} steps')
    axes.set_title(f'mean and span of {len(args.seeds)} seeds; the ends differ by '
                   f'{abs(result["difference_in_std"]):.2f} standard deviations of a seed', fontsize=10)
    axes.legend(frameon=False)
    axes.grid(alpha=.3)
    with replace_when_done(args.out) as temporary:
        figure.savefig(temporary, dpi=100)


def main(args=None):
    """Run the tool; returns the record."""
    args = parse_args(args)
    losses = dict(plain=[], fast=[])
    with tempfile.TemporaryDirectory(prefix='loss_curves_') as work:
        for seed in args.seeds:
            for kind, curves in losses.items():
                curves.append(train(args, kind, seed, work))
    losses = {kind: np.stack(curves) for kind, curves in losses.items()}
    result = compare(losses, args.final)
    plot(losses, result, args)
    record = dict(config=Path(args.config).name, iterations=args.iterations, seeds=args.seeds, final=args.final,
                  machine=describe_machine('torch', 'numpy', 'mmpose'), result=result,
                  losses={kind: curves.round(6).tolist() for kind, curves in losses.items()})
    with replace_when_done(args.out.with_suffix('.json')) as temporary:
        temporary.write_text(json.dumps(record) + '\n')
    print(json.dumps(result, indent=1))
    return record


if __name__ == '__main__':
    main()
    sys.exit(0)
