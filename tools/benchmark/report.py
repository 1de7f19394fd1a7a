"""Output of a run: a record and a table per scenario, and a summary of all records in the folder.

    python tools/benchmark/report.py work_dirs/benchmark docs/benchmarks.md

puts the tables of a folder's records into a document, between `<!-- benchmark: NAME -->` and `<!-- end -->`.
"""
import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from mmpose_integral.utils.files import write_json, write_whole

# Columns of rows that come from measure.compare; a scenario's COLUMNS replace them.
COLUMNS = dict(case='what', contestant='how', unit='per', wall_us='wall, us', cpu_us='CPU, us',
               wall_ratio='times as fast, wall', cpu_ratio='times as fast, CPU', difference='largest difference')


def describe_machine(*packages: str) -> dict[str, Any]:
    """Processor, cores, GPU, system, load of the last minute, and versions of ``packages``; no name of the machine."""
    info = Path('/proc/cpuinfo')
    cpu = re.search(r'model name\s*: (.*)', info.read_text()) if info.is_file() else None
    installed = {distribution.name for distribution in metadata.distributions()}
    versions = dict(python=platform.python_version(),
                    **{name: metadata.version(name) for name in packages if name in installed})
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    if gpu:
        versions['cuda'] = torch.version.cuda
    return dict(cpu=cpu[1] if cpu else platform.processor() or platform.machine(), cores=os.cpu_count(), gpu=gpu,
                system=f'{platform.system()} {platform.machine()}', versions=versions,
                load=round(os.getloadavg()[0], 2) if hasattr(os, 'getloadavg') else None)


def write(folder: Path, record: dict[str, Any]) -> str:
    """Write ``SCENARIO.json``, ``SCENARIO.md`` and a new ``summary.md``; returns the Markdown of the scenario."""
    text = markdown(record)
    write_json(folder / f'{record["scenario"]}.json', record)
    write_whole(folder / f'{record["scenario"]}.md', text)
    write_whole(folder / 'summary.md', summary(folder))
    return text


def table(rows: Sequence[Sequence], columns: Sequence[str]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    rule = ['---', *['---:'] * (len(columns) - 1)]
    return '\n'.join('| ' + ' | '.join(map(str, row)) + ' |' for row in (columns, rule, *rows))


def markdown(record: dict[str, Any]) -> str:
    """A section: title, command, table, machine."""
    shown = {key: title for key, title in record['columns'].items()
             if any(row.get(key) is not None for row in record['rows'])}
    rows = [[cell(row.get(key)) for key in shown] for row in record['rows']
            if any(row.get(key) is not None for key in list(shown)[2:])]  # the others are for the summary
    machine = record['machine']
    gpu = f', {machine["gpu"]}' if machine['gpu'] else ''
    load = '' if machine['load'] is None else f', load {machine["load"]} before the run'
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    state = '' if record.get('complete', True) else 'Incomplete: the scenario failed or is still running.\n\n'
    cells = table(rows, list(shown.values())) + '\n\n' if rows else ''
    return (f'## {record["title"]}\n\n```\n{record["command"]}\n```\n\n{state}{cells}'
            f'{machine["cpu"]}, {machine["cores"]} cores{gpu}, {machine["system"]}{load}; {versions}.\n')


def cell(value: Any) -> str:
    """Text of a value in a table; triples are quartiles."""
    if value is None:
        return '-'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, (list, tuple)):
        low, middle, high = (number(part) for part in value)
        return f'{middle} ({low}-{high})'
    return str(value) if isinstance(value, (str, int)) else number(value)


def number(value: float) -> str:
    """Three significant digits; all digits before the point below 10 million."""
    return f'{value:.0f}' if value == 0 or 100 <= abs(value) < 1e7 else f'{value:#.3g}'


def summary(folder: Path) -> str:
    """Table of all rows with a target in the records of a folder; incomplete records are named."""
    rows = []
    for path in sorted(folder.glob('*.json')):
        record = json.loads(path.read_text(encoding='utf-8'))
        rows += [(f'{path.stem}: {row["case"]}, {row["contestant"]}', row['target'], row['measured'], cell(row['met']))
                 for row in record.get('rows', ()) if row.get('target')]
        if not record.get('complete', True):
            rows.append((path.stem, '-', 'incomplete', '-'))
    return table(rows, ('what', 'target', 'measured', 'met?')) + '\n'


def update_document(folder: Path, path: Path) -> list[str]:
    """Fill a document's blocks from the complete records of a folder; returns the names of their scenarios."""
    text, done = path.read_text(encoding='utf-8'), []
    for file in sorted(folder.glob('*.json')):
        record = json.loads(file.read_text(encoding='utf-8'))
        block = re.compile(rf'(<!-- benchmark: {re.escape(file.stem)} -->\n).*?(<!-- end -->)', re.DOTALL)
        if record.get('complete', True) and block.search(text):
            body = markdown(record).split('\n\n', 1)[1]
            text = block.sub(lambda match, body=body: f'{match[1]}\n{body}\n{match[2]}', text)
            done.append(file.stem)
    if not done:
        raise ValueError(f'{path}: it has no block <!-- benchmark: NAME --> of a complete record in {folder}')
    write_whole(path, text)
    return done


if __name__ == '__main__':
    print(f'filled: {", ".join(update_document(*map(Path, sys.argv[1:])))}')
