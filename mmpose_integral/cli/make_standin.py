"""Render the stand-in data set: CHALL_H80K, MPII and COCO trees from one seed."""
import argparse
from collections.abc import Sequence

from mmpose_integral.cli import CONTINUES
from mmpose_integral.cli.argument_types import at_least_one, at_least_zero, seed
from mmpose_integral.synthetic import make_standin
from mmpose_integral.synthetic.preview import save_preview
from mmpose_integral.utils.outputs import PICTURES, output_file, output_folder

AFTER_CTRL_C = CONTINUES


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--root', type=output_folder, default='data/standin',
                        help='folder to write or to complete (default: %(default)s)')
    for option, default, images in (
            ('--num-train', 2000, 'H80K Train frames'), ('--num-val', 500, 'H80K Val frames'),
            ('--num-test', 300, 'H80K Test frames'),
            ('--num-mpii', 1000, 'MPII images; one of eight is for validation'),
            ('--num-coco', 600, 'COCO images; one of eight is for validation')):
        parser.add_argument(option, type=at_least_zero, default=default,
                            help=f'number of {images} (default: %(default)s)')
    parser.add_argument('--image-size', type=at_least_one, default=256,
                        help='side of the H80K frames, px (default: 256)')
    parser.add_argument('--seed', type=seed, default=0, help='seed of everything that is rendered')
    parser.add_argument('--random-backgrounds', action='store_true',
                        help='draw the H80K frames over random scenes in place of the studio')
    parser.add_argument('--random-people', action='store_true',
                        help='draw another person with other clothes in each H80K frame')
    parser.add_argument('--photographs', action='store_true',
                        help='draw the H80K frames like photographs: other people, scenes and views in every frame')
    parser.add_argument('--num-workers', type=at_least_zero, help='number of processes (default: all cores)')
    parser.add_argument('--fresh', action='store_true', help='first delete the data of an earlier run')
    parser.add_argument('--preview', type=output_file(*PICTURES), metavar='PATH',
                        help='also write a contact sheet with the joints')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    summary = make_standin(args.root, args.num_train, args.num_val, args.num_test, args.num_mpii, args.num_coco,
                           args.image_size, args.seed, args.num_workers, args.fresh,
                           random_backgrounds=args.random_backgrounds, random_people=args.random_people,
                           photographs=args.photographs)
    rate = summary['images'] / max(summary['seconds'], 1e-9)
    print(f'{args.root}: {summary["images"]} images drawn in {summary["seconds"]:.1f} s ({rate:.0f} per second)')
    for split, length in summary['length_mm'].items():
        print(f'  mean skeleton length, {split}: {length:.1f} mm')
    if args.preview:
        save_preview(args.root, args.preview)
        print(f'  preview: {args.preview}')
    return 0
