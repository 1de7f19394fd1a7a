"""The whole chain on the built-in stand-in data, from rendering it to a validated challenge submission.

Every stage prints the command that does the same by hand. A second run goes on at the first unfinished stage.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import make_standin
import torch
from dataset_converters import detect_boxes, fit_cameras, index_h80k, predict_keypoints_2d
from mmengine.config import Config
from quickstart_report import draw_pictures, write_results

from mmpose_integral.utils.files import write_json

TOOLS = Path(__file__).resolve().parent
CONFIGS = TOOLS.parent / 'configs' / 'quickstart'
SPLITS = ('train', 'val', 'test')

# Frames of each part. `options` go to the three trainings; the full size trains as the configs say. A detector that has
# seen a handful of frames is sure of nothing, so there it trains a little longer, and every best box counts.
SIZES = dict(
    full=dict(num_train=2800, num_val=400, num_test=200, num_mpii=1800, num_coco=2000, image_size=256, score_thr=0.1,
              options=[], detector_options=[]),
    tiny=dict(num_train=24, num_val=12, num_test=6, num_mpii=32, num_coco=24, image_size=128, score_thr=0.0,
              options=['train_cfg.max_epochs=1', 'train_dataloader.batch_size=8', 'train_dataloader.num_workers=0',
                       'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
                       'val_dataloader.persistent_workers=False', 'test_dataloader.num_workers=0',
                       'test_dataloader.persistent_workers=False'],
              detector_options=['train_cfg.max_epochs=12']))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', type=Path, default=Path('data/standin'), help='where the stand-in data goes')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/quickstart'), help='everything else')
    parser.add_argument('--size', choices=sorted(SIZES), default='full', help="'tiny' only tries the chain out")
    parser.add_argument('--fresh', action='store_true', help='delete both folders and start over')
    return parser.parse_args()


def show_command(args):
    """Print a command as one would type it, and return it as one has to start it."""
    command = [sys.executable, '-W', 'ignore', *map(str, args)]
    print('$ python', os.path.relpath(args[0]), *map(str, args[1:]), flush=True)
    return command


def run_together(commands, every_s=20):
    """Run tools side by side, each with its share of the cores, and show the last line of progress of each.

    Two jobs with small models on a core each are done sooner than one after the other on two.

    Args:
        commands (dict[Path, list]): log file -> command.
        every_s (float): seconds between two looks.

    Raises:
        subprocess.CalledProcessError: one of them failed; the others are stopped and its last lines printed.
    """
    threads = str(max(1, (os.cpu_count() or 1) // len(commands)))
    processes = {}
    try:
        for log, command in commands.items():
            with open(log, 'w') as file:
                processes[log] = subprocess.Popen(show_command(command), stdout=file, stderr=subprocess.STDOUT,
                                                  env=dict(os.environ, OMP_NUM_THREADS=threads))
        waited = 0
        while any(process.poll() is None for process in processes.values()):
            time.sleep(1)
            waited += 1
            if waited % every_s == 0:
                for log in commands:
                    steps = [line for line in log.read_text(errors='replace').splitlines() if 'Epoch(' in line]
                    print(f'{log.stem}: {steps[-1].split("INFO - ")[-1][:110] if steps else "starting"}', flush=True)
            failed = [log for log, process in processes.items() if process.poll()]
            if failed:
                print(''.join(failed[0].read_text(errors='replace').splitlines(keepends=True)[-30:]))
                raise subprocess.CalledProcessError(processes[failed[0]].returncode, commands[failed[0]])
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.terminate()
                process.wait()


class Chain:
    """The stages, in order, with what each needs; a method a stage."""

    def __init__(self, args):
        self.data, self.work, self.size = args.data_root, args.work_dir, SIZES[args.size]
        self.h80k = self.data / 'h80k'
        self.annotations = self.h80k / 'annotations'
        os.environ['STANDIN_ROOT'] = str(self.data)  # the configs of this folder read it

    def stages(self):
        """(name, title, method) of each stage."""
        return [
            ('standin', 'Render the stand-in data', self.make_data),
            ('index', 'Index and check it', self.index),
            ('models', 'Train a person detector and a 2D model, side by side', self.train_models),
            ('boxes', 'Detect the person in every frame', self.boxes),
            ('keypoints_2d', 'Predict coarse 2D joints in every frame', self.keypoints_2d),
            ('cameras', 'Fit the cameras', self.cameras),
            ('integral', 'Train the integral model, H80K + MPII', self.train_integral),
            ('evaluate', 'Evaluate on Val', self.evaluate),
            ('submission', 'Predict Test and write the submission', self.submit),
            ('pictures', 'Draw what came out', self.pictures)]

    def annotation(self, split, kind=''):
        return str(self.annotations / f'h80k_{split}{kind}')

    def call(self, tool, *args):
        """Run a preparation tool in this process: starting one costs more than a small job."""
        args = [str(arg) for arg in args]
        print('$ python', os.path.relpath(tool.__file__), *args, flush=True)
        status = tool.main(args)
        if status:
            raise SystemExit(f'{tool.__file__} ended with status {status}')

    def run(self, *args):
        """Run a tool in a process of its own."""
        subprocess.run(show_command(args), check=True)

    def train_command(self, config, work, *options):
        options = [*self.size['options'], *options]
        return [TOOLS / 'train.py', CONFIGS / config, '--work-dir', self.work / work, '--resume',
                *(['--cfg-options', *options] if options else [])]

    def checkpoint(self, work):
        """The best checkpoint of a training, or its last where none was kept as best."""
        folder = self.work / work
        best = sorted(folder.glob('best_*.pth'), key=os.path.getmtime)
        return best[-1] if best else Path((folder / 'last_checkpoint').read_text().strip())

    def make_data(self):
        flags = [f'--{key.replace("_", "-")}={value}' for key, value in self.size.items()
                 if key.startswith('num_') or key == 'image_size']
        self.call(make_standin, '--root', self.data, *flags, '--preview', self.work / 'standin_preview.jpg')

    def index(self):
        self.call(index_h80k, self.h80k)

    def train_models(self):
        run_together({
            self.work / 'detector.log': self.train_command('detector_rtmdet_nano.py', 'detector',
                                                           *self.size['detector_options']),
            self.work / 'keypoints_2d.log': self.train_command('keypoints_2d_r18_mpii.py', 'keypoints_2d')})

    def boxes(self):
        for split in SPLITS:
            self.call(detect_boxes, CONFIGS / 'detector_rtmdet_nano.py', self.checkpoint('detector'),
                      '--root', self.h80k, '--index', self.annotation(split, '.npz'),
                      '--out', self.annotation(split, '_boxes.json'), '--batch-size', 64,
                      '--score-thr', self.size['score_thr'])

    def keypoints_2d(self):
        self.run(TOOLS / 'test.py', CONFIGS / 'keypoints_2d_r18_mpii.py', self.checkpoint('keypoints_2d'),
                 '--work-dir', self.work / 'keypoints_2d', '--out', self.work / 'keypoints_2d.json')
        for split in SPLITS:
            self.call(predict_keypoints_2d, CONFIGS / 'keypoints_2d_r18_mpii.py', self.checkpoint('keypoints_2d'),
                      '--root', self.h80k, '--index', self.annotation(split, '.npz'),
                      '--boxes', self.annotation(split, '_boxes.json'),
                      '--out', self.annotation(split, '_keypoints_2d.npz'), '--batch-size', 64,
                      '--padding', 1.25)

    def cameras(self):
        self.call(fit_cameras, '--index', self.annotation('train', '.npz'), '--root', self.h80k,
                  '--keypoints-2d', self.annotation('train', '_keypoints_2d.npz'),
                  '--truth', self.data / 'truth' / 'h80k_train.npz', '--out', self.annotation('train', '_cameras.npz'))

    def train_integral(self):
        """On a GPU, or in two processes on the CPU, which use its cores better than two threads of one process."""
        options = ['model.backbone.init_cfg.type=Pretrained', 'model.backbone.init_cfg.prefix=backbone.',
                   f'model.backbone.init_cfg.checkpoint={self.checkpoint("keypoints_2d")}']
        processes = 1 if torch.cuda.is_available() else min(2, os.cpu_count() or 1)
        if processes == 1:
            self.run(*self.train_command('integral_r18_standin.py', 'integral', *options))
            return
        batch = Config.fromfile(CONFIGS / 'integral_r18_standin.py').train_dataloader.batch_size // processes
        # A process has little time left beside its training; loading in it spares the way from a worker.
        options += [f'train_dataloader.batch_size={batch}', 'train_dataloader.num_workers=0',
                    'train_dataloader.persistent_workers=False']
        tool, *arguments = self.train_command('integral_r18_standin.py', 'integral', *options)
        command = ['bash', str(TOOLS / 'dist_train.sh'), str(arguments[0]), str(processes), *map(str, arguments[1:])]
        print('$', *command, flush=True)
        subprocess.run(command, check=True, env=dict(os.environ, PYTHON=sys.executable, PYTHONWARNINGS='ignore'))

    def evaluate(self):
        """Without and with flip test, side by side: a good part of it is the start of a process."""
        commands = {}
        for flip in (False, True):
            name = 'val_flip' if flip else 'val'
            commands[self.work / f'{name}.log'] = [
                TOOLS / 'test.py', CONFIGS / 'integral_r18_standin.py', self.checkpoint('integral'),
                '--work-dir', self.work / name, '--out', self.work / f'{name}.json',
                '--dump', self.work / f'{name}.pkl', '--cfg-options', f'model.test_cfg.flip_test={flip}']
        run_together(commands)

    def submit(self):
        self.run(TOOLS / 'submit.py', CONFIGS / 'integral_r18_standin.py', self.checkpoint('integral'), '--flip-test',
                 '--work-dir', self.work / 'integral', '--out', self.work / 'submission.zip')

    def pictures(self):
        draw_pictures(self.data, self.work)


def run_stages(chain, work):
    """Run what is unfinished; ``stages.json`` keeps the seconds of what is done."""
    record = work / 'stages.json'
    done = json.loads(record.read_text()) if record.exists() else {}
    stages = chain.stages()
    for number, (name, title, method) in enumerate(stages, 1):
        print(f'\n=== {number}/{len(stages)}  {title}', flush=True)
        if name in done:
            print(f'done before, {done[name]:.0f} s')
            continue
        start = time.monotonic()
        method()
        done[name] = time.monotonic() - start
        write_json(record, done)
        print(f'--- {title}: {done[name]:.0f} s, all so far {sum(done.values()):.0f} s', flush=True)
    return done


def main():
    args = parse_args()
    if args.fresh:
        shutil.rmtree(args.work_dir, ignore_errors=True)
        if (args.data_root / 'standin.json').exists():  # never a folder that is not ours
            shutil.rmtree(args.data_root)
    args.work_dir.mkdir(parents=True, exist_ok=True)
    settings = args.work_dir / 'size.txt'
    if settings.exists() and settings.read_text() != args.size:
        raise SystemExit(f'{args.work_dir} holds a run of size {settings.read_text()!r}, {args.size!r} was asked for: '
                         'give --fresh to delete it, or another --work-dir and --data-root')
    settings.write_text(args.size)
    try:
        seconds = run_stages(Chain(args), args.work_dir)
    except KeyboardInterrupt:
        raise SystemExit('\nStopped. The same command goes on from here.') from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f'\nThe stage failed (status {error.returncode}); its messages are above. The same command '
                         'tries it again.') from None
    print('\n' + write_results(args.data_root, args.work_dir, seconds))


if __name__ == '__main__':
    main()
