"""Stop each step of a small chain at random moments, run it again, and compare its products with an undisturbed run's.

A trial starts from the products of the steps before. A kill sends SIGKILL to the leader of the process group, Ctrl-C
sends SIGINT to the whole group, and a pair starts the same commands twice at once. Then the commands run to the end. A
trial is passed if

- no process of the stopped job remains, and no file with its final name is incomplete;
- the next run ends without an error or traceback, and its products are those of the undisturbed run, value for value.

`products.py` lists what is not compared, such as times. The quickstart is stopped several times within one run, and its
products are compared at the end. The records are in WORK_DIR/results.json; the same command continues a stopped run.
"""
import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chain import SmallChain
from trials import FAULTS, Trials, moments

from mmpose_integral.cli.main import run_safely
from mmpose_integral.utils.files import write_json
from mmpose_integral.utils.locks import lock_folder
from mmpose_integral.utils.outputs import output_folder

STAGES = ('index', 'boxes', 'train-2d', 'keypoints-2d', 'cameras', 'train', 'evaluate', 'submit', 'quickstart')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--work-dir', type=output_folder, default=Path('work_dirs/kill_test'),
                        help='folder of all products (default: %(default)s)')
    parser.add_argument('--kills', type=int, default=50, help='number of kills, divided among the stages (default: 50)')
    parser.add_argument('--ctrl-cs', type=int, default=0, help='number of Ctrl-C, divided likewise (default: 0)')
    parser.add_argument('--pairs', type=int, default=0, help='number of pairs, divided likewise (default: 0)')
    parser.add_argument('--stages', nargs='+', choices=STAGES, default=STAGES, metavar='STAGE',
                        help=f'stages to disturb (default: {" ".join(STAGES)})')
    parser.add_argument('--seed', type=int, default=0, help='seed of the moments (default: 0)')
    return parser.parse_args(argv)


def divide(count: int, stages: Sequence[str]) -> dict[str, int]:
    """Divide a number into parts that differ by at most one; the first stages get the larger ones."""
    return {stage: count // len(stages) + (number < count % len(stages)) for number, stage in enumerate(stages)}


def disturb(trials: Trials, plan: dict[str, list[float]], entry: dict[str, Any], save: Callable[[], None]) -> None:
    """Add the trials of a stage to its entry of the results, as far as they are missing."""
    for fault, shares in plan.items():
        done = sum(record['fault'] == fault for record in entry['trials'])
        for record in trials.run(fault, shares[done:], in_a_row=trials.name == 'quickstart'):
            entry['trials'].append(dict(fault=fault, **record))
            save()
            print(f'{trials.name}: {json.dumps(entry["trials"][-1])}', flush=True)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run the stages and their trials in the work folder, whose lock is held; return the results by stage."""
    path = args.work_dir / 'results.json'
    settings = {name: value for name, value in vars(args).items() if name != 'work_dir'} | dict(stages=[*args.stages])
    results = json.loads(path.read_text()) if path.exists() else dict(settings=settings, stages={})
    if results['settings'] != settings:
        raise SystemExit(f'{args.work_dir} holds a run with {results["settings"]}, not {settings}; choose another '
                         '--work-dir, or delete it')
    counts = {fault: divide(count, args.stages) for fault, count in zip(
        FAULTS, (args.kills, args.ctrl_cs, args.pairs), strict=True)}
    small = SmallChain(args.work_dir / 'chain')
    last = max((STAGES.index(stage) + 1 for stage in args.stages if stage != 'quickstart'), default=0)
    needed = [*(('standin', *STAGES[:last]) if last else ()), *(['quickstart'] if 'quickstart' in args.stages else [])]
    for stage in needed:
        entry = results['stages'].setdefault(stage, {})
        if entry.get('finished'):
            continue
        folder = args.work_dir / ('quickstart' if stage == 'quickstart' else 'chain')
        folder.mkdir(exist_ok=True)
        commands = [('quickstart', small.arguments(folder))] if stage == 'quickstart' else small.commands_of(stage)
        trials = Trials(stage, commands, folder, args.work_dir / f'{stage}.log',
                        dict(STANDIN_ROOT=str(folder / 'data')), entry.get('before'))
        entry.setdefault('trials', [])
        entry.update(before=trials.before, seconds=round(trials.seconds, 1), problems=trials.problems)

        def save() -> None:
            write_json(path, results)

        save()
        disturb(trials, {fault: moments(args.seed, stage, fault, counts[fault].get(stage, 0)) for fault in FAULTS},
                entry, save)
        entry['finished'] = True
        save()
    return results['stages']


def table(stages: dict[str, Any]) -> str:
    """Markdown table of the results, and a line per problem."""
    lines = ['| stage | CPU time, s | trials | stopped in time | passed |', '| --- | --- | --- | --- | --- |']
    lines += [f'| {stage} | {entry["seconds"]} | {len(entry["trials"])} | '
              f'{sum(record.get("stopped", True) for record in entry["trials"])} | '
              f'{sum(not record["problems"] for record in entry["trials"])} |' for stage, entry in stages.items()]
    lines += [f'{stage}, {record.get("fault", "undisturbed")} {record.get("at_s", "")}: {problem}'
              for stage, entry in stages.items() for record in [entry, *entry['trials']]
              for problem in record['problems']]
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    with lock_folder(args.work_dir, 'kill test'):
        stages = run(args)
    print(table(stages))
    return int(any(record['problems'] for entry in stages.values() for record in [entry, *entry['trials']]))


if __name__ == '__main__':
    raise SystemExit(run_safely(main))
