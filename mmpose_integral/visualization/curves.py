"""Learning curves from the scalars that mmengine's LocalVisBackend writes to a work dir."""
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmpose_integral.utils.errors import in_line
from mmpose_integral.utils.reading import parse_json, read_limited

from .canvas import picture_of
from .palette import STYLES

# Metrics with a curve; the values by joint and axis of H80KMetric are left out.
_HEADLINES = ('MPJPE', 'MPJPE_train', 'R-MPJPE', 'PA-MPJPE')
_BOOKKEEPING = ('data_time', 'time', 'memory', 'epoch', 'iter', 'step')

Curves = dict[str, tuple[np.ndarray, np.ndarray]]


class Scalars(NamedTuple):
    """Logged scalars of a run: name -> ((N,) epochs, (N,) values), in the order of training."""
    train: Curves  # loss, learning rate and other training values; epochs are fractional
    val: Curves  # validation metrics; epochs are whole numbers


def read_scalars(work_dir: str | Path) -> Scalars:
    """Read the scalars of a run, with its resumed parts joined; of repeated steps, the later values are used.

    Args:
        work_dir: Work folder of a training, with files ``<time>/vis_data/scalars.json``; or such a file itself.

    Raises:
        FileNotFoundError: If there is no such file below ``work_dir``.
        ValueError: If a line in the middle of a file is not JSON, or a line is no entry of a log.
    """
    records = list(read_records(work_dir))
    steps = {record['iter']: record for record in records if 'iter' in record}
    epochs = {record['step']: record for record in records if 'iter' not in record and 'step' in record}
    # The file does not contain the length of an epoch. Epoch e ends no earlier than its last logged iteration.
    per_epoch = max((step / record['epoch'] for step, record in steps.items() if record.get('epoch')), default=1.0)
    return Scalars(_to_curves(steps, per_epoch), _to_curves(epochs, 1.0))


def _to_curves(records: Mapping[int, dict[str, Any]], per_epoch: float) -> Curves:
    """Convert step -> record to curves by name."""
    curves = defaultdict(list)
    for step, record in sorted(records.items()):
        for name, value in record.items():
            if name not in _BOOKKEEPING and isinstance(value, (int, float)):
                curves[name].append((step / per_epoch, float(value)))
    return {name: (np.array(pairs)[:, 0], np.array(pairs)[:, 1]) for name, pairs in curves.items()}


def read_records(work_dir: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a run's log, such as ``lr``, ``loss``, ``epoch``, ``iter`` and ``step`` of a training step.

    One part of a resumed run follows another. Arguments and errors are those of :func:`read_scalars`.
    """
    path = Path(work_dir)
    paths = [path] if path.is_file() else sorted(path.glob('*/vis_data/scalars.json'))
    if not paths:
        raise FileNotFoundError(f'{work_dir}: no <time>/vis_data/scalars.json below it; the work folder of a training '
                                'with LocalVisBackend is expected')
    for path in paths:
        lines = [line for line in read_limited(path).decode(errors='replace').splitlines() if line.strip()]
        for number, line in enumerate(lines, 1):
            try:
                record = parse_json(line)
            except ValueError as error:
                # The last line of a killed run may be incomplete.
                if number < len(lines):
                    raise ValueError(f'{path}: line {number} is not JSON ({error}); one object per line '
                                     'is expected') from None
                continue
            if not isinstance(record, dict) or not all(
                    isinstance(record.get(name, 0), (int, float)) for name in ('iter', 'step', 'epoch', 'lr')):
                raise ValueError(f'{path}: line {number} is no entry of a log: {in_line(line, 80)}')
            yield record


def choose_metrics(val: Mapping[str, Any]) -> list[str]:
    """Choose up to six metrics for the curves: the position errors over all joints, or without these any metrics."""
    names = [name for wanted in _HEADLINES for name in val if name.rsplit('/', 1)[-1] == wanted]
    return (names or list(val))[:len(STYLES)]


def draw_curves(scalars: Scalars, metrics: Sequence[str] | None = None, baseline: float | None = None,
                baseline_name: str = 'mean pose', title: str = '') -> np.ndarray:
    """Draw loss and validation metrics against epochs; (H, W, 3) uint8 RGB.

    Args:
        metrics: Names in ``scalars.val``; by default those of :func:`choose_metrics`.
        baseline: Value of a baseline predictor, in the metrics' unit.

    Raises:
        ValueError: If nothing was logged, or a metric was not logged.
    """
    metrics = choose_metrics(scalars.val) if metrics is None else metrics
    unknown = [name for name in metrics if name not in scalars.val]
    if unknown:
        raise ValueError(f'metrics: {unknown[0]!r} was not logged; there are {", ".join(scalars.val) or "none"}')
    parts = ['loss'] * ('loss' in scalars.train) + ['val'] * bool(metrics)
    if not parts:
        raise ValueError('scalars: neither a loss nor a validation metric was logged; has the run trained yet?')
    figure = Figure(figsize=(8, 1.0 + 3.1 * len(parts)), dpi=110, layout='constrained')
    if title:
        figure.suptitle(title, fontsize=12, fontweight='bold')
    for part, axis in zip(parts, figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0], strict=True):
        axis.grid(True, color='#e4e7eb', linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[['top', 'right']].set_visible(False)
        if part == 'loss':
            _draw_loss(axis, scalars.train)
        else:
            if baseline is not None:
                axis.axhline(baseline, color='#555555', linestyle=(0, (5, 3)), linewidth=1.3)
                axis.annotate(f'{baseline_name} {baseline:.1f}', (1, baseline), xycoords=('axes fraction', 'data'),
                              xytext=(-2, 4), textcoords='offset points', ha='right', fontsize=9, color='#333333')
            _draw_metrics(axis, {name: scalars.val[name] for name in metrics})
    axis.set_xlabel('epoch')
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    return picture_of(figure)


def _draw_loss(axis: Axes, train: Curves) -> None:
    epochs, loss = train['loss']
    axis.plot(epochs, loss, color='#333333', linewidth=1.6)
    axis.set_ylabel('training loss')
    positive = loss[np.isfinite(loss) & (loss > 0)]
    if len(positive) and positive.max() > 8 * positive.min():
        axis.set_yscale('log')
    rate = train.get('lr', train.get('base_lr'))
    if rate is not None and np.ptp(rate[1]) > 0:
        side = axis.twinx()
        side.plot(*rate, color='#9aa5b1', linewidth=1.0, drawstyle='steps-post')
        side.set_ylabel('learning rate', color='#7b8794')
        side.set_yscale('log')
        side.tick_params(axis='y', colors='#7b8794')
        side.spines['top'].set_visible(False)


def _draw_metrics(axis: Axes, curves: Curves) -> None:
    errors = all('MPJPE' in name for name in curves)
    for (name, (epochs, values)), (color, marker) in zip(curves.items(), STYLES, strict=False):
        axis.plot(epochs, values, color=color, marker=marker, markersize=4.5, linewidth=1.8, label=name.split('/')[-1])
    epochs, values = next(iter(curves.values()))
    if errors and np.isfinite(values).any():
        best = int(np.nanargmin(values))
        axis.annotate(f'{values[best]:.1f}', (epochs[best], values[best]), xytext=(0, -14), ha='center',
                      textcoords='offset points', fontsize=9, fontweight='bold', color=STYLES[0][0])
        axis.margins(y=0.15)
    axis.set_ylabel('validation error (mm)' if errors else 'validation')
    if len(curves) > 1 or not errors:
        axis.legend(frameon=False, fontsize=9, loc='best')
