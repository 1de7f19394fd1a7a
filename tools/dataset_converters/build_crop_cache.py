"""Cut the people of a config's training sets out of their images, once, so that training decodes only what it shows.

Writes two files for each data set of the config's train_dataloader, ``OUT/<annotation file>.crops`` and its index.
Training reads them when the environment variable CROP_CACHE names the folder. A stopped run goes on where it stopped;
everything is read back and compared with its checksum before a file takes its name.
"""
import argparse
import os
import shutil
import sys
import zlib
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from tqdm import tqdm

import mmpose_integral  # noqa: F401  registers everything
from mmpose_integral.datasets.crop_cache import SUFFIX, damaged_crops, load_index, save_index
from mmpose_integral.datasets.window_jpeg import CELL
from mmpose_integral.preparation.frames import iterate_batches
from mmpose_integral.preparation.launch import run_resumable
from mmpose_integral.preparation.person_crops import CropsOfImages, boxes_of_dataset, image_key, largest_augmentation
from mmpose_integral.preparation.sharded_job import SettingsDiffer, ShardedJob, fingerprint


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='training config, whose data sets, input size and augmentation count')
    parser.add_argument('--out', type=Path, required=True, help='folder of the cache')
    parser.add_argument('--quality', type=int, help="of the JPEGs, 1 to 100 (default: each image's own quantisation)")
    parser.add_argument('--num-workers', type=int, default=min(os.cpu_count() or 1, 16), help='processes that cut')
    parser.add_argument('--fresh', action='store_true', help='start over instead of going on with an earlier run')
    parser.add_argument('--check', action='store_true', help='only compare the checksums of the caches in --out')
    args = parser.parse_args(args)
    if args.quality is not None and not 1 <= args.quality <= 100:
        parser.error(f'--quality: 1 to 100 expected, got {args.quality}')
    return args


def bar(total, title, unit):
    return tqdm(total=total, desc=title, unit=unit, mininterval=0.5 if sys.stderr.isatty() else 10)


def check(folder):
    """Compare all checksums in a folder; returns the exit status."""
    paths, faults = sorted(folder.glob(f'*{SUFFIX}')), []
    if not paths:
        raise FileNotFoundError(f'{folder}: no *{SUFFIX} there')
    for path in paths:
        with bar(len(load_index(path)['image']), path.name, 'crop') as progress:
            found = damaged_crops(path, progress.update)
        print(f'{path}: {len(found)} damaged crops')
        faults += found
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


def sources(config_path):
    """Each training data set of a config, with its file name, all its steps, and the model's input size."""
    config = Config.fromfile(config_path)
    mixed = config.train_dataloader.dataset
    init_default_scope('mmpose')
    for dataset in mixed.get('datasets') or [mixed]:
        steps = [*dataset.get('pipeline', []), *(mixed.get('pipeline', []) if dataset is not mixed else [])]
        crops = [step.input_size for step in steps if step.type == 'TopdownAffine3D']
        if len(crops) != 1:
            raise ValueError(f'{config_path}: {len(crops)} TopdownAffine3D in the training pipeline of {dataset.type}, '
                             'one expected')
        cut = next((i for i, step in enumerate(dataset.pipeline) if step.type in _AFTER_THE_BOX), None)
        built = DATASETS.build(dict(dataset, pipeline=dataset.pipeline[:cut]))
        yield Path(dataset.ann_file).stem, built, steps, tuple(crops[0])


_AFTER_THE_BOX = ('RandomFlip3D', 'RandomBBoxTransform', 'RandomBBoxTransform3D', 'RandomBBoxReleased', 'PerturbBBox',
                  'TopdownAffine3D')


def build(path, dataset, steps, input_size, args):
    """Make one cache, or say that it is there.

    Args:
        path (Path): the ``.crops`` file.
        dataset (BaseDataset): the source, whose pipeline ends with the box.
        steps (list[dict]): all steps of the training pipeline.
        input_size (tuple[int]): (W, H).
        args (argparse.Namespace): of the tool.
    """
    with bar(len(dataset), f'{path.stem}: boxes', 'person') as progress:
        boxes = boxes_of_dataset(dataset, steps, input_size, progress.update)
    keys = [image_key(image, dataset.data_root) for image in boxes]
    settings = dict(largest_augmentation(steps)._asdict(), quality=args.quality, cell=CELL,
                    input_size=list(input_size), images=len(keys), people=len(dataset),
                    boxes=fingerprint(keys, *(rows.tolist() for rows in boxes.values())))
    if path.is_file() and not args.fresh:
        if load_index(path)['settings'] != settings:
            raise SettingsDiffer(f'{path} was made with other settings, {load_index(path)["settings"]}, now '
                                 f'{settings}: start over with --fresh, or write to another --out')
        print(f'{path} is up to date; --check compares its checksums, --fresh makes it again')
        return
    job = ShardedJob(path, settings, args.fresh)
    records = job.run(range(len(keys)), Writer(job, boxes, args).stream, f'{path.stem}: images')
    finish(path, job.parts / 'data', keys, records, settings)
    shutil.rmtree(job.parts)


class Writer:
    """Appends crops to the unfinished ``.crops`` file; workers cut, this process alone writes."""

    def __init__(self, job, boxes, args):
        self.path, self.job, self.boxes, self.args = job.parts / 'data', job, boxes, args

    def stream(self, numbers):
        """Records of images, for :meth:`ShardedJob.run`: a record is written after its crops."""
        done = [crop for record in self.job.results().values() for crop in record['crops']]
        end = max((offset + length for offset, length, *_ in done), default=0)
        if (self.path.stat().st_size if self.path.is_file() else 0) < end:
            raise ValueError(f'{self.path} is shorter than its records say; start over with --fresh')
        images = CropsOfImages(self.boxes, numbers, self.args.quality)
        with open(self.path, 'r+b' if self.path.is_file() else 'wb') as file:
            file.truncate(end)  # crops whose record was not written when the run was stopped
            file.seek(end)
            for batch in iterate_batches(images, 8, self.args.num_workers):
                records = [self._append(file, *one) for one in batch]
                file.flush()
                yield records

    @staticmethod
    def _append(file, number, size, file_size, crops):
        rows = []
        for box, data in crops:
            rows.append([file.tell(), len(data), zlib.crc32(data), *box])
            file.write(data)
        return dict(frame_id=number, size=size, bytes=file_size, crops=rows)


def finish(path, data, keys, records, settings):
    """Write the index, compare all checksums, and give both files their names."""
    data.touch()  # a data set without people writes none
    crops = [[number, *crop] for number, record in records.items() for crop in record['crops']]
    arrays = [record['size'] for record in records.values()], [record['bytes'] for record in records.values()]
    size = data.stat().st_size
    save_index(data, keys, *arrays, crops, size, settings)
    with bar(len(crops), f'{path.stem}: checksums', 'crop') as progress:
        faults = damaged_crops(data, progress.update)
    if faults:
        raise ValueError(f'{faults[0]} ({len(faults)} such crops): the disk did not keep what was written; start over '
                         'with --fresh')
    path.with_name(f'{path.name}.npz').unlink(missing_ok=True)
    os.replace(data, path)
    os.replace(f'{data}.npz', f'{path}.npz')
    people = settings['people']
    print(f'{path}: {people} people in {len(keys)} images, {len(crops)} crops, {size / 1e6:.1f} MB '
          f'({size / max(people, 1) / 1e3:.1f} MB per 1000 people)')


def main(args=None):
    """Run the tool; returns the exit status."""
    args = parse_args(args)
    if args.check:
        return check(args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, dataset, steps, input_size in sources(args.config):
        build(args.out / f'{name}{SUFFIX}', dataset, steps, input_size, args)
    print(f'To train from it: CROP_CACHE={args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(run_resumable(main))
