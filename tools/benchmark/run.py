"""Measure what docs/benchmarks.md reports: each scenario times baseline and candidate in turns, in one run.

Name scenarios first (default: all), then options; `run.py cameras --help` lists those of a scenario.
"""
import argparse
import importlib
import itertools
import os
import sys
import tempfile
from pathlib import Path

# numpy's BLAS reads it when it is imported; its waiting threads would count as computing time.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import report
from measure import ResultsDiffer

# In the order of docs/benchmarks.md. A scenario is a module beside this file; README.md tells what it has.
SCENARIOS = ('cameras', 'metrics', 'preparation', 'soft_argmax', 'data_loading', 'training_step', 'loss_curves',
             'inference', 'visualizer', 'onnx_runtime')
COMMON = ('quick', 'rounds', 'threads', 'device')


def parse_args(args=None):
    """Arguments, the modules of the chosen scenarios, and the parser's actions by scenario."""
    args = sys.argv[1:] if args is None else list(args)
    names = list(itertools.takewhile(lambda word: not word.startswith('-'), args))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage='run.py [SCENARIO ...] [options]',
                                     epilog=f'scenarios: {", ".join(SCENARIOS)}')
    parser.add_argument('--quick', action='store_true', help='small sizes, seconds: to try it, not to measure')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'), help='folder of records and tables')
    parser.add_argument('--rounds', type=int, help="timed runs of each contestant (default: the scenario's)")
    parser.add_argument('--threads', type=int, default=1, help='of torch and OpenCV (default: 1)')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu', help='for the scenarios that use torch')
    unknown = set(names) - set(SCENARIOS)
    if unknown:
        parser.error(f'no scenario {", ".join(sorted(unknown))}; there are {", ".join(SCENARIOS)}')
    modules, actions = {}, {}
    for name in names or SCENARIOS:
        modules[name] = importlib.import_module(name)
        group = parser.add_argument_group(f'{name}: {modules[name].TITLE}')
        modules[name].add_arguments(group)
        actions[name] = list(group._group_actions)
    common = [action for action in parser._actions if action.dest in COMMON]
    parsed = parser.parse_args(args[len(names):])
    if parsed.threads < 1 or (parsed.rounds is not None and parsed.rounds < 1):
        parser.error('--threads, --rounds: numbers above 0 expected')
    return parsed, modules, {name: common + own for name, own in actions.items()}


def command_of(name, actions, args):
    """The command line that runs one scenario again; files by their names only."""
    words = ['python tools/benchmark/run.py', name]
    for action in actions:
        value = getattr(args, action.dest)
        if value != action.default:
            values = map(str, value if isinstance(value, list) else [] if value is True else [value])
            words += [action.option_strings[0], *(Path(one).name if Path(one).is_absolute() else one for one in values)]
    return ' '.join(words)


def run_one(name, module, actions, args):
    """Run a scenario and write what it gives."""
    if args.device == 'cuda' and not importlib.import_module('torch').cuda.is_available():
        raise ValueError('--device cuda: torch finds no GPU here')
    if 'cv2' in sys.modules:
        sys.modules['cv2'].setNumThreads(args.threads)
    if 'torch' in sys.modules:
        sys.modules['torch'].set_num_threads(args.threads)
    machine = report.describe_machine('numpy', *getattr(module, 'PACKAGES', ()))
    with tempfile.TemporaryDirectory(prefix='benchmark_') as work:
        args.work = Path(work)
        rows = module.run(args)
    record = dict(scenario=name, title=module.TITLE, what=module.__doc__, command=command_of(name, actions, args),
                  columns=getattr(module, 'COLUMNS', report.COLUMNS), machine=machine, rows=rows)
    print(report.write(args.out, name, record))


def main(args=None):
    """Run the tool; returns the exit status."""
    args, modules, actions = parse_args(args)
    failed = False
    for name, module in modules.items():
        try:
            run_one(name, module, actions[name], args)
        except (ResultsDiffer, FileNotFoundError, ValueError, ImportError) as error:
            print(f'{name}: {error}', file=sys.stderr)
            failed = True
    print(f'{args.out}: records, tables, summary.md\n\n{report.summary(args.out)}')
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
