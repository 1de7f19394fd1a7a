"""Draw augmented samples of a config with their labels: is this what the network should learn?"""
import argparse
import os.path as osp

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, KEYPOINT_CODECS

import mmpose_integral  # noqa: F401  registers everything
from mmpose_integral.utils.progress import progress_bar
from mmpose_integral.visualization import save_picture
from mmpose_integral.visualization.batch_sheet import contact_sheet, draw_sample


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file of an integral model')
    parser.add_argument('--num', type=int, default=16, help='how many samples, equal parts from each source')
    parser.add_argument('--out-dir', default='work_dirs/batch', help='the sheet is <out-dir>/<config>_<split>.png')
    parser.add_argument('--split', choices=['train', 'val'], default='train',
                        help='whose data; val has no labels and shows crops beside the true pose')
    parser.add_argument('--columns', type=int, default=4, help='samples in a row of the sheet')
    parser.add_argument('--height', type=int, default=320, help='of a crop in the sheet, px')
    parser.add_argument('--seed', type=int, default=0, help='choice of samples and augmentation')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE',
                        help='change entries of the config')
    args = parser.parse_args()
    if args.num < 1 or args.columns < 1:
        parser.error('--num and --columns: at least 1 expected')
    return args


def choose_samples(lengths, num, generator):
    """Indices into a concatenation of sources: equal parts of each, spread at random, sources taking turns.

    Args:
        lengths (Sequence[int]): samples in each source.
        num (int): how many in all; fewer come back where the sources hold fewer.
        generator (np.random.Generator): what chance comes from.

    Returns:
        list[int]: distinct indices.
    """
    starts = np.cumsum([0, *lengths[:-1]])
    queues = [(start + generator.permutation(length)).tolist() for start, length in zip(starts, lengths, strict=True)]
    turns = [index for turn in range(max(lengths, default=0)) for index in (q[turn] for q in queues if turn < len(q))]
    return turns[:num]


def build_dataset(cfg, split):
    """The split's data set and the codec of its labels.

    Raises:
        SystemExit: the config lacks one of them.
    """
    loader = cfg.get(f'{split}_dataloader')
    if loader is None:
        raise SystemExit(f'{cfg.filename}: no {split}_dataloader')
    codec = cfg.get('codec') or cfg.model.head.get('decoder')
    if codec is None:
        raise SystemExit(f'{cfg.filename}: neither codec nor model.head.decoder; the labels cannot be read')
    return DATASETS.build(loader.dataset), KEYPOINT_CODECS.build(codec)


def main():
    args = parse_args()
    if not osp.isfile(args.config):
        raise SystemExit(f'{args.config}: no such config file')
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    dataset, codec = build_dataset(cfg, args.split)
    np.random.seed(args.seed)
    lengths = [len(part) for part in getattr(dataset, 'datasets', [dataset])]
    chosen = choose_samples(lengths, args.num, np.random.default_rng(args.seed))
    bgr = bool(cfg.model.get('data_preprocessor', {}).get('bgr_to_rgb', True))
    tiles = []
    for index in progress_bar(chosen, unit='sample'):
        data = dataset[index]
        try:
            tiles.append(draw_sample(data['inputs'], data['data_samples'], codec, args.height, bgr))
        except ValueError as error:
            raise SystemExit(f'\n{args.config}, {args.split} sample {index}: {error}') from None
    stem = osp.splitext(osp.basename(args.config))[0]
    out = osp.join(args.out_dir, f'{stem}_{args.split}.png')
    save_picture(contact_sheet(tiles, args.columns), out)
    print(f'\n{out}')


if __name__ == '__main__':
    main()
