"""Measure the figures of docs/benchmarks.md: each scenario times baseline and candidate in turns, in one run.

Scenarios come first (default: all), options after them. `run.py cameras --help` lists the options of a scenario.
"""
import argparse
import importlib
import itertools
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

# numpy's BLAS reads it when it is imported. Its idle threads would count as CPU time.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import cv2
import report
import torch
from measure import ResultsDiffer

from mmpose_integral.cli.main import run_safely
from mmpose_integral.utils.outputs import output_folder

# In the order of docs/benchmarks.md. A scenario is a module beside this file; README.md describes its members.
SCENARIOS = ('cameras', 'metrics', 'preparation', 'soft_argmax', 'data_loading', 'training_step', 'inference',
             'visualizer', 'onnx_runtime', 'photo')
COMMON = ('quick', 'rounds', 'threads', 'device')


def parse_args(argv: Sequence[str]) -> tuple[argparse.Namespace, dict[str, ModuleType | None], dict[str, str]]:
    """Arguments, modules by scenario (None if the import failed), and commands that run one scenario again."""
    names = list(itertools.takewhile(lambda word: not word.startswith('-'), argv))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage='run.py [SCENARIO ...] [options]',
                                     epilog=f'scenarios: {", ".join(SCENARIOS)}')
    parser.add_argument('--quick', action='store_true', help='use small sizes: a trial in seconds, not a measurement')
    parser.add_argument('--out', type=output_folder, default='work_dirs/benchmark', help='folder of records and tables')
    parser.add_argument('--rounds', type=int, help="timed runs per contestant (default: the scenario's own number)")
    parser.add_argument('--threads', type=int, default=1, help='threads of torch and OpenCV (default: 1)')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu', help='device of the scenarios with torch')
    unknown = set(names) - set(SCENARIOS)
    if unknown:
        parser.error(f'unknown scenario {", ".join(sorted(unknown))}; the scenarios are {", ".join(SCENARIOS)}')
    modules: dict[str, ModuleType | None] = dict.fromkeys(names or SCENARIOS)
    for name in modules:
        try:
            module = modules[name] = importlib.import_module(name)
        except ImportError as error:
            print(f'{name}: {error}', file=sys.stderr)
            continue
        if hasattr(module, 'add_arguments'):
            module.add_arguments(parser.add_argument_group(f'{name}: {module.TITLE}'))
    args = parser.parse_args(argv[len(names):])
    if args.threads < 1 or (args.rounds is not None and args.rounds < 1):
        parser.error('--threads, --rounds: numbers above 0 expected')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: torch finds no GPU')
    return args, modules, {name: command_of(name, args, parser) for name in modules}


def command_of(name: str, args: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Command that runs one scenario again; absolute paths are shortened to the name of the file."""
    words = ['python tools/benchmark/run.py', name]
    for key, value in vars(args).items():
        if value != parser.get_default(key) and (key in COMMON or key.startswith(f'{name}_')):
            values = value if isinstance(value, list) else [] if value is True else [value]
            words.append('--' + key.replace('_', '-'))
            words += [Path(one).name if Path(str(one)).is_absolute() else str(one) for one in values]
    return ' '.join(words)


def run_one(name: str, module: ModuleType, command: str, args: argparse.Namespace) -> bool:
    """Run a scenario and write its record after each row; returns whether it was completed."""
    cv2.setNumThreads(args.threads)
    torch.set_num_threads(args.threads)
    record: dict[str, Any] = dict(
        scenario=name if args.device == 'cpu' else f'{name}_{args.device}', title=module.TITLE,
        what=module.__doc__, command=command, complete=False,
        columns=getattr(module, 'COLUMNS', report.COLUMNS),
        machine=report.describe_machine('numpy', *getattr(module, 'PACKAGES', ())), rows=[])
    try:
        with tempfile.TemporaryDirectory(prefix='benchmark_') as work:
            args.work = Path(work)
            for row in module.run(args):
                print(f'{name}: {row["case"]}, {row["contestant"]}', file=sys.stderr)
                record['rows'].append(row)
                report.write(args.out, record)
        record['complete'] = True
    except (ResultsDiffer, OSError, ValueError, ImportError) as error:
        print(f'{name}: {error}', file=sys.stderr)
    except Exception:  # the other scenarios still run
        print(f'{name}: {traceback.format_exc()}', file=sys.stderr)
    print(report.write(args.out, record), flush=True)
    return record['complete']


def main(argv: Sequence[str] | None = None) -> int:
    """Run the scenarios; returns 1 if one of them failed, else 0."""
    args, modules, commands = parse_args(sys.argv[1:] if argv is None else argv)
    failed = [name for name, module in modules.items()
              if module is None or not run_one(name, module, commands[name], args)]
    print(f'{args.out}: records, tables, summary.md\n\n{report.summary(args.out)}')
    if failed:
        print(f'not completed: {", ".join(failed)}; the errors are above', file=sys.stderr)
    return int(bool(failed))


if __name__ == '__main__':
    logging.disable(logging.INFO)  # mmengine's messages would hide the tables
    sys.exit(run_safely(main))
