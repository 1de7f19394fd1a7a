"""Tables and plot of the command ablation, made from the products of its rows."""
import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import mmengine
import numpy as np
from matplotlib.figure import Figure

from mmpose_integral.cli.ablation.rows import ROWS, TABLE_1, TABLE_2, VARIANTS, Row, ensemble_name
from mmpose_integral.evaluation.functional import paired_bootstrap
from mmpose_integral.evaluation.functional.bootstrap import Difference
from mmpose_integral.formats.predictions import load_predictions
from mmpose_integral.utils.files import write_json, write_whole
from mmpose_integral.visualization import save_picture
from mmpose_integral.visualization.canvas import picture_of
from mmpose_integral.visualization.palette import BLUE, ORANGE


class Result(NamedTuple):
    """Results of the trainings of a row."""
    metrics: list[dict]  # of each seed
    errors: np.ndarray  # (S, N) mean error of each seed and frame, mm; frames are in the order of their ids

    @property
    def mpjpe(self) -> np.ndarray:
        """MPJPE of each seed, (S,) mm."""
        return self.errors.mean(1)


def load_results(folder_of: Callable[[Row, int | str], Path], seeds: Sequence[int]) -> dict[str, Result]:
    """Load the results of all finished rows, by key of the row.

    ``folder_of`` maps a row and a seed, or the name of an ensemble, to the folder of its products.
    """
    results = {}
    for key, row in ROWS.items():
        folders = [folder_of(row, seed) for seed in ([ensemble_name(seeds)] if key == 'ensemble' else seeds)]
        folders = [folder for folder in folders if (folder / 'metrics.json').exists()]
        if folders:
            files = [load_predictions(folder / 'predictions.npz') for folder in folders]
            errors = [file['errors'].mean(1)[np.argsort(file['frame_ids'])] for file in files]
            results[key] = Result([mmengine.load(folder / 'metrics.json') for folder in folders], np.stack(errors))
    return results


def spread(values: np.ndarray) -> str:
    """Mean, standard deviation over trainings, and their number, such as '123.4 ± 1.2 (3)'."""
    deviation = f' ± {values.std(ddof=1):.1f}' if len(values) > 1 else ''
    return f'{values.mean():.1f}{deviation} ({len(values)})'


def difference(results: dict[str, Result], row: Row, against: str | None) -> Difference | None:
    """Paired bootstrap of a row against another row, by key; None if one of them has no results."""
    if row.key not in results or against is None or against not in results:
        return None
    first, second = results[against].errors, results[row.key].errors
    if row.trained == against and len(second) == 1:  # an ensemble is compared with the mean of its own members
        first = first.mean(0)
    return paired_bootstrap(first, second, same_trainings=row.trained == against)


def with_interval(change: Difference | None) -> str:
    """A difference and its interval, such as '+1.2 [+0.3, +2.1]'; '' without one."""
    return '' if change is None else f'{change.mean:+.1f} [{change.low:+.1f}, {change.high:+.1f}]'


def table_2(results: dict[str, Result]) -> str:
    """Rows of the paper's Table 2, with its figures beside ours."""
    lines = ['| row | paper, mm | step | ours, mm (trainings) | step, mm [95 %] | same sign |',
             '|---|---|---|---|---|---|']
    for above, row in zip((None, *TABLE_2), TABLE_2, strict=False):
        if row.key not in results:
            continue
        change, paper_step, sign = difference(results, row, row.against), '', ''
        if above is not None and above.paper_mm and row.paper_mm:
            paper_step = f'{row.paper_mm - above.paper_mm:+.1f}'
        if change is not None:
            sign = 'no' if change.mean >= 0 else 'yes' if change.high < 0 else 'yes, not significant'
        lines.append(f'| {row.label} | {row.paper_mm} | {paper_step} | {spread(results[row.key].mpjpe)} | '
                     f'{with_interval(change)} | {sign} |')
    return '\n'.join(lines)


def table_variants(results: dict[str, Result]) -> str:
    """Rows that the paper does not have, each compared with a row that differs from it in one respect."""
    lines = ['| row | MPJPE, mm (trainings) | against | difference, mm [95 %] |', '|---|---|---|---|',
             f'| ResNet-50, box, MPII (row 3) | {spread(results["mpii"].mpjpe)} |  |  |']
    for row in VARIANTS:
        if row.key in results:
            change = with_interval(difference(results, row, row.against))
            other = {'384': 'row 5'}.get(str(row.against), 'row 3') if change else ''
            lines.append(f'| {row.label} | {spread(results[row.key].mpjpe)} | {other} | {change} |')
    return '\n'.join(lines)


def table_1(results: dict[str, Result], key: str) -> str:
    """MPJPE of one row for the four choices of bone length."""
    lines = ['| bone length | paper, mm | ratio | ours, mm (trainings) | ratio |', '|---|---|---|---|---|']
    ours = {choice: np.array([metrics[f'h80k/MPJPE_{choice}'] for metrics in results[key].metrics])
            for choice in TABLE_1}
    for choice, paper in TABLE_1.items():
        lines.append(f'| {choice} | {paper} | {paper / TABLE_1["per-frame"]:.3f} | {spread(ours[choice])} | '
                     f'{ours[choice].mean() / ours["per-frame"].mean():.3f} |')
    return '\n'.join(lines)


def draw_table_2(results: dict[str, Result]) -> np.ndarray:
    """Plot Table 2, (H, W, 3) uint8 RGB: the paper's figures and ours, on two axes, because their scales differ."""
    rows = [row for row in TABLE_2 if row.key in results]
    figure = Figure(figsize=(8, 4.2), dpi=120, layout='constrained')
    axis, x = figure.subplots(), np.arange(len(rows))
    ours = [results[row.key].mpjpe for row in rows]
    axis.plot(x, [values.mean() for values in ours], 'o-', color=BLUE)
    for position, values in zip(x, ours, strict=True):
        axis.plot(np.full(len(values), position), values, '.', color=BLUE, alpha=0.5)
    axis.set_ylabel('ours: MPJPE, mm (dots: trainings)', color=BLUE)
    axis.set_xticks(x, [row.label for row in rows], rotation=25, ha='right')
    axis.grid(axis='y', alpha=0.3)
    other = axis.twinx()
    other.plot(x, [row.paper_mm or np.nan for row in rows], 's--', color=ORANGE)
    other.set_ylabel('paper: MPJPE, mm', color=ORANGE)
    return picture_of(figure)


def write_report(folder_of: Callable[[Row, int | str], Path], args: argparse.Namespace) -> str:
    """Write ``ABLATION.md``, ``ablation.json`` and ``ablation.png`` to the work folder; return the tables, Markdown."""
    results = load_results(folder_of, args.seeds)
    if not results:
        raise FileNotFoundError(f'{args.work_dir} has no finished row; run without --collect')
    parts = []
    if any(row.key in results for row in TABLE_2):
        parts.append(table_2(results))
        save_picture(draw_table_2(results), args.work_dir / 'ablation.png')
    headline = next((key for key in ('flip', 'coco', '384', 'res152', 'mpii', 'box') if key in results), None)
    if headline:
        parts.append(f'Bone lengths, row "{ROWS[headline].label}":\n\n' + table_1(results, headline))
    if any(row.key in results for row in VARIANTS) and 'mpii' in results:
        parts.append(table_variants(results))
    text = '\n\n'.join(parts) + '\n'
    write_whole(args.work_dir / 'ABLATION.md', text)
    write_json(args.work_dir / 'ablation.json', {
        key: dict(mpjpe=result.mpjpe.tolist(), metrics=result.metrics) for key, result in results.items()})
    return text
