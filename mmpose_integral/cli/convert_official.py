"""Fetch the weights that the paper's authors released, convert them, and register an alias for them.

Without arguments, this is the model of configs/official/integral_r152_train_288x384.py from its public link, with alias
``official``. For their challenge model, which was trained on Val as well, give
``--config configs/official/integral_r152_trainval_288x384.py --alias official-trainval``.
"""
import argparse
import hashlib
import urllib.error
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import MODELS

from mmpose_integral.apis import register_alias, user_folder
from mmpose_integral.apis.model_zoo import index_file
from mmpose_integral.cli.argument_types import alias_name, bone_length_mm
from mmpose_integral.cli.publish import pack
from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS
from mmpose_integral.models.official_checkpoint import OfficialArchitecture, convert_official, load_official
from mmpose_integral.structures.skeleton import build_metainfo
from mmpose_integral.utils.config_files import read_config
from mmpose_integral.utils.files import check_file
from mmpose_integral.utils.outputs import check_arguments, check_writable, output_file

DEFAULT_CONFIG = index_file().parent / 'configs' / 'official' / 'integral_r152_train_288x384.py'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', nargs='?', help="file or URL of the authors' checkpoint (default: the config's link)")
    parser.add_argument('--out', type=output_file(of=Path),
                        help='file to write (default: <cache folder>/checkpoints/<config>.pth)')
    parser.add_argument('--alias', type=alias_name, default='official',
                        help='name of the model for other commands (default: official)')
    parser.add_argument('--config', type=Path, default=DEFAULT_CONFIG, help='config of that model')
    parser.add_argument('--bone-length', type=bone_length_mm, metavar='MM',
                        help='total skeleton length to store (default: the published means of train and train+val)')
    return parser.parse_args(argv)


def fetch(source: str, page: str | None = None, command: str = 'convert-official') -> Path:
    """Return the path of a local file, or download a URL and keep the file.

    If the URL gives no file, the message of the ConnectionError says how to download it by hand, from ``page``, and
    which ``command`` to give it to.
    """
    if '://' not in source:
        return Path(source)
    name = Path(urlsplit(source).path).name or 'checkpoint'  # files of one name may be in several folders
    path = user_folder() / 'downloads' / f'{hashlib.sha256(source.encode()).hexdigest()[:8]}-{name}'
    if path.is_file():
        print(f'{path} exists; delete it to fetch it again')
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    by_hand = (f'Open it{f", or {page}, which links to it," if page else ""} in a browser, save the file, and give its '
               f'path: mmpose-integral {command} PATH')
    try:
        # Dropbox sends a web page for dl=0 and the file for dl=1.
        torch.hub.download_url_to_file(source.replace('?dl=0', '?dl=1'), str(path))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ConnectionError(f'{source} cannot be fetched ({error}). {by_hand}') from error
    with open(path, 'rb') as file:
        if file.read(256).lstrip().startswith(b'<'):
            path.unlink()
            raise ConnectionError(f'{source} is a web page and not the file. {by_hand}')
    return path


def check_config(cfg: Config, weights: dict[str, torch.Tensor], architecture: OfficialArchitecture, path: Path) -> None:
    """Raise ValueError if the weights are not exactly those of the config's model."""
    init_default_scope('mmpose')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    ours = {name: value.shape for name, value in model.state_dict().items()}
    theirs = {name: value.shape for name, value in weights.items()}
    if ours != theirs or architecture.input_width != cfg.codec.input_size[0]:
        name = next((name for name in [*ours, *theirs] if ours.get(name) != theirs.get(name)), 'the input size')
        raise ValueError(f'{path}: the weights are of {architecture}, which is not the model of {cfg.filename} (first '
                         f'difference: {name}); give its config with --config')


def store(weights: dict[str, torch.Tensor], architecture: OfficialArchitecture, epoch: object, cfg: Config, alias: str,
          out: Path | None = None, bone_length: float | None = None) -> None:
    """Write converted weights as a checkpoint of a config, and register an alias for both.

    ``label_camera`` of the config is the camera model by which predictions are decoded; the default is weak
    perspective. Without ``bone_length``, mm, the checkpoint gets the published means.
    """
    lengths = {name: float(bone_length or PUBLISHED_SKELETON_LENGTHS[name]) for name in ('train', 'train+val')}
    dataset_meta = dict(parse_pose_metainfo(build_metainfo()), skeleton_length=lengths)
    if 'label_camera' in cfg:
        dataset_meta['camera'] = cfg.label_camera.to_dict()
    config = Path(cfg.filename)
    out = out or user_folder() / 'checkpoints' / f'{config.stem}.pth'
    save_checkpoint(pack(weights, dataset_meta, cfg, epoch if isinstance(epoch, int) else None), str(out),
                    backend_args=dict(backend='atomic_local'))
    register_alias(alias, config, out)
    print(f'{out}: {architecture}, {len(weights)} weights, alias {alias}\n'
          f'Next: mmpose-integral infer PHOTO --pose3d {alias} --bbox X1 Y1 X2 Y2 (or --whole-image)')


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_arguments(args, 'out')
    check_file(args.config, 'config file')
    cfg = read_config(args.config)
    source = args.source or cfg.get('released_weights')
    if not source:
        raise ValueError(f'{args.config} has no released_weights; give the checkpoint as a file or a URL')
    out = args.out or user_folder() / 'checkpoints' / f'{args.config.stem}.pth'
    check_writable(out)
    path = fetch(source, cfg.get('released_page'))
    checkpoint = load_official(path)
    try:
        weights, architecture = convert_official(checkpoint)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    check_config(cfg, weights, architecture, path)
    store(weights, architecture, checkpoint.get('epoch'), cfg, args.alias, out, args.bone_length)
    return 0
