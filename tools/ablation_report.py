"""The tables and the plot of ``tools/ablation.py``, from the products that its rows left."""
from typing import NamedTuple

import matplotlib
import mmengine
import numpy as np
from ablation_rows import ROWS, TABLE_1, TABLE_2, VARIANTS

from mmpose_integral.evaluation.functional import paired_bootstrap
from mmpose_integral.formats.predictions import load_predictions
from mmpose_integral.utils.files import replace_when_done, write_json, write_whole
from mmpose_integral.visualization.palette import BLUE, ORANGE

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402


class Result(NamedTuple):
    """What the trainings of a row gave."""
    metrics: list
    """(dict) metrics of each seed."""
    errors: np.ndarray
    """(S, N) mean error of each seed and frame, mm, frames in the order of their ids."""

    @property
    def mpjpe(self):
        """(S,) mm."""
        return self.errors.mean(1)


def load_results(ablation, seeds):
    """Results of all rows that are there.

    Args:
        ablation (Ablation): says where products lie.
        seeds (list[int]): wanted; those that are not there are left out.

    Returns:
        dict[str, Result]: by row.
    """
    results = {}
    for key, row in ROWS.items():
        folders = [ablation.folder(row, seed) for seed in ([ablation.all_seeds] if key == 'ensemble' else seeds)]
        folders = [folder for folder in folders if (folder / 'metrics.json').exists()]
        if folders:
            files = [load_predictions(folder / 'predictions.npz') for folder in folders]
            errors = [file['errors'].mean(1)[np.argsort(file['frame_ids'])] for file in files]
            results[key] = Result([mmengine.load(folder / 'metrics.json') for folder in folders], np.stack(errors))
    return results


def spread(values):
    """'123.4 +- 1.2 (3)': mean, standard deviation over trainings, and how many."""
    values = np.asarray(values)
    return f'{values.mean():.1f} ± {values.std(ddof=1):.1f} ({len(values)})' if len(values) > 1 else (
        f'{values.mean():.1f} (1)')


def difference(results, row, against):
    """Paired bootstrap of a row against another, by key, or None where one of them is not there."""
    if row.key not in results or against not in results:
        return None
    first, second = results[against].errors, results[row.key].errors
    if row.trained == against and len(second) == 1:  # an ensemble of the very trainings whose mean it is compared with
        first = first.mean(0)
    return paired_bootstrap(first, second, same_trainings=row.trained == against)


def table_2(results):
    """Rows of the paper's Table 2, its figures beside ours."""
    lines = ['| row | paper, mm | step | ours, mm (trainings) | step, mm [95 %] | same way |',
             '|---|---|---|---|---|---|']
    for above, row in zip((None, *TABLE_2), TABLE_2, strict=False):
        if row.key not in results:
            continue
        change, paper_step, ours, way = difference(results, row, row.against), '', '', ''
        if above is not None:
            paper_step = f'{row.paper_mm - above.paper_mm:+.1f}'
        if change is not None:
            ours = f'{change.mean:+.1f} [{change.low:+.1f}, {change.high:+.1f}]'
            way = 'no' if change.mean >= 0 else 'yes' if change.high < 0 else 'yes, within doubt'
        mpjpe = spread(results[row.key].mpjpe)
        lines.append(f'| {row.label} | {row.paper_mm} | {paper_step} | {mpjpe} | {ours} | {way} |')
    return '\n'.join(lines)


def table_variants(results, standin):
    """Rows that the paper does not have, each against one that differs from it in one thing.

    Args:
        results (dict[str, Result]): by row.
        standin (bool): other backbones started from random weights, not from ImageNet.
    """
    lines = ['| row | MPJPE, mm (trainings) | against | difference, mm [95 %] |', '|---|---|---|---|']
    for row in (ROWS['mpii'], *VARIANTS):
        if row.key in results:
            against = row.against if standin else 'mpii'
            change = None if row.key == 'mpii' else difference(results, row, against)
            text = '' if change is None else f'{change.mean:+.1f} [{change.low:+.1f}, {change.high:+.1f}]'
            label = 'ResNet-50, box, MPII (row 3)' if row.key == 'mpii' else row.label
            other = {'mpii': 'row 3', 'scratch': 'random weights'}[against] if text else ''
            lines.append(f'| {label} | {spread(results[row.key].mpjpe)} | {other} | {text} |')
    return '\n'.join(lines)


def table_1(results, key):
    """One row's MPJPE for the four choices of bone length."""
    lines = ['| bone length | paper, mm | ratio | ours, mm (trainings) | ratio |', '|---|---|---|---|---|']
    ours = {choice: np.array([metrics[f'h80k/MPJPE_{choice}'] for metrics in results[key].metrics])
            for choice in TABLE_1}
    for choice, paper in TABLE_1.items():
        lines.append(f'| {choice} | {paper} | {paper / TABLE_1["per-frame"]:.3f} | {spread(ours[choice])} | '
                     f'{ours[choice].mean() / ours["per-frame"].mean():.3f} |')
    return '\n'.join(lines)


def draw(results, path):
    """Table 2 as a plot: the paper's steps and ours, each on an axis of its own, since their scales differ."""
    rows = [row for row in TABLE_2 if row.key in results]
    figure, axis = plt.subplots(figsize=(8, 4.2), layout='constrained')
    x = np.arange(len(rows))
    ours = [results[row.key].mpjpe for row in rows]
    axis.plot(x, [values.mean() for values in ours], 'o-', color=BLUE, label='ours')
    for position, values in zip(x, ours, strict=True):
        axis.plot(np.full(len(values), position), values, '.', color=BLUE, alpha=0.5)
    axis.set_ylabel('ours: MPJPE, mm (dots: trainings)', color=BLUE)
    axis.set_xticks(x, [row.label for row in rows], rotation=25, ha='right')
    axis.grid(axis='y', alpha=0.3)
    other = axis.twinx()
    other.plot(x, [row.paper_mm for row in rows], 's--', color=ORANGE, label='paper')
    other.set_ylabel('paper: MPJPE, mm', color=ORANGE)
    with replace_when_done(path) as temporary:
        figure.savefig(temporary, dpi=120)
    plt.close(figure)


def write_report(ablation, args):
    """Write ``ABLATION.md``, ``ablation.json`` and ``ablation.png`` into the work folder.

    Returns:
        str: the tables, Markdown.

    Raises:
        SystemExit: no row is finished.
    """
    results = load_results(ablation, args.seeds)
    if not results:
        raise SystemExit(f'{args.work_dir}: no finished row; run without --collect')
    parts = []
    if any(row.key in results for row in TABLE_2):
        parts.append(table_2(results))
        draw(results, args.work_dir / 'ablation.png')
    headline = next((key for key in ('flip', 'coco', '384', 'res152', 'mpii', 'box') if key in results), None)
    if headline:
        parts.append(f'Bone lengths, row "{ROWS[headline].label}":\n\n' + table_1(results, headline))
    if any(row.key in results for row in VARIANTS) and 'mpii' in results:
        parts.append(table_variants(results, args.standin))
    text = '\n\n'.join(parts) + '\n'
    write_whole(args.work_dir / 'ABLATION.md', text)
    write_json(args.work_dir / 'ablation.json', {
        key: dict(mpjpe=result.mpjpe.tolist(), metrics=result.metrics) for key, result in results.items()})
    return text
