"""Measure how errors of the boxes change MPJPE on the test data of a config.

The pipeline pads the boxes of the test data. PerturbBBox then perturbs them, with equal random draws in each run. There
are two sweeps: the scale of the box, and random errors of its edges, as a share of the padded side. The products are
box_sensitivity.csv and box_sensitivity.png.
"""
import argparse
import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from mmengine.config import ConfigDict
from mmengine.runner import Runner, TestLoop

from mmpose_integral.cli.argument_types import positive, seed, share
from mmpose_integral.engine.config_checks import apply_options
from mmpose_integral.engine.tool_config import add_common_arguments, explain_first_step, load_config, make_runner
from mmpose_integral.utils.files import check_file, write_rows
from mmpose_integral.utils.outputs import output_folder
from mmpose_integral.visualization import save_picture
from mmpose_integral.visualization.canvas import picture_of
from mmpose_integral.visualization.palette import BLUE

EXPECTED_ERRORS = (FileNotFoundError, )  # a ValueError during an evaluation needs its traceback
COLUMNS = ('scale', 'edge_std', 'mpjpe')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out-dir', type=output_folder, help='folder to write to (default: the work folder)')
    parser.add_argument('--scales', type=positive, nargs='+', default=[0.6, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0],
                        help='factors of the size of the box (default: 0.6 to 2)')
    parser.add_argument('--edge-stds', type=share, nargs='+', default=[0.0, 0.03, 0.06, 0.1, 0.15, 0.2],
                        help='standard deviations of the errors of an edge (default: 0 to 0.2)')
    parser.add_argument('--seed', type=seed, default=0, help='seed of the errors')
    add_common_arguments(parser)
    return parser.parse_args(argv)


def perturbed(dataloader: ConfigDict, scale: float, edge_std: float, seed: int) -> ConfigDict:
    """Copy the config of a dataloader and perturb its boxes; SystemExit if its pipeline has no GetBBoxCenterScale."""
    dataloader = copy.deepcopy(dataloader)
    pipeline = dataloader.dataset.pipeline
    steps = [step.type for step in pipeline]
    if 'GetBBoxCenterScale' not in steps:
        raise SystemExit(f'the test pipeline has no GetBBoxCenterScale, only {steps}')
    pipeline.insert(steps.index('GetBBoxCenterScale') + 1,
                    dict(type='PerturbBBox', scale=scale, edge_std=edge_std, seed=seed))
    return dataloader


def sweep(runner: Runner, args: argparse.Namespace) -> list[tuple[float, float, float]]:
    """Measure all settings; return ``COLUMNS`` of each setting, the last one in mm."""
    rows = []
    settings = [(scale, 0.0) for scale in args.scales] + [(1.0, std) for std in args.edge_stds if std > 0]
    for scale, edge_std in settings:
        loader = perturbed(runner.cfg.test_dataloader, scale, edge_std, args.seed)
        mpjpe = TestLoop(runner, loader, copy.deepcopy(runner.cfg.test_evaluator)).run()['h80k/MPJPE']
        rows.append((scale, edge_std, mpjpe))
        if runner.rank == 0:
            print(f'box x {scale:.2f}, edges +- {edge_std:.2f} of the side: MPJPE {mpjpe:.1f} mm', flush=True)
    return rows


def draw(rows: list[tuple[float, float, float]]) -> np.ndarray:
    """Draw both sweeps with a common axis of millimetres; (H, W, 3) uint8 RGB."""
    figure = Figure(figsize=(8, 3.4), dpi=120, layout='constrained')
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, points, label in (
            (left, [(scale, mpjpe) for scale, std, mpjpe in rows if std == 0], 'scale of the box'),
            (right, [(std, mpjpe) for scale, std, mpjpe in rows if scale == 1.0],
             'std of an edge, as a share of the padded side')):
        axis.plot(*np.array(sorted(points)).reshape(-1, 2).T, 'o-', color=BLUE)
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    left.set_ylabel('MPJPE, mm')
    left.set_ylim(bottom=0)
    return picture_of(figure)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_file(args.checkpoint, 'checkpoint')
    cfg = load_config(args)
    cfg.load_from = args.checkpoint
    apply_options(cfg, args.cfg_options)
    runner = make_runner(cfg)
    runner.load_or_resume()
    runner.call_hook('before_run')
    with explain_first_step(runner):
        rows = sweep(runner, args)
    if runner.rank == 0:
        out = args.out_dir or Path(cfg.work_dir)
        write_rows(out / 'box_sensitivity.csv', COLUMNS, rows)
        save_picture(draw(rows), out / 'box_sensitivity.png')
        print(f'{out}/box_sensitivity.csv and .png')
    return 0
