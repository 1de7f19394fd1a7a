"""Make the rendered stand-in data set: CHALL_H80K, MPII and COCO trees from one seed.

    python tools/make_standin.py --root data/standin --num-train 2000 --preview preview.jpg
"""
import argparse
import sys

from mmpose_integral.synthetic import make_standin


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--root', default='data/standin', help='folder to make or finish (default: %(default)s)')
    parser.add_argument('--num-train', type=int, default=2000, help='H80K Train frames')
    parser.add_argument('--num-val', type=int, default=500, help='H80K Val frames')
    parser.add_argument('--num-test', type=int, default=300, help='H80K Test frames')
    parser.add_argument('--num-mpii', type=int, default=1000, help='MPII images, one in eight for validation')
    parser.add_argument('--num-coco', type=int, default=600, help='COCO images, one in eight for validation')
    parser.add_argument('--image-size', type=int, default=256, help='side of the H80K frames, px')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--num-workers', type=int, default=None, help='processes (default: all cores)')
    parser.add_argument('--fresh', action='store_true', help='delete what an earlier run left in the root')
    parser.add_argument('--preview', metavar='PATH', help='also write a contact sheet with the joints drawn in')
    return parser.parse_args(args)


def main(args=None):
    args = parse_args(args)
    try:
        summary = make_standin(args.root, args.num_train, args.num_val, args.num_test, args.num_mpii, args.num_coco,
                               args.image_size, args.seed, args.num_workers, args.fresh)
    except (ValueError, FileExistsError) as error:
        sys.exit(f'make_standin: {error}')
    except KeyboardInterrupt:
        sys.exit('\nmake_standin: stopped; the same command goes on from here')
    rate = summary['images'] / max(summary['seconds'], 1e-9)
    print(f'{args.root}: {summary["images"]} images drawn in {summary["seconds"]:.1f} s ({rate:.0f} a second)')
    for split, length in summary['length_mm'].items():
        print(f'  mean skeleton length, {split}: {length:.1f} mm')
    if args.preview:
        from mmpose_integral.synthetic.preview import save_preview
        save_preview(args.root, args.preview)
        print(f'  preview: {args.preview}')


if __name__ == '__main__':
    main()
