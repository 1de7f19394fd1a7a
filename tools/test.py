"""Evaluate a checkpoint on a config's test data."""
import argparse
import os

import mmengine
from mmengine.hooks import Hook
from mmengine.runner import Runner

import mmpose_integral  # noqa: F401  registers everything and makes checkpoints loadable
from mmpose_integral.engine.tool_config import add_common_arguments, load_config, start_processes
from mmpose_integral.engine.weights import check_runner
from mmpose_integral.utils.files import replace_when_done


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file; none for an ensemble, whose config names them')
    parser.add_argument('--out', help='write the metrics to this file (json, yaml or pkl)')
    parser.add_argument('--predictions', metavar='NPZ',
                        help='write H80K predictions to this file, for tools/ensemble.py')
    parser.add_argument('--dump', help='write all predictions to this file (pkl)')
    add_common_arguments(parser)
    return parser.parse_args()


class WriteMetrics(Hook):
    """Write the metrics of a test run to a file, complete or not at all."""

    def __init__(self, path):
        self.path = path

    def after_test_epoch(self, runner, metrics=None):
        if runner.rank == 0:
            with replace_when_done(self.path) as temporary:
                mmengine.dump(metrics, temporary)


def apply_arguments(cfg, args):
    """Put the tool's own arguments into the config."""
    is_ensemble = 'members' in cfg.model
    if args.checkpoint is None and not is_ensemble:
        raise SystemExit(f'{args.config}: a checkpoint is needed, as second argument; only ensembles name their own')
    if args.checkpoint and not os.path.isfile(args.checkpoint) and '://' not in args.checkpoint:
        raise SystemExit(f'{args.checkpoint}: no such checkpoint')
    if args.checkpoint and is_ensemble:
        raise SystemExit(f'{args.config}: an ensemble names its own checkpoints, none is expected beside it; got '
                         f'{args.checkpoint}')
    cfg.load_from, cfg.resume = args.checkpoint, False  # a config from a work folder may say resume
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, (list, tuple)) else [cfg.test_evaluator]
    if args.predictions:
        metrics = [evaluator for evaluator in evaluators if evaluator.type == 'H80KMetric']
        if not metrics or not args.predictions.endswith('.npz'):
            raise SystemExit(f'--predictions: a name that ends in .npz, and a config with H80KMetric expected, got '
                             f'{args.predictions} and {[evaluator.type for evaluator in evaluators]}')
        metrics[0].outfile = args.predictions
    if args.dump:
        if not args.dump.endswith(('.pkl', '.pickle')):
            raise SystemExit(f'--dump: a name that ends in .pkl expected, got {args.dump}')
        cfg.test_evaluator = [*evaluators, dict(type='DumpResults', out_file_path=args.dump)]
    cfg.merge_from_dict(args.cfg_options)


def main():
    args = parse_args()
    cfg = load_config(args)
    apply_arguments(cfg, args)
    start_processes(cfg)
    runner = Runner.from_cfg(cfg)
    if args.out:
        runner.register_hook(WriteMetrics(args.out), 'LOWEST')
    if cfg.load_from:
        check_runner(runner, cfg.load_from)
    runner.test()


if __name__ == '__main__':
    main()
