"""Draw augmented samples of a config with their labels, as the network receives them in training."""
import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, KEYPOINT_CODECS

from mmpose_integral.cli.argument_types import at_least_one, seed
from mmpose_integral.engine.config_checks import ConfigOptions, apply_options
from mmpose_integral.utils.config_files import check_entries, explain_building, read_config
from mmpose_integral.utils.outputs import output_folder
from mmpose_integral.utils.progress import progress_bar
from mmpose_integral.visualization import save_picture
from mmpose_integral.visualization.batch_sheet import contact_sheet, draw_sample


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file of an integral model')
    parser.add_argument('--num', type=at_least_one, default=16, help='number of samples, equally many per source')
    parser.add_argument('--out-dir', type=output_folder, default='work_dirs/batch',
                        help='folder of the picture, whose name is <config>_<split>.png')
    parser.add_argument('--split', choices=['train', 'val'], default='train',
                        help='split; val has no labels and shows crops beside the true pose')
    parser.add_argument('--columns', type=at_least_one, default=4, help='samples per row of the picture')
    parser.add_argument('--height', type=at_least_one, default=320, help='height of a crop in the picture, px')
    parser.add_argument('--seed', type=seed, default=0, help='seed of the choice of samples and of the augmentation')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, default={}, metavar='KEY=VALUE',
                        help='change entries of the config')
    return parser.parse_args(argv)


def choose_samples(lengths: Sequence[int], num: int, generator: np.random.Generator) -> list[int]:
    """Draw ``num`` distinct indices into a concatenation of sources: equal parts of each source, in alternating order.

    ``lengths`` are the numbers of samples of the sources. If they are too small, fewer indices are returned.
    """
    starts = np.cumsum([0, *lengths[:-1]])
    queues = [(start + generator.permutation(length)).tolist() for start, length in zip(starts, lengths, strict=True)]
    turns = [index for turn in range(max(lengths, default=0)) for index in (q[turn] for q in queues if turn < len(q))]
    return turns[:num]


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    cfg = read_config(args.config)
    apply_options(cfg, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    loader = cfg.get(f'{args.split}_dataloader')
    if loader is None:
        raise ValueError(f'{args.config}: no {args.split}_dataloader')
    check_entries(cfg, args.config, 'model')
    codec_cfg = cfg.get('codec') or (cfg.model.get('head') or {}).get('decoder')
    if codec_cfg is None:
        raise ValueError(f'{args.config}: neither codec nor model.head.decoder, so the labels cannot be decoded')
    with explain_building(args.config):
        dataset, codec = DATASETS.build(loader.dataset), KEYPOINT_CODECS.build(codec_cfg)
    np.random.seed(args.seed)
    lengths = [len(part) for part in getattr(dataset, 'datasets', [dataset])]
    bgr = bool(cfg.model.get('data_preprocessor', {}).get('bgr_to_rgb', True))
    tiles = []
    for index in progress_bar(choose_samples(lengths, args.num, np.random.default_rng(args.seed)), unit='sample'):
        data = dataset[index]
        try:
            tiles.append(draw_sample(data['inputs'], data['data_samples'], codec, args.height, bgr))
        except ValueError as error:
            raise ValueError(f'{args.config}, {args.split} sample {index}: {error}') from error
    out = args.out_dir / f'{Path(args.config).stem}_{args.split}.png'
    save_picture(contact_sheet(tiles, args.columns), out)
    print(f'\n{out}')
    return 0
