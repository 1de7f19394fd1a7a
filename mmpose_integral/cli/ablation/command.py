"""Train and evaluate the rows of the paper's Table 2 and further variants, and write its tables with our figures.

On the real data, set H80K_ROOT, MPII_ROOT and COCO_ROOT, and run ``ablation --gpus 4``. On the stand-in, with the
boxes and 2D joints of the quickstart, run ``ablation --standin --jobs 2``. Every row is a config; this command adds
seeds, the sizes of ``--standin``, and the order of the work. Finished work is not repeated, and a stopped training
continues. ``--collect`` only writes the tables.
"""
import argparse
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmpose_integral.apis.model_zoo import index_file
from mmpose_integral.cli import CONTINUES
from mmpose_integral.cli.ablation.report import write_report
from mmpose_integral.cli.ablation.rows import ROWS, TABLE_2, Row, ensemble_name
from mmpose_integral.cli.argument_types import at_least_one, seed
from mmpose_integral.cli.trainings import PROGRAM, Step, best_checkpoint, run_chains
from mmpose_integral.engine.shrink import shrink_config
from mmpose_integral.utils.files import write_whole
from mmpose_integral.utils.launch import sigterm_as_ctrl_c
from mmpose_integral.utils.locks import lock_folder
from mmpose_integral.utils.outputs import output_folder

ROOT = index_file().parent
CONFIGS = ROOT / 'configs'
# Schedule on the stand-in, where training with small batches is faster than with large ones. An epoch is one pass over
# H80K, as in the paper, so a row with more sources has fewer epochs of more steps.
STANDIN = dict(divisor=4, batch_size=8, lr=2e-3)
AFTER_CTRL_C = CONTINUES


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rows', nargs='+', choices=sorted(ROWS), metavar='ROW', default=[row.key for row in TABLE_2],
                        help=f'rows to run, of {", ".join(ROWS)} (default: Table 2)')
    parser.add_argument('--seeds', nargs='+', type=seed, default=[0, 1, 2], help='seeds of each row (default: 0 1 2)')
    parser.add_argument('--work-dir', type=output_folder, default='work_dirs/ablation',
                        help='folder of the products (default: %(default)s)')
    parser.add_argument('--gpus', type=at_least_one, default=1, help='number of processes per training (default: 1)')
    parser.add_argument('--jobs', type=at_least_one, default=1,
                        help='number of trainings at a time, for CPUs (default: 1)')
    parser.add_argument('--collect', action='store_true', help='only write the tables of the finished rows')
    standin = parser.add_argument_group('stand-in')
    standin.add_argument('--standin', action='store_true', help='train small models on the stand-in data')
    standin.add_argument('--data-root', type=Path, default=Path('data/standin'),
                         help='folder of the stand-in data (default: %(default)s)')
    standin.add_argument('--steps', type=at_least_one, default=19200,
                         help='number of steps of each row (default: %(default)s)')
    standin.add_argument('--h80k-frames', type=at_least_one, default=200,
                         help='number of Train frames (default: %(default)s)')
    args = parser.parse_args(argv)
    if args.standin and 'scratch' in args.rows:
        parser.error('--rows scratch: only for the real data; with --standin, all rows start from random weights')
    return args


def standin_config(cfg: Config, row: Row, args: argparse.Namespace) -> None:
    """Put the sizes and the schedule of the stand-in into the config of a row."""
    shrink_config(cfg, STANDIN['divisor'])
    sources = cfg.train_dataloader.dataset.datasets
    sources[0].indices = args.h80k_frames
    steps_per_epoch = math.ceil(args.h80k_frames * len(sources) / STANDIN['batch_size'])
    epochs = max(1, round(args.steps / steps_per_epoch))
    cfg.train_dataloader.update(batch_size=STANDIN['batch_size'], num_workers=0, persistent_workers=False)
    for name in ('val_dataloader', 'test_dataloader'):
        cfg[name].update(batch_size=64, num_workers=0, persistent_workers=False)
    cfg.train_cfg.update(max_epochs=epochs, val_interval=max(1, epochs // 8))
    cfg.default_hooks.checkpoint.interval = max(1, epochs // 8)
    optimizer = dict(cfg.optim_wrapper.optimizer, fused=True, lr=STANDIN['lr'] * row.rate)
    cfg.optim_wrapper = dict(cfg.optim_wrapper, type='BFloat16OptimWrapper', optimizer=optimizer)
    cfg.param_scheduler = [
        dict(type='WarmUpLR', start_factor=0.05, end=0.05 * epochs, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', begin=0.05 * epochs, end=epochs, T_max=0.95 * epochs, eta_min_ratio=0.005,
             convert_to_iter_based=True)]
    cfg.custom_hooks = [hook for hook in cfg.custom_hooks if 'EarlyStopping' not in hook.type]
    cfg.custom_hooks.append(dict(type='ChannelsLastHook'))


class Ablation:
    """Commands of the rows, and the folders of their products: ``<work>/<config name>/seed<n>``."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        if args.standin:
            for name in ('h80k', 'mpii', 'coco'):
                os.environ[f'{name.upper()}_ROOT'] = str(args.data_root / name)
        os.environ['ENSEMBLE_ROOT'] = str(args.work_dir)

    def folder(self, row: Row, seed: int | str) -> Path:
        name = Path(row.config).stem + '_scratch' * (not row.pretrained)
        return self.args.work_dir / name / f'seed{seed}'

    def config(self, row: Row, seed: int) -> Path:
        """Write the config of a row, with seed and sizes, to a file that inherits from no other file."""
        path = self.folder(row, seed) / 'config.py'
        cfg = Config.fromfile(CONFIGS / row.config)
        cfg.randomness = dict(seed=seed)
        if self.args.standin:
            standin_config(cfg, row, self.args)
        if not row.pretrained:
            cfg.model.backbone.pop('init_cfg', None)
        path.parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(path)
        return path

    def checkpoint(self, row: Row, seed: int) -> Path:
        """The best checkpoint of a training, as a link with the name that the config of the ensemble expects."""
        folder = self.folder(row, seed)
        best = best_checkpoint(folder)
        if best is None:
            raise SystemExit(f'{folder}: the training of row {row.key!r} has no best checkpoint; see its log')
        link = folder / 'best.pth'
        link.unlink(missing_ok=True)
        link.symlink_to(best.name)
        return link

    def commands(self, row: Row, seed: int) -> list[Step]:
        """The unfinished steps of a row and seed, in order."""
        folder, trained = self.folder(row, seed), ROWS[row.trained] if row.trained else row

        def train() -> list:
            # The schedule of the configs is for 4 GPUs with 16 images each; that of the stand-in is for one process.
            scaled = [] if self.args.standin else ['--auto-scale-lr']
            return self.launch('train', self.config(row, seed), '--work-dir', folder, '--resume', *scaled)

        def test() -> list:
            config = folder / 'config.py' if trained is row else self.config(row, seed)
            return self.launch('test', config, self.checkpoint(trained, seed), '--work-dir', folder / 'test',
                               '--predictions', folder / 'predictions.npz', '--out', folder / 'metrics.json')

        if (folder / 'metrics.json').exists():
            return []
        return [(folder / 'log.txt', step) for step in ((train, test) if trained is row else (test, ))]

    def ensemble_commands(self, row: Row) -> list[Step]:
        """The step that averages the predictions of all seeds; no step if it is finished."""
        folder = self.folder(row, ensemble_name(self.args.seeds))
        if (folder / 'metrics.json').exists():
            return []
        members = [self.folder(ROWS[row.trained or row.key], seed) / 'predictions.npz' for seed in self.args.seeds]
        root = Path(Config.fromfile(CONFIGS / row.config).h80k_root)
        return [(folder / 'log.txt', lambda: [
            *PROGRAM, 'ensemble', *members, '--annotations', root / 'annotations', '--out', folder / 'metrics.json',
            '--out-predictions', folder / 'predictions.npz'])]

    def launch(self, command: str, *args: object) -> list:
        """The start of a command, in one process or, with several GPUs, in one process per GPU."""
        if self.args.gpus > 1:
            tools = ROOT / 'tools'
            return ['bash', tools / 'dist_run.sh', tools / f'{command}.py', self.args.gpus, *args]
        return [*PROGRAM, command, *args]

    def check_settings(self) -> None:
        """Store the settings in the work folder; SystemExit if it has rows with others, which are not comparable."""
        names = ('standin', 'data_root', 'steps', 'h80k_frames') if self.args.standin else ('standin', 'gpus')
        text = json.dumps({name: getattr(self.args, name) for name in names}, default=str)
        path = self.args.work_dir / 'settings.json'
        if path.exists() and path.read_text().strip() != text:
            raise SystemExit(f'{path} has rows with other settings: {path.read_text().strip()} there, {text} now; give '
                             'another --work-dir, or delete this one')
        write_whole(path, text + '\n')

    def run(self) -> None:
        """Run all rows: first trainings, then evaluations of the trainings of other rows, then ensembles."""
        self.check_settings()
        rows = [ROWS[key] for key in self.args.rows]
        own = [row for row in rows if row.trained is None]
        borrowed = [row for row in rows if row.trained and row.key != 'ensemble']
        for group in (own, borrowed):
            run_chains([self.commands(row, seed) for seed in self.args.seeds for row in group], self.args.jobs)
        run_chains([self.ensemble_commands(row) for row in rows if row.key == 'ensemble'], self.args.jobs)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    ablation = Ablation(args)
    if not args.collect:
        with sigterm_as_ctrl_c(), lock_folder(args.work_dir, 'ablation'):  # SIGTERM also stops the trainings
            ablation.run()
    print(write_report(ablation.folder, args))
    return 0
