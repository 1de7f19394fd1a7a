"""Learning curves from the scalars that mmengine's LocalVisBackend writes to a work dir."""
import json
import os.path as osp
from glob import glob
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .palette import STYLES

# Metrics with a curve; the values by joint and axis of H80KMetric are left out.
_HEADLINES = ('MPJPE', 'MPJPE_train', 'R-MPJPE', 'PA-MPJPE')
_BOOKKEEPING = ('data_time', 'time', 'memory', 'epoch', 'iter', 'step')


class Scalars(NamedTuple):
    """Logged scalars of a run: name -> ((N,) epochs, (N,) values), in the order of training.

    Attributes:
        train (dict): Loss, learning rate and other training values; epochs are fractional.
        val (dict): Validation metrics; epochs are whole numbers.
    """

    train: dict
    val: dict


def read_scalars(work_dir: str) -> Scalars:
    """Read the scalars of a run, with its resumed parts joined.

    If a resumed run repeated some steps, the later values are used.

    Args:
        work_dir: Work dir of ``tools/train.py``, with files ``<time>/vis_data/scalars.json``; or such a file itself.

    Returns:
        Scalars of training and validation.

    Raises:
        FileNotFoundError: If there is no such file below ``work_dir``.
        ValueError: If a line in the middle of a file is not JSON.
    """
    records = {}
    for record in read_records(work_dir):
        kind = 'train' if 'iter' in record else 'val'
        records[kind, record['iter' if kind == 'train' else 'step']] = record
    steps = [record for (kind, _), record in sorted(records.items()) if kind == 'train']
    # The file does not contain the length of an epoch. Epoch e ends no earlier than its last logged iteration.
    per_epoch = max((record['iter'] / record['epoch'] for record in steps if record.get('epoch')), default=1.0)
    train, val = {}, {}
    for (kind, step), record in sorted(records.items()):
        for name, value in record.items():
            if name not in _BOOKKEEPING and isinstance(value, (int, float)):
                at = step / per_epoch if kind == 'train' else float(step)
                (train if kind == 'train' else val).setdefault(name, []).append((at, float(value)))
    return Scalars(*({name: tuple(np.array(pairs).T) for name, pairs in part.items()} for part in (train, val)))


def read_records(work_dir):
    """Read the log of a run, one part of a resumed run after another; arguments and errors as :func:`read_scalars`.

    Yields:
        dict: One line of the log, such as ``lr``, ``loss``, ``epoch``, ``iter`` and ``step`` of a training step.
    """
    paths = [work_dir] if osp.isfile(work_dir) else sorted(glob(osp.join(work_dir, '*', 'vis_data', 'scalars.json')))
    if not paths:
        raise FileNotFoundError(f'{work_dir}: no <time>/vis_data/scalars.json below it; a folder that tools/train.py '
                                'wrote with LocalVisBackend is expected')
    for path in paths:
        with open(path) as file:
            lines = [line for line in file.read().splitlines() if line.strip()]
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                # The last line of a killed run may be incomplete.
                if number < len(lines):
                    raise ValueError(f'{path}: line {number} is not JSON ({error}); one object per line '
                                     'is expected') from None


def choose_metrics(val: dict) -> list[str]:
    """Choose up to six metrics for the curves: the position errors over all joints, or without these any metrics."""
    names = [name for wanted in _HEADLINES for name in val if name.rsplit('/', 1)[-1] == wanted]
    return (names or list(val))[:len(STYLES)]


def draw_curves(scalars, metrics=None, baseline=None, baseline_name='mean pose', title='', ylabel=None):
    """Draw loss and validation metrics against epochs.

    Args:
        scalars (Scalars): Result of :func:`read_scalars`.
        metrics (Sequence[str] | None): Names in ``scalars.val``; by default those of :func:`choose_metrics`.
        baseline (float | None): Value of a baseline predictor, in the metrics' unit.
        baseline_name (str): Name of the baseline.
        title (str): Title above the figure.
        ylabel (str | None): Label of the metrics' axis; None gives a label in mm if all are position errors.

    Returns:
        np.ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: If nothing was logged, or a metric was not logged.
    """
    metrics = choose_metrics(scalars.val) if metrics is None else list(metrics)
    unknown = [name for name in metrics if name not in scalars.val]
    if unknown:
        raise ValueError(f'metrics: {unknown[0]!r} was not logged; there are {", ".join(scalars.val) or "none"}')
    if not metrics and 'loss' not in scalars.train:
        raise ValueError('scalars: neither a loss nor a validation metric was logged; has the run trained yet?')
    parts = [part for part, wanted in (('loss', 'loss' in scalars.train), ('val', metrics)) if wanted]
    figure = Figure(figsize=(8, 1.0 + 3.1 * len(parts)), dpi=110, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    axes = dict(zip(parts, np.ravel(figure.subplots(len(parts), 1, sharex=True)), strict=True))
    if title:
        figure.suptitle(title, fontsize=12, fontweight='bold')
    if 'loss' in axes:
        _draw_loss(axes['loss'], scalars.train)
    if 'val' in axes:
        _draw_metrics(axes['val'], scalars.val, metrics, baseline, baseline_name, ylabel)
    axes[parts[-1]].set_xlabel('epoch')
    axes[parts[-1]].xaxis.set_major_locator(MaxNLocator(integer=True))
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _dress(axis):
    axis.grid(True, color='#e4e7eb', linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ('top', 'right'):
        axis.spines[side].set_visible(False)


def _draw_loss(axis, train):
    _dress(axis)
    epochs, loss = train['loss']
    axis.plot(epochs, loss, color='#333333', linewidth=1.6)
    axis.set_ylabel('training loss')
    positive = loss[np.isfinite(loss) & (loss > 0)]
    if len(positive) and positive.max() > 8 * positive.min():
        axis.set_yscale('log')
    rate_name = next((name for name in ('lr', 'base_lr') if name in train), None)
    if rate_name and np.ptp(train[rate_name][1]) > 0:
        side = axis.twinx()
        side.plot(*train[rate_name], color='#9aa5b1', linewidth=1.0, drawstyle='steps-post')
        side.set_ylabel('learning rate', color='#7b8794')
        side.set_yscale('log')
        side.tick_params(axis='y', colors='#7b8794')
        side.spines['top'].set_visible(False)


def _draw_metrics(axis, val, metrics, baseline, baseline_name, ylabel):
    _dress(axis)
    errors = all('MPJPE' in name for name in metrics)
    for name, (color, marker) in zip(metrics, STYLES, strict=False):
        epochs, values = val[name]
        axis.plot(epochs, values, color=color, marker=marker, markersize=4.5, linewidth=1.8,
                  label=name.split('/')[-1])
    if baseline is not None:
        axis.axhline(baseline, color='#555555', linestyle=(0, (5, 3)), linewidth=1.3)
        axis.annotate(f'{baseline_name} {baseline:.1f}', (1, baseline), xycoords=('axes fraction', 'data'),
                      xytext=(-2, 4), textcoords='offset points', ha='right', fontsize=9, color='#333333')
    epochs, values = val[metrics[0]]
    if errors and np.isfinite(values).any():
        best = int(np.nanargmin(values))
        axis.annotate(f'{values[best]:.1f}', (epochs[best], values[best]), xytext=(0, -14), ha='center',
                      textcoords='offset points', fontsize=9, fontweight='bold', color=STYLES[0][0])
        axis.margins(y=0.15)
    axis.set_ylabel(ylabel or ('validation error (mm)' if errors else 'validation'))
    if len(metrics) > 1 or not errors:
        axis.legend(frameon=False, fontsize=9, loc='best')

