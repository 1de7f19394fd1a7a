"""Fetch the weights that the paper's authors released, convert them to ours, and give them a name.

Without arguments: the model of configs/official/integral_r152_train_288x384.py, from its public link, as alias
``official``. Their challenge model, trained on Val as well:
``--config configs/official/integral_r152_trainval_288x384.py --alias official-trainval``.
"""
import argparse
import os
import sys
import urllib.error
from pathlib import Path
from urllib.parse import urlsplit

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import MODELS

import mmpose_integral
from mmpose_integral.apis import register_alias, user_folder
from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS
from mmpose_integral.models.official_checkpoint import convert_official, load_official
from mmpose_integral.structures.skeleton import build_metainfo
from mmpose_integral.utils.files import replace_when_done

DEFAULT_CONFIG = Path(__file__).parents[2] / 'configs' / 'official' / 'integral_r152_train_288x384.py'


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', nargs='?', help="file or URL of the authors' checkpoint; default: the config's link")
    parser.add_argument('--out', type=Path, help='file to write; default: <cache folder>/checkpoints/<config>.pth')
    parser.add_argument('--alias', default='official', help='name to register the model under (default: official)')
    parser.add_argument('--config', type=Path, default=DEFAULT_CONFIG, help='config of that model')
    parser.add_argument('--bone-length', type=float, metavar='MM',
                        help='total skeleton length to store, in place of the published means of train and train+val')
    args = parser.parse_args(args)
    if args.bone_length is not None and not args.bone_length > 0:
        parser.error(f'--bone-length: a positive number of mm expected, got {args.bone_length}')
    return args


def fetch(source, page=None):
    """Path of a local file, or of the download of a URL, which is kept.

    Args:
        source (str): path or URL.
        page (str, optional): web page that links to the file, for the message.

    Returns:
        Path: the file.

    Raises:
        ConnectionError: the URL gives no file; the message tells how to pass it by hand.
    """
    if '://' not in source:
        return Path(source)
    path = user_folder() / 'downloads' / (Path(urlsplit(source).path).name or 'checkpoint')
    if path.is_file():
        print(f'{path} is there already; delete it to fetch it again')
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    by_hand = (f'Open it{f", or {page}, which links to it," if page else ""} in a browser, save the file, and give its '
               'path: convert_official.py PATH')
    try:
        # Dropbox shows a page for dl=0 and sends the file for dl=1.
        torch.hub.download_url_to_file(source.replace('?dl=0', '?dl=1'), str(path))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ConnectionError(f'{source} cannot be fetched ({error}). {by_hand}') from error
    with open(path, 'rb') as file:
        if file.read(256).lstrip().startswith(b'<'):
            path.unlink()
            raise ConnectionError(f'{source} sent a web page in place of the file. {by_hand}')
    return path


def check_config(cfg, weights, architecture, path):
    """ValueError unless the config's model takes these weights, all of them."""
    init_default_scope('mmpose')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    ours = {name: value.shape for name, value in model.state_dict().items()}
    theirs = {name: value.shape for name, value in weights.items()}
    if ours != theirs or architecture.input_width != cfg.codec.input_size[0]:
        name = next((name for name in [*ours, *theirs] if ours.get(name) != theirs.get(name)), 'the input size')
        raise ValueError(f'{path}: the weights are of {architecture}, which {cfg.filename} does not describe (first '
                         f'difference: {name}); give its config with --config')


def pack(weights, cfg, bone_length=None, epoch=None):
    """The checkpoint to write, with what a training run of ours would store beside the weights.

    Args:
        weights (dict[str, torch.Tensor]): state dict.
        cfg (mmengine.Config): config.
        bone_length (float, optional): mm, in place of the published means.
        epoch (int, optional): of the authors' file.

    Returns:
        dict: ``state_dict`` and ``meta``.
    """
    lengths = {name: float(bone_length or PUBLISHED_SKELETON_LENGTHS[name]) for name in ('train', 'train+val')}
    return dict(state_dict=weights, meta=dict(
        dataset_meta=dict(parse_pose_metainfo(build_metainfo()), skeleton_length=lengths), epoch=epoch,
        config_name=os.path.basename(cfg.filename), cfg=cfg.pretty_text,
        mmpose_integral_version=mmpose_integral.__version__))


def run(args):
    """Fetch, convert, write, register, and say what to do next."""
    cfg = Config.fromfile(args.config)
    source = args.source or cfg.get('released_weights')
    if not source:
        raise ValueError(f'{args.config} has no released_weights; give the checkpoint, a file or a URL')
    path = fetch(source, cfg.get('released_page'))
    checkpoint = load_official(path)
    try:
        weights, architecture = convert_official(checkpoint)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    check_config(cfg, weights, architecture, path)
    epoch = checkpoint.get('epoch') if isinstance(checkpoint.get('epoch'), int) else None
    out = args.out or user_folder() / 'checkpoints' / f'{args.config.stem}.pth'
    with replace_when_done(out) as temporary:
        torch.save(pack(weights, cfg, args.bone_length, epoch), temporary)
    register_alias(args.alias, args.config, out)
    print(f'{out}: {architecture}, {len(weights)} weights, alias {args.alias}\n'
          f'Next: python tools/infer.py PHOTO --pose3d {args.alias} --bbox X1 Y1 X2 Y2 (or --whole-image)')


def main(args=None):
    """Run the tool.

    Returns:
        int: exit status.
    """
    args = parse_args(args)
    try:
        run(args)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
