"""Exported models beside eager torch, the baseline, on the CPU: crops to normalised joints, normalisation included.

The files are made for the run, as `mmpose-integral export` makes them, and all contestants get the same crops.
"""
import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from measure import Row, compare, same_within
from mmpose.apis import init_model
from torch import nn

import mmpose_integral  # noqa: F401  registers everything and makes checkpoints loadable
from mmpose_integral.cli import export
from mmpose_integral.deployment.onnx_runtime import OnnxIntegralPose

TITLE = 'Exported models on the CPU'
PACKAGES = ('torch', 'onnxruntime', 'mmpose')
REPO = Path(__file__).resolve().parents[2]


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--onnx-runtime-model', default=str(REPO / 'configs/quickstart/integral_r18_standin.py'),
                        help="config of the model (default: the stand-in's)")
    parser.add_argument('--onnx-runtime-checkpoint', help='checkpoint of the model',
                        default=str(REPO / 'mmpose_integral/assets/integral_r18_standin.pth'))
    parser.add_argument('--onnx-runtime-formats', nargs='+', choices=export.SUFFIXES, default=list(export.SUFFIXES),
                        help='formats to measure (default: all)')
    parser.add_argument('--onnx-runtime-batch-sizes', type=int, nargs='+', default=[1, 4], help='crops per batch')


@torch.no_grad()
def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows per batch size and runtime."""
    config, checkpoint = args.onnx_runtime_model, args.onnx_runtime_checkpoint
    formats = ['torchscript'] if args.quick else args.onnx_runtime_formats
    if export.main([config, checkpoint, '--format', *formats, '--out-dir', str(args.work), '--name', 'model']):
        raise ValueError(f'{config}: the export failed; its messages are above')
    model = init_model(config, checkpoint, device='cpu')
    width, height = model.head.decoder.input_size
    contestants = {'torch, eager': lambda crops: run_eager(model, crops), **dict(
        load_exported(args.work / f'model{export.SUFFIXES[name]}', args.threads) for name in formats)}
    for batch in [2] if args.quick else args.onnx_runtime_batch_sizes:
        crops = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255
        calls = {name: (lambda call=call, crops=crops: np.asarray(call(crops)[0]), batch)
                 for name, call in contestants.items()}
        yield from compare(f'{width}x{height}, batches of {batch}', calls, args.rounds or (2 if args.quick else 21),
                           unit='crop', warmup=3, judge='cpu' if args.threads == 1 else 'wall',
                           check=same_within(export.TOLERANCE))


def run_eager(model: nn.Module, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints and standard deviations of (B, 3, H, W) float32 crops, as mmpose runs the model."""
    preprocessor = model.data_preprocessor
    if preprocessor._channel_conversion:
        crops = crops.flip(1)
    if preprocessor._enable_normalize:
        crops = (crops - preprocessor.mean) / preprocessor.std
    return model.head.forward(model.extract_feat(crops), return_std=True)


def load_exported(path: Path, threads: int) -> tuple[str, Callable]:
    """Name of the runtime of an exported file, and its function of crops."""
    if path.suffix == '.onnx':
        pose = OnnxIntegralPose(str(path), threads=threads)
        return 'onnxruntime', lambda crops: pose.predict(crops.numpy())
    if path.suffix == '.pt2':
        return 'torch.export', torch.export.load(path).module()
    return 'TorchScript', torch.jit.load(path)
