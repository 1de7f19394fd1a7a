"""Convert a PoseNet snapshot of 3DMPPE (Moon and others, ICCV 2019) and register an alias for it.

The snapshots are linked on https://github.com/mks0601/3DMPPE_POSENET_RELEASE. Those for MuCo-3DHP and COCO (21 joints)
become the alias ``3dmppe``, those for Human3.6M and MPII (18 joints) ``3dmppe-h36m``.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from mmpose_integral.apis.model_zoo import index_file
from mmpose_integral.cli.argument_types import alias_name, bone_length_mm
from mmpose_integral.cli.convert_official import check_config, fetch, store
from mmpose_integral.models.official_checkpoint import load_official
from mmpose_integral.models.posenet_checkpoint import convert_posenet
from mmpose_integral.utils.config_files import read_config
from mmpose_integral.utils.files import check_file
from mmpose_integral.utils.outputs import check_arguments, output_file

PAGE = 'https://github.com/mks0601/3DMPPE_POSENET_RELEASE'
# Alias and config in configs/3dmppe, by the number of joints.
MODELS = {18: ('3dmppe-h36m', 'posenet_r50_h36m-mpii-256x256.py'), 21: ('3dmppe', 'posenet_r50_muco-coco-256x256.py')}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', help='snapshot_NN.pth.tar, as a file or a URL')
    parser.add_argument('--out', type=output_file(of=Path),
                        help='file to write (default: <cache folder>/checkpoints/<config>.pth)')
    parser.add_argument('--alias', type=alias_name, help='name of the model for other commands (default: see above)')
    parser.add_argument('--config', type=Path, help='config of that model (default: that of its joints)')
    parser.add_argument('--bone-length', type=bone_length_mm, metavar='MM',
                        help='total skeleton length to store (default: the published means of train and train+val)')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_arguments(args, 'out')
    path = fetch(args.source, PAGE, 'convert-3dmppe')
    snapshot = load_official(path)
    try:
        weights, architecture, joints = convert_posenet(snapshot)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    alias, name = MODELS[joints]
    config = args.config or index_file().parent / 'configs' / '3dmppe' / name
    check_file(config, 'config file')
    cfg = read_config(config)
    check_config(cfg, weights, architecture, path)
    store(weights, architecture, snapshot.get('epoch'), cfg, args.alias or alias, args.out, args.bone_length)
    return 0
