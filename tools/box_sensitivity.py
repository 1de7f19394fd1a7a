"""Measure how much worse boxes cost: MPJPE on a config's test data against errors of the box's edges and its scale.

Boxes are those of the test data, padded as its pipeline says, then perturbed by PerturbBBox, in the same way in every
run. Two sweeps: their scale, and edges that err by a share of the padded side. Writes box_sensitivity.csv and .png.
"""
import argparse
import copy
import csv
import os
from pathlib import Path

import matplotlib
from mmengine.runner import Runner, TestLoop

import mmpose_integral  # noqa: F401  registers everything and makes checkpoints loadable
from mmpose_integral.engine.tool_config import add_common_arguments, load_config, start_processes
from mmpose_integral.utils.files import replace_when_done
from mmpose_integral.visualization.palette import BLUE

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out-dir', type=Path, help='default: the work folder')
    parser.add_argument('--scales', type=float, nargs='+', default=[0.6, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0])
    parser.add_argument('--edge-stds', type=float, nargs='+', default=[0.0, 0.03, 0.06, 0.1, 0.15, 0.2])
    parser.add_argument('--seed', type=int, default=0, help='of the errors')
    add_common_arguments(parser)
    return parser.parse_args()


def perturbed(dataloader, scale, edge_std, seed):
    """A dataloader's config whose boxes are perturbed.

    Raises:
        SystemExit: its pipeline has no ``GetBBoxCenterScale``.
    """
    dataloader = copy.deepcopy(dataloader)
    pipeline = dataloader.dataset.pipeline
    places = [i for i, step in enumerate(pipeline) if step.type == 'GetBBoxCenterScale']
    if not places:
        raise SystemExit(f'the test pipeline has no GetBBoxCenterScale, only {[step.type for step in pipeline]}')
    pipeline.insert(places[0] + 1, dict(type='PerturbBBox', scale=scale, edge_std=edge_std, seed=seed))
    return dataloader


def sweep(runner, args):
    """MPJPE of every setting.

    Returns:
        list[dict]: ``scale``, ``edge_std``, ``mpjpe`` (mm).
    """
    settings = [(scale, 0.0) for scale in args.scales] + [(1.0, std) for std in args.edge_stds if std > 0]
    rows = []
    for scale, edge_std in settings:
        loader = perturbed(runner.cfg.test_dataloader, scale, edge_std, args.seed)
        metrics = TestLoop(runner, loader, copy.deepcopy(runner.cfg.test_evaluator)).run()
        rows.append(dict(scale=scale, edge_std=edge_std, mpjpe=metrics['h80k/MPJPE']))
        if runner.rank == 0:
            mpjpe = rows[-1]['mpjpe']
            print(f'box x {scale:.2f}, edges +- {edge_std:.2f} of the side: MPJPE {mpjpe:.1f} mm', flush=True)
    return rows


def draw(rows, path):
    """Both sweeps, on one scale of millimetres."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout='constrained')
    exact = sorted((row['scale'], row['mpjpe']) for row in rows if row['edge_std'] == 0)
    jitter = sorted((row['edge_std'], row['mpjpe']) for row in rows if row['scale'] == 1.0)
    for axis, points, label in ((axes[0], exact, 'scale of the box'),
                                (axes[1], jitter, 'standard deviation of each edge, share of the padded side')):
        axis.plot(*zip(*points, strict=True), 'o-', color=BLUE)
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel('MPJPE, mm')
    axes[0].set_ylim(bottom=0)
    with replace_when_done(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)


def main():
    args = parse_args()
    if not os.path.isfile(args.checkpoint):
        raise SystemExit(f'{args.checkpoint}: no such checkpoint')
    cfg = load_config(args)
    cfg.load_from, cfg.resume = args.checkpoint, False  # a config from a work folder may say resume
    cfg.merge_from_dict(args.cfg_options)
    start_processes(cfg)
    runner = Runner.from_cfg(cfg)
    runner.load_or_resume()
    runner.call_hook('before_run')
    rows = sweep(runner, args)
    if runner.rank == 0:
        out = args.out_dir or Path(cfg.work_dir)
        with replace_when_done(out / 'box_sensitivity.csv') as temporary, open(temporary, 'w', newline='') as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        draw(rows, out / 'box_sensitivity.png')
        print(f'{out}/box_sensitivity.csv and .png')


if __name__ == '__main__':
    main()
