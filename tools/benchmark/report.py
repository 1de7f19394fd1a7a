"""What a run leaves behind: a record, a table and a plot a scenario, and a summary of all records in the folder.

    python tools/benchmark/report.py work_dirs/benchmark docs/benchmarks.md

puts the tables of a folder's records into a document: between `<!-- benchmark: NAME -->` and `<!-- end -->`, and the
plot beside it where the document shows `images/benchmark_NAME.png`.
"""
import json
import re
import shutil
import sys
from pathlib import Path

from timing import table

from mmpose_integral.preparation.files import replace_when_done

# Columns of rows that come from measure.compare; a scenario's COLUMNS replace them.
COLUMNS = dict(case='what', contestant='how', unit='a', wall_us='wall, us', cpu_us='CPU, us',
               wall_ratio='times as fast, wall', cpu_ratio='times as fast, CPU', difference='largest difference')
SUMMARY = ('what', 'target', 'measured', 'met?')


def write(folder, name, record, columns=None, plot=None):
    """Write ``NAME.json``, ``NAME.md``, ``NAME.png`` and the summary anew; returns the Markdown.

    Args:
        folder (Path): output folder.
        name (str): of the scenario.
        record (dict): ``title``, ``command``, ``machine``, ``options``, ``rows``.
        columns (dict[str, str], optional): title by key of a row.
        plot (callable, optional): of rows and a figure. Default: ratios to the baseline as bars.
    """
    record = dict(record, columns=columns or COLUMNS)
    text = markdown(record)
    with replace_when_done(folder / f'{name}.json') as temporary:
        temporary.write_text(json.dumps(record, indent=1) + '\n', encoding='utf-8')
    with replace_when_done(folder / f'{name}.md') as temporary:
        temporary.write_text(text, encoding='utf-8')
    save_plot(folder / f'{name}.png', record, plot or plot_ratios)
    with replace_when_done(folder / 'summary.md') as temporary:
        temporary.write_text(summary(folder), encoding='utf-8')
    return text


def markdown(record):
    """A section: title, command, table, machine."""
    shown = {key: title for key, title in record['columns'].items()
             if any(row.get(key) is not None for row in record['rows'])}
    rows = [[cell(row.get(key)) for key in shown] for row in record['rows']
            if any(row.get(key) is not None for key in list(shown)[2:])]  # the others are for the summary
    return (f'## {record["title"]}\n\n```\n{record["command"]}\n```\n\n{table(rows, list(shown.values()))}\n\n'
            f'{machine_line(record["machine"])}\n')


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


def machine_line(machine):
    """Processor, cores, GPU, system and versions in one sentence."""
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    gpu = f', {machine["gpu"]}' if machine['gpu'] else ''
    load = '' if machine['load'] is None else f', load {machine["load"]} before the run'
    return f'{machine["cpu"]}, {machine["cores"]} cores{gpu}, {machine["system"]}{load}; {versions}.'


def summary(folder):
    """Table of all rows with a target in the records of a folder."""
    rows = []
    for path in sorted(Path(folder).glob('*.json')):
        record = json.loads(path.read_text(encoding='utf-8'))
        for row in record.get('rows', ()):
            if row.get('target'):
                met = cell(row.get('met')) if row.get('met') is not None else 'not decided here'
                rows.append((f'{path.stem}: {row.get("case")}, {row.get("contestant")}', row['target'],
                             row.get('measured', '-'), '; '.join(filter(None, (met, row.get('remark'))))))
    return table(rows, SUMMARY) + '\n'


def update_document(folder, path):
    """Fill a document's blocks from the records of a folder; see the top of this file.

    Returns:
        list[str]: scenarios that were put in.

    Raises:
        ValueError: the document has no block of any record.
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
            picture = path.parent / 'images' / f'benchmark_{name}.png'
            if f'(images/{picture.name})' in text:
                picture.parent.mkdir(exist_ok=True)
                shutil.copyfile(folder / f'{name}.png', picture)
    if not done:
        raise ValueError(f'{path}: no block <!-- benchmark: NAME --> of a record in {folder}')
    with replace_when_done(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
    return done


def save_plot(path, record, plot):
    """Draw into a new figure and write it."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(8, 4.5), layout='constrained')
    plot(record['rows'], figure)
    figure.suptitle(record['title'])
    with replace_when_done(path) as temporary:
        figure.savefig(temporary, dpi=100)


def plot_ratios(rows, figure):
    """Bars of the CPU ratio (wall where there is none) with quartiles, on a logarithmic axis, and the targets."""
    axes = figure.subplots()
    rows = [row for row in rows if row.get('cpu_ratio') or row.get('wall_ratio')][::-1]
    figure.set_figheight(max(4.5, 1.3 + 0.35 * len(rows)))  # two lines a bar
    for place, row in enumerate(rows):
        low, middle, high = row.get('cpu_ratio') or row['wall_ratio']
        axes.barh(place, middle, color='#0072B2' if row.get('target') else '#9a9a9a',
                  xerr=[[middle - low], [high - middle]])
        axes.annotate(f'{number(middle)}x', (high, place), (4, 0), textcoords='offset points', va='center')
        if row.get('target', '').startswith('>= '):
            wanted = float(row['target'][3:].rstrip('x'))
            axes.plot([wanted, wanted], [place - .45, place + .45], color='#D55E00', lw=2)
    axes.set_yticks(range(len(rows)), [f'{row["case"]}\n{row["contestant"]}' for row in rows], fontsize=8)
    axes.set_xscale('log')
    for set_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        set_formatter(lambda value, _: f'{value:g}' if f'{value:e}'[0] in '12357' else '')
    axes.set_xlabel('times as fast as the baseline, CPU time (orange: target)')
    axes.margins(x=.15)


if __name__ == '__main__':
    print(f'put in: {", ".join(update_document(*sys.argv[1:]))}')
