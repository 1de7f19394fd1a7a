"""Run the whole chain on stand-in data, from rendering the data to a validated challenge submission.

The person detector, the 2D model and the integral model start from weights in the package, which were trained on other
rendered people (docs/standin.md). These weights take the place of the paper's ImageNet weights. With
``--from-scratch``, the detector and the 2D model start from random weights, and the integral model from the backbone of
the 2D model.

Every stage prints its command. A second run continues at the first unfinished stage.
"""
import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmpose_integral.apis.model_zoo import index_file
from mmpose_integral.cli import CONTINUES
from mmpose_integral.cli.argument_types import seed
from mmpose_integral.cli.main import run_command
from mmpose_integral.cli.quickstart.report import draw_pictures, write_results
from mmpose_integral.cli.trainings import PROGRAM, best_checkpoint, run_chains
from mmpose_integral.utils.files import write_json, write_whole
from mmpose_integral.utils.launch import ending_with_us
from mmpose_integral.utils.locks import empty_folder, lock_folder
from mmpose_integral.utils.outputs import output_folder
from mmpose_integral.utils.reading import read_json_object

ROOT = index_file().parent
CONFIGS = ROOT / 'configs' / 'quickstart'
DETECTOR, KEYPOINTS_2D, INTEGRAL = (CONFIGS / f'{name}.py' for name in (
    'detector_rtmdet_nano', 'keypoints_2d_r18_mpii', 'integral_r18_standin'))
START, DETECTOR_START = (Path(__file__).resolve().parents[2] / 'assets' / f'pretrained_{name}_standin.pth'
                         for name in ('r18', 'rtmdet_nano'))
SPLITS = ('train', 'val', 'test')

# Number of images of each part. `options` apply to the three trainings; with the full size and pretrained weights, the
# trainings follow their configs. With `--from-scratch`, the detector of the tiny size is trained on a few images only
# and gives low scores. The tiny size therefore trains it for longer and accepts the best box of each frame.
SIZES: dict[str, dict[str, Any]] = dict(
    full=dict(num_train=2800, num_val=400, num_test=200, num_mpii=1800, num_coco=2000, image_size=256, score_thr=0.1,
              options=[], scratch_detector=[]),
    tiny=dict(num_train=24, num_val=12, num_test=6, num_mpii=32, num_coco=24, image_size=128, score_thr=0.0,
              options=['train_cfg.max_epochs=1', 'train_dataloader.batch_size=8',
                       *(f'{split}_dataloader.{option}' for split in SPLITS
                         for option in ('num_workers=0', 'persistent_workers=False'))],
              scratch_detector=['train_cfg.max_epochs=12', 'optim_wrapper.optimizer.lr=6e-3']))
# Without pretrained weights, the trainings need higher learning rates than those of their configs, and the detector
# needs twice as many epochs. With a learning rate of 6e-3, one of three seeds ended with half the average precision.
SCRATCH = {DETECTOR: ['optim_wrapper.optimizer.lr=2.5e-3', 'train_cfg.max_epochs=6', 'train_cfg.val_interval=6',
                      'param_scheduler.1.end=6', 'param_scheduler.1.T_max=5'],
           KEYPOINTS_2D: ['optim_wrapper.optimizer.lr=2e-3'], INTEGRAL: ['optim_wrapper.optimizer.lr=4e-3']}

AFTER_CTRL_C = CONTINUES


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', type=output_folder, default='data/standin',
                        help='folder of the stand-in data (default: %(default)s)')
    parser.add_argument('--work-dir', type=output_folder, default='work_dirs/quickstart',
                        help='folder of all other products (default: %(default)s)')
    parser.add_argument('--size', choices=sorted(SIZES), default='full',
                        help="amount of data and training; 'tiny' only shows that the chain runs (default: full)")
    parser.add_argument('--seed', type=seed, default=0, help='seed of the three trainings (default: %(default)s)')
    parser.add_argument('--from-scratch', action='store_true', help='do not use the pretrained weights of the package')
    parser.add_argument('--fresh', action='store_true', help='first delete both folders')
    return parser.parse_args(argv)


def pretrained(module: str, weights: Path) -> list[str]:
    """Options of a config with which a module starts from a checkpoint."""
    return [f'{module}.init_cfg.type=Pretrained', f'{module}.init_cfg.checkpoint={weights}']


def show(command: str, *args: object) -> list[str]:
    """Print a command as a user would type it; return its words."""
    words = [*command.split(), *map(str, args)]
    print('$ mmpose-integral', *words, flush=True)
    return words


class Chain:
    """The stages of the chain, one method per stage."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.data, self.work, self.size = args.data_root, args.work_dir, SIZES[args.size]
        self.h80k, self.from_scratch, self.seed = self.data / 'h80k', args.from_scratch, args.seed
        os.environ['STANDIN_ROOT'] = str(self.data)  # the configs of the quickstart read this variable

    def stages(self) -> list[tuple[str, str, Callable[[], None]]]:
        """(name, title, method) of each stage."""
        return [
            ('standin', 'Render the stand-in data', self.make_data),
            ('index', 'Index and check it', lambda: self.call('prepare index', self.h80k)),
            ('models', 'Train a person detector and a 2D model, side by side', self.train_models),
            ('boxes', 'Detect the person in every frame', self.boxes),
            ('keypoints_2d', 'Predict coarse 2D joints in every frame', self.keypoints_2d),
            ('cameras', 'Fit the cameras', self.cameras),
            ('integral', 'Train the integral model, H80K + MPII', self.train_integral),
            ('evaluate', 'Evaluate on Val', self.evaluate),
            ('submission', 'Predict Test and write the submission', self.submit),
            ('pictures', 'Draw what came out', lambda: draw_pictures(self.data, self.work))]

    def annotation(self, split: str, kind: str) -> Path:
        return self.h80k / 'annotations' / f'h80k_{split}{kind}'

    def call(self, command: str, *args: object) -> None:
        """Run a command in this process, because starting a process takes longer than a small job."""
        show(command, *args)
        if run_command(command, [str(argument) for argument in args]):
            raise SystemExit(f'\nThe command {command} failed; its messages are above.')

    def run(self, command: str, *args: object) -> None:
        """Run a command in a process of its own."""
        # The words go to the program unchanged; no shell reads them.
        subprocess.run([*PROGRAM, *show(command, *args)], check=True, preexec_fn=ending_with_us())  # nosec B603

    def run_together(self, commands: dict[str, Sequence[object]]) -> None:
        """Run commands side by side; the key is the name of the log file in the work folder.

        Two jobs with small models, on one core each, take less time than one after the other on two cores.
        """
        def step(words: Sequence[object]) -> Callable[[], Sequence[object]]:
            return lambda: [*PROGRAM, *show(*map(str, words))]

        chains = [[(self.work / f'{name}.log', step(words))] for name, words in commands.items()]
        run_chains(chains, jobs=len(chains), follow_s=20)

    def train_arguments(self, config: Path, work: str, *options: str) -> list[object]:
        options = (*self.size['options'], *options, f'randomness.seed={self.seed}')
        return [config, '--work-dir', self.work / work, '--resume', '--cfg-options', *options]

    def checkpoint(self, work: str) -> Path:
        """The best checkpoint of a training, or its last one if there is no best one."""
        folder = self.work / work
        return best_checkpoint(folder) or Path((folder / 'last_checkpoint').read_text(errors='surrogateescape').strip())

    def make_data(self) -> None:
        flags = [f'--{key.replace("_", "-")}={value}' for key, value in self.size.items()
                 if key.startswith('num_') or key == 'image_size']
        self.call('make-standin', '--root', self.data, *flags, '--preview', self.work / 'standin_preview.jpg')

    def train_models(self) -> None:
        def words(work: str, config: Path, start: Path) -> list[object]:
            options = pretrained('model', start)
            if self.from_scratch:
                options = [*SCRATCH[config], *(self.size['scratch_detector'] if config == DETECTOR else ())]
            return ['train', *self.train_arguments(config, work, *options)]

        self.run_together({'detector': words('detector', DETECTOR, DETECTOR_START),
                           'keypoints_2d': words('keypoints_2d', KEYPOINTS_2D, START)})

    def boxes(self) -> None:
        for split in SPLITS:
            self.call('prepare boxes', DETECTOR, self.checkpoint('detector'), '--root', self.h80k,
                      '--index', self.annotation(split, '.npz'), '--out', self.annotation(split, '_boxes.json'),
                      '--batch-size', 64, '--score-thr', self.size['score_thr'])

    def keypoints_2d(self) -> None:
        checkpoint = self.checkpoint('keypoints_2d')
        self.run('test', KEYPOINTS_2D, checkpoint, '--work-dir', self.work / 'keypoints_2d',
                 '--out', self.work / 'keypoints_2d.json')
        for split in SPLITS:
            self.call('prepare keypoints-2d', KEYPOINTS_2D, checkpoint, '--root', self.h80k,
                      '--index', self.annotation(split, '.npz'), '--boxes', self.annotation(split, '_boxes.json'),
                      '--out', self.annotation(split, '_keypoints_2d.npz'), '--batch-size', 64, '--padding', 1.25)

    def cameras(self) -> None:
        # The focal length comes from the joints if enough of them are good. Otherwise, that of the stand-in is given.
        known = self.from_scratch or self.size['image_size'] < 256
        options = ['--focal-length', f'{1.145 * self.size["image_size"]:.2f}'] if known else []
        self.call('prepare cameras', '--model', 'perspective', *options,
                  '--index', self.annotation('train', '.npz'), '--root', self.h80k,
                  '--keypoints-2d', self.annotation('train', '_keypoints_2d.npz'),
                  '--truth', self.data / 'truth' / 'h80k_train.npz',
                  '--out', self.annotation('train', '_perspective_cameras.npz'))

    def train_integral(self) -> None:
        """Train on a GPU, or in two processes on the CPU, which use its cores better than two threads of one."""
        options = pretrained('model', START)
        if self.from_scratch:
            options = [*SCRATCH[INTEGRAL], 'model.backbone.init_cfg.prefix=backbone.',
                       *pretrained('model.backbone', self.checkpoint('keypoints_2d'))]
        processes = 1 if torch.cuda.is_available() else min(2, os.cpu_count() or 1)
        if processes == 1:
            self.run('train', *self.train_arguments(INTEGRAL, 'integral', *options))
            return
        batch = Config.fromfile(INTEGRAL).train_dataloader.batch_size // processes
        # Loading in the training process itself saves the transfer of batches from a worker.
        options += [f'train_dataloader.batch_size={batch}', 'train_dataloader.num_workers=0',
                    'train_dataloader.persistent_workers=False']
        config, *arguments = map(str, self.train_arguments(INTEGRAL, 'integral', *options))
        command = ['bash', str(ROOT / 'tools' / 'dist_train.sh'), config, str(processes), *arguments]
        print('$', *command, flush=True)
        # Bash runs a script of this project; the words are its arguments, not commands.
        subprocess.run(command, check=True, preexec_fn=ending_with_us(),  # nosec B603
                       env=dict(os.environ, PYTHON=sys.executable, PYTHONWARNINGS='ignore'))

    def evaluate(self) -> None:
        """Evaluate without and with flip test side by side, because much of the time is the start of the process."""
        checkpoint = self.checkpoint('integral')
        self.run_together({
            name: ['test', INTEGRAL, checkpoint, '--work-dir', self.work / name, '--out', self.work / f'{name}.json',
                   '--dump', self.work / f'{name}.pkl', '--cfg-options', f'model.test_cfg.flip_test={flip}']
            for name, flip in (('val', False), ('val_flip', True))})

    def submit(self) -> None:
        self.run('submit', INTEGRAL, self.checkpoint('integral'), '--flip-test', '--work-dir', self.work / 'integral',
                 '--out', self.work / 'submission.zip')


def run_stages(chain: Chain, work: Path) -> dict[str, float]:
    """Run the unfinished stages; return the time of each stage, s, which ``stages.json`` keeps."""
    record = work / 'stages.json'
    done = read_json_object(record) if record.exists() else {}
    stages = chain.stages()
    for number, (name, title, method) in enumerate(stages, 1):
        print(f'\n=== {number}/{len(stages)}  {title}', flush=True)
        if name in done:
            print(f'finished in an earlier run, {done[name]:.0f} s')
            continue
        start = time.monotonic()
        method()
        done[name] = time.monotonic() - start
        write_json(record, done)
        print(f'--- {title}: {done[name]:.0f} s, total {sum(done.values()):.0f} s', flush=True)
    return done


def run(args: argparse.Namespace) -> None:
    """Run the quickstart in its folders, whose lock is held."""
    if args.fresh:
        empty_folder(args.work_dir)
        if (args.data_root / 'standin.json').exists():  # never delete a folder of another origin
            empty_folder(args.data_root)
    settings, wanted = args.work_dir / 'size.txt', args.size + ' from scratch' * args.from_scratch
    wanted += f', seed {args.seed}' * bool(args.seed)
    if settings.exists() and settings.read_text() != wanted:
        raise SystemExit(f'{args.work_dir} holds a run of size {settings.read_text()!r}, not {wanted!r}: give '
                         '--fresh to delete it, or another --work-dir and --data-root')
    write_whole(settings, wanted)
    try:
        seconds = run_stages(Chain(args), args.work_dir)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f'\nThe stage failed (status {error.returncode}); its messages are above. The same command '
                         'repeats it.') from None
    print('\n' + write_results(args.data_root, args.work_dir, seconds))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    with lock_folder(args.work_dir, 'quickstart'), lock_folder(args.data_root, 'quickstart'):
        run(args)
    return 0
