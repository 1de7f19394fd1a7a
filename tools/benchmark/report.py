"""What a run leaves behind: a record and a table per scenario, and a summary of all records in the folder.

    python tools/benchmark/report.py work_dirs/benchmark docs/benchmarks.md

puts the tables of a folder's records into a document, between `<!-- benchmark: NAME -->` and `<!-- end -->`.
"""
import json
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

from mmpose_integral.utils.files import replace_when_done

# Columns of rows that come from measure.compare; a scenario's COLUMNS replace them.
COLUMNS = dict(case='what', contestant='how', unit='per', wall_us='wall, us', cpu_us='CPU, us',
               wall_ratio='times as fast, wall', cpu_ratio='times as fast, CPU', difference='largest difference')
SUMMARY = ('what', 'target', 'measured', 'met?')


def describe_machine(*packages):
    """Processor, cores, system and versions; nothing that tells whose machine it is.

    Args:
        *packages (str): Names of installed distributions.

    Returns:
        dict: ``cpu``, ``cores``, ``gpu`` (None without one), ``system``, ``load`` of the last minute (None where
        unknown), and ``versions``.
    """
    info = Path('/proc/cpuinfo')
    cpu = re.search(r'model name\s*: (.*)', info.read_text()) if info.is_file() else None
    installed = {distribution.name for distribution in metadata.distributions()}
    versions = dict(python=platform.python_version(),
                    **{name: metadata.version(name) for name in packages if name in installed})
    torch = sys.modules.get('torch')  # a scenario that does not use it is not delayed by its import
    gpu = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None
    if gpu:
        versions['cuda'] = torch.version.cuda
    return dict(cpu=cpu[1] if cpu else platform.processor() or platform.machine(), cores=os.cpu_count(), gpu=gpu,
                system=f'{platform.system()} {platform.machine()}', versions=versions,
                load=round(os.getloadavg()[0], 2) if hasattr(os, 'getloadavg') else None)


def write(folder, name, record):
    """Write ``NAME.json``, ``NAME.md`` and the summary anew; returns the Markdown.

    Args:
        folder (Path): Output folder.
        name (str): Name of the scenario.
        record (dict): ``title``, ``command``, ``machine``, ``columns`` (title by key of a row), ``rows``.
    """
    text = markdown(record)
    for suffix, content in (('.json', json.dumps(record, indent=1) + '\n'), ('.md', text)):
        with replace_when_done(folder / f'{name}{suffix}') as temporary:
            temporary.write_text(content, encoding='utf-8')
    with replace_when_done(folder / 'summary.md') as temporary:
        temporary.write_text(summary(folder), encoding='utf-8')
    return text


def table(rows, columns):
    """A Markdown table.

    Args:
        rows (list[Sequence[str]]): Cells.
        columns (Sequence[str]): Titles; the first column is text, the others are numbers.

    Returns:
        str: Without a newline at the end.
    """
    rule = ['---', *['---:'] * (len(columns) - 1)]
    return '\n'.join('| ' + ' | '.join(map(str, row)) + ' |' for row in (columns, rule, *rows))


def markdown(record):
    """A section: title, command, table, machine."""
    shown = {key: title for key, title in record['columns'].items()
             if any(row.get(key) is not None for row in record['rows'])}
    rows = [[cell(row.get(key)) for key in shown] for row in record['rows']
            if any(row.get(key) is not None for key in list(shown)[2:])]  # the others are for the summary
    machine = record['machine']
    gpu = f', {machine["gpu"]}' if machine['gpu'] else ''
    load = '' if machine['load'] is None else f', load {machine["load"]} before the run'
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    return (f'## {record["title"]}\n\n```\n{record["command"]}\n```\n\n{table(rows, list(shown.values()))}\n\n'
            f'{machine["cpu"]}, {machine["cores"]} cores{gpu}, {machine["system"]}{load}; {versions}.\n')


def cell(value):
    """A value as a table shows it; triples are quartiles."""
    if value is None:
        return '-'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, (list, tuple)):
        low, middle, high = (number(part) for part in value)
        return f'{middle} ({low}-{high})'
    return str(value) if isinstance(value, (str, int)) else number(value)


def number(value):
    """Three figures, without an exponent from 0.001 to 10 million."""
    if value == 0:
        return '0'
    if not 1e-3 <= abs(value) < 1e7:
        return f'{value:.1e}'
    decimals = next((n for n, limit in ((0, 100), (1, 10), (2, 1), (3, .1)) if abs(value) >= limit), 4)
    return f'{value:.{decimals}f}'


def summary(folder):
    """Table of all rows with a target in the records of a folder."""
    rows = []
    for path in sorted(Path(folder).glob('*.json')):
        rows += [(f'{path.stem}: {row["case"]}, {row["contestant"]}', row['target'], row['measured'], cell(row['met']))
                 for row in json.loads(path.read_text(encoding='utf-8')).get('rows', ()) if row.get('target')]
    return table(rows, SUMMARY) + '\n'


def update_document(folder, path):
    """Fill a document's blocks from the records of a folder; see the top of this file.

    Returns:
        list[str]: Scenarios that were put in.

    Raises:
        ValueError: If the document has no block of any record.
    """
    folder, path, done = Path(folder), Path(path), []
    text = path.read_text(encoding='utf-8')
    for file in sorted(folder.glob('*.json')):
        record, name = json.loads(file.read_text(encoding='utf-8')), file.stem
        block = re.compile(rf'(<!-- benchmark: {re.escape(name)} -->\n).*?(<!-- end -->)', re.DOTALL)
        if 'columns' in record and block.search(text):
            body = markdown(record).split('\n\n', 1)[1]
            text = block.sub(lambda match, body=body: f'{match[1]}\n{body}\n{match[2]}', text)
            done.append(name)
    if not done:
        raise ValueError(f'{path}: no block <!-- benchmark: NAME --> of a record in {folder}')
    with replace_when_done(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
    return done


if __name__ == '__main__':
    print(f'put in: {", ".join(update_document(*sys.argv[1:]))}')
