"""Evaluate a checkpoint on the test data of a config."""
import argparse
from collections.abc import Sequence

import mmengine
from mmengine.config import Config

from mmpose_integral.engine.config_checks import apply_options
from mmpose_integral.engine.tool_config import add_common_arguments, explain_first_step, load_config, make_runner
from mmpose_integral.utils.files import check_file, replace_when_done
from mmpose_integral.utils.outputs import check_arguments, output_file

EXPECTED_ERRORS = (FileNotFoundError, )  # a ValueError during an evaluation needs its traceback


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help=(
        'checkpoint file; left out for an ensemble, whose config names its checkpoints'))
    parser.add_argument('--out', type=output_file('.json', '.yaml', '.yml', '.pkl'),
                        help='write the metrics to this file (json, yaml or pkl)')
    parser.add_argument('--predictions', type=output_file('.npz'), metavar='NPZ',
                        help='write H80K predictions for the command ensemble')
    parser.add_argument('--dump', type=output_file('.pkl', '.pickle'), help='write all predictions to this file (pkl)')
    add_common_arguments(parser)
    return parser.parse_args(argv)


def apply_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Put the arguments of the command into the config."""
    if 'members' in cfg.model:
        if args.checkpoint:
            raise SystemExit(f'{args.config}: an ensemble names its own checkpoints, so no checkpoint is expected as '
                             f'an argument; got {args.checkpoint}')
    elif args.checkpoint is None:
        raise SystemExit(f'{args.config}: a checkpoint is expected as second argument; only ensembles name their own')
    else:
        check_file(args.checkpoint, 'checkpoint')
    cfg.load_from = args.checkpoint
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, (list, tuple)) else [cfg.test_evaluator]
    if args.predictions:
        metrics = [evaluator for evaluator in evaluators if evaluator.type == 'H80KMetric']
        if not metrics:
            raise SystemExit('--predictions: a config with H80KMetric is expected, got '
                             f'{[evaluator.type for evaluator in evaluators]}')
        metrics[0].outfile = args.predictions
    if args.dump:
        cfg.test_evaluator = [*evaluators, dict(type='DumpResults', out_file_path=args.dump)]
    apply_options(cfg, args.cfg_options)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_arguments(args, 'out', 'predictions', 'dump')
    cfg = load_config(args, 'test_dataloader', 'test_evaluator')
    apply_arguments(cfg, args)
    runner = make_runner(cfg)
    with explain_first_step(runner):
        metrics = runner.test()
    if args.out and runner.rank == 0:
        with replace_when_done(args.out) as temporary:
            mmengine.dump(metrics, temporary)
    return 0
