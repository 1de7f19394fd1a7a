"""Train and evaluate the rows of the paper's Table 2 (and more), and write its tables with our figures beside them.

On the real data, with H80K_ROOT, MPII_ROOT and COCO_ROOT set: ``python tools/ablation.py --gpus 4``. On the stand-in,
whose boxes, 2D joints and backbone ``tools/quickstart.sh`` leaves: ``python tools/ablation.py --standin --jobs 2``.
Every row is a config; this tool adds seeds, ``--standin`` sizes, and bookkeeping. What is finished is not done again,
a training that was stopped goes on. ``--collect`` only writes the tables.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ablation_report import write_report
from ablation_rows import ROWS, TABLE_2
from mmengine.config import Config

from mmpose_integral.engine.shrink import shrink_config
from mmpose_integral.utils.files import write_json

TOOLS = Path(__file__).resolve().parent
CONFIGS = TOOLS.parent / 'configs'
# The stand-in's schedule. Small batches learn faster there than large ones; an epoch is one pass over H80K in every
# row, as in the paper, so that rows with more sources take more steps.
STANDIN = dict(divisor=4, batch_size=8, lr=2e-3)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rows', nargs='+', choices=sorted(ROWS), metavar='ROW', default=[row.key for row in TABLE_2],
                        help=f'of {", ".join(ROWS)}; default: Table 2')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/ablation'))
    parser.add_argument('--gpus', type=int, default=1, help='processes of a training (default: 1)')
    parser.add_argument('--jobs', type=int, default=1, help='trainings side by side, for CPUs (default: 1)')
    parser.add_argument('--collect', action='store_true', help='run nothing, write the tables of what is there')
    standin = parser.add_argument_group('stand-in')
    standin.add_argument('--standin', action='store_true', help='small models and trainings on the stand-in data')
    standin.add_argument('--data-root', type=Path, default=Path('data/standin'))
    standin.add_argument('--epochs', type=int, default=128, help='passes over H80K (default: %(default)s)')
    standin.add_argument('--h80k-frames', type=int, default=100, help='of Train (default: %(default)s)')
    standin.add_argument('--init', nargs='+', default=[], metavar='DEPTH=CHECKPOINT', help=(
        "start ResNets of this depth from the backbone of a 2D model, as the paper's start from ImageNet"))
    args = parser.parse_args()
    malformed = [text for text in args.init if not text.partition('=')[0].isdigit() or not Path(
        text.partition('=')[2]).is_file()]
    if malformed:
        parser.error(f'--init: DEPTH=CHECKPOINT with an existing file expected, got {malformed[0]}')
    longer = [key for key in args.rows if ROWS[key].longer > 1]
    if longer and not args.standin:
        parser.error(f'--rows {longer[0]}: only for --standin; on the real data a schedule ends when Val saturates')
    args.init = {int(depth): path for depth, _, path in (text.partition('=') for text in args.init)}
    return args


def standin_config(cfg, row, args):
    """Put the stand-in's sizes and schedule into a row's config."""
    shrink_config(cfg, STANDIN['divisor'])
    checkpoint = args.init.get(cfg.model.get('backbone', {}).get('depth'))
    if checkpoint:
        cfg.model.backbone.init_cfg = dict(type='Pretrained', prefix='backbone.', checkpoint=checkpoint)
    cfg.train_dataloader.dataset.datasets[0].indices = args.h80k_frames
    epochs = args.epochs * row.longer
    cfg.train_dataloader.update(batch_size=STANDIN['batch_size'], num_workers=0, persistent_workers=False)
    for name in ('val_dataloader', 'test_dataloader'):
        cfg[name].update(batch_size=64, num_workers=0, persistent_workers=False)
    cfg.train_cfg.update(max_epochs=epochs, val_interval=epochs)
    cfg.default_hooks.checkpoint.interval = max(1, epochs // 4)
    optimizer = dict(cfg.optim_wrapper.optimizer, fused=True, lr=STANDIN['lr'] * row.rate)
    cfg.optim_wrapper = dict(cfg.optim_wrapper, type='BFloat16OptimWrapper', optimizer=optimizer)
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.05, end=0.05 * epochs, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', begin=0.05 * epochs, end=epochs, T_max=0.95 * epochs, eta_min_ratio=0.005,
             convert_to_iter_based=True)]
    cfg.custom_hooks = [hook for hook in cfg.custom_hooks if 'EarlyStopping' not in hook.type]
    cfg.custom_hooks.append(dict(type='ChannelsLastHook'))
    return cfg


class Ablation:
    """The rows, and where their products lie: ``<work>/<config name>/seed<n>``."""

    def __init__(self, args):
        self.args = args
        if args.standin:
            for name in ('h80k', 'mpii', 'coco'):
                os.environ[f'{name.upper()}_ROOT'] = str(args.data_root / name)
        os.environ['ENSEMBLE_ROOT'] = str(args.work_dir)

    def folder(self, row, seed):
        name = Path(row.config).stem + f'_x{row.longer}' * (row.longer > 1) + '_scratch' * (not row.pretrained)
        return self.args.work_dir / name / f'seed{seed}'

    @property
    def all_seeds(self):
        """Name of the ensemble of all seeds, in place of a seed."""
        return 's' + '-'.join(map(str, self.args.seeds))

    def config(self, row, seed):
        """The row's config with seed and sizes, as a file of its own, so that it can be read and used by itself."""
        path = self.folder(row, seed) / 'config.py'
        cfg = Config.fromfile(CONFIGS / row.config)
        cfg.randomness = dict(seed=seed)
        cfg.train_dataloader.sampler.seed = seed
        if self.args.standin:
            standin_config(cfg, row, self.args)
        if not row.pretrained:
            cfg.model.backbone.pop('init_cfg', None)
        path.parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(path)
        return path

    def checkpoint(self, row, seed):
        """The training's best checkpoint, by the name that ensembles know."""
        folder = self.folder(row, seed)
        found = sorted(folder.glob('best_h80k*.pth'), key=os.path.getmtime)
        if not found:
            raise SystemExit(f'{folder}: the training of row {row.key!r} left no best checkpoint; see its log')
        link = folder / 'best.pth'
        link.unlink(missing_ok=True)
        link.symlink_to(found[-1].name)
        return link

    def commands(self, row, seed):
        """What is left to do for a row and seed, in order.

        Returns:
            list[tuple]: a log file and a function that gives the command; it is asked when its turn has come.
        """
        folder, log = self.folder(row, seed), self.folder(row, seed) / 'log.txt'
        if (folder / 'metrics.json').exists():
            return []
        trained = ROWS[row.trained] if row.trained else row
        commands = []
        # The schedule is made for 4 GPUs with 16 each; the stand-in's is made for what it is.
        scaled = [] if self.args.standin else ['--auto-scale-lr']
        if trained is row:
            commands.append((log, lambda: self.launch('train.py', self.config(row, seed), '--work-dir', folder,
                                                      '--resume', *scaled)))
        commands.append((log, lambda: self.launch(
            'test.py', self.config(row, seed) if trained is not row else folder / 'config.py',
            self.checkpoint(trained, seed), '--work-dir', folder / 'test', '--predictions',
            folder / 'predictions.npz', '--out', folder / 'metrics.json')))
        return commands

    def ensemble_commands(self, row):
        """The mean of the predictions of all seeds."""
        folder = self.folder(row, self.all_seeds)
        members = [self.folder(ROWS[row.trained], seed) / 'predictions.npz' for seed in self.args.seeds]
        if (folder / 'metrics.json').exists():
            return []
        folder.mkdir(parents=True, exist_ok=True)
        root = Path(Config.fromfile(CONFIGS / row.config).h80k_root)
        return [(folder / 'log.txt', lambda: [
            sys.executable, '-W', 'ignore', TOOLS / 'ensemble.py', *members, '--annotations', root / 'annotations',
            '--out', folder / 'metrics.json', '--out-predictions', folder / 'predictions.npz'])]

    def launch(self, tool, *args):
        if self.args.gpus > 1:
            return ['bash', TOOLS / 'dist_run.sh', TOOLS / tool, self.args.gpus, *args]
        return [sys.executable, '-W', 'ignore', TOOLS / tool, *args]

    def check_settings(self):
        """Keep the settings of the stand-in beside the rows.

        Raises:
            SystemExit: the work folder holds rows of other settings, which do not belong into one table.
        """
        names = ('standin', 'data_root', 'epochs', 'h80k_frames', 'init') if self.args.standin else ('standin', 'gpus')
        settings = {name: getattr(self.args, name) for name in names}
        settings = json.loads(json.dumps(settings, default=str))
        path = self.args.work_dir / 'settings.json'
        if path.exists() and json.loads(path.read_text()) != settings:
            raise SystemExit(f'{path} is of rows with other settings, {path.read_text().strip()}, than now, '
                             f'{json.dumps(settings)}: give another --work-dir, or delete this one')
        write_json(path, settings, indent=None)

    def run(self):
        """All rows: trainings first, then what evaluates the trainings of others, then ensembles."""
        self.check_settings()
        rows = [ROWS[key] for key in self.args.rows]
        own = [row for row in rows if row.trained is None]
        borrowed = [row for row in rows if row.trained and row.key != 'ensemble']
        for group in (own, borrowed):
            run_chains([self.commands(row, seed) for seed in self.args.seeds for row in group], self.args.jobs)
        run_chains([self.ensemble_commands(row) for row in rows if row.key == 'ensemble'], self.args.jobs)


def run_chains(chains, jobs):
    """Run chains of commands, ``jobs`` of them side by side with an equal share of the cores.

    Raises:
        SystemExit: a command failed; the others are stopped. All can be started again.
    """
    waiting, running = [chain for chain in chains if chain], {}
    total, threads = len(waiting), str(max(1, (os.cpu_count() or 1) // jobs))
    environment = dict(os.environ, PYTHON=sys.executable, **(dict(OMP_NUM_THREADS=threads) if jobs > 1 else {}))
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                chain = list(waiting.pop(0))
                log, command = chain.pop(0)
                log.parent.mkdir(parents=True, exist_ok=True)
                print(f'{time.strftime("%H:%M:%S")}  {log.parent} ({total - len(waiting)} of {total})', flush=True)
                with open(log, 'a') as file:
                    process = subprocess.Popen(list(map(str, command())), stdout=file, stderr=subprocess.STDOUT,
                                               env=environment)
                running[process] = log, chain
            time.sleep(0.5)
            for process in [process for process in running if process.poll() is not None]:
                log, rest = running.pop(process)
                if process.returncode:
                    tail = ''.join(log.read_text(errors='replace').splitlines(keepends=True)[-15:])
                    raise SystemExit(f'{tail}\n{log}: failed with status {process.returncode}')
                if rest:
                    waiting.insert(0, rest)
                    total += 1
    finally:
        for process in running:
            process.terminate()
            process.wait()


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the trainings end with this process
    ablation = Ablation(args)
    try:
        if not args.collect:
            ablation.run()
    except KeyboardInterrupt:
        raise SystemExit('\nStopped. The same command goes on from here.') from None
    print(write_report(ablation, args))


if __name__ == '__main__':
    main()
