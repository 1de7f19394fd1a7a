"""Exported models beside eager torch on the CPU: the same crops to normalised joints, normalisation included.

The files are made for the run, as tools/export.py makes them. Baseline: eager torch.
"""
import importlib.util
from pathlib import Path

import numpy as np
import torch
from measure import compare, same_within
from mmpose.apis import init_model

import mmpose_integral  # noqa: F401  registers everything and makes checkpoints loadable

TITLE = 'Exported models on the CPU'
PACKAGES = ('torch', 'onnxruntime', 'mmpose')
REPO = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4  # of the input size, as tools/export.py has it


def add_arguments(parser):
    """Options of the scenario."""
    parser.add_argument('--onnx-runtime-model', default=str(REPO / 'configs/quickstart/integral_r18_standin.py'))
    parser.add_argument('--onnx-runtime-checkpoint',
                        default=str(REPO / 'mmpose_integral/assets/integral_r18w32_standin.pth'))
    parser.add_argument('--onnx-runtime-formats', nargs='+', default=['onnx', 'torchscript', 'torch-export'])
    parser.add_argument('--onnx-runtime-batch-sizes', type=int, nargs='+', default=[1, 4])


@torch.no_grad()
def run(args):
    """Rows of each batch size and runtime."""
    config, checkpoint = args.onnx_runtime_model, args.onnx_runtime_checkpoint
    spec = importlib.util.spec_from_file_location('export_tool', REPO / 'tools' / 'export.py')
    export = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(export)
    formats = ['torchscript'] if args.quick else args.onnx_runtime_formats
    if export.main([config, checkpoint, '--format', *formats, '--out-dir', str(args.work), '--name', 'model']):
        raise ValueError(f'{config}: tools/export.py gave up, see above')
    model = init_model(config, checkpoint, device='cpu')
    width, height = model.head.decoder.input_size
    contestants = {'torch, eager': lambda crops: eager(model, crops), **dict(
        load_exported(args.work / f'model{export.SUFFIXES[name]}', args.threads) for name in formats)}
    rows, same = [], same_within(TOLERANCE)
    for batch in [2] if args.quick else args.onnx_runtime_batch_sizes:
        crops = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255
        turns = {name: (lambda call=call, crops=crops: call(crops), batch) for name, call in contestants.items()}
        rows += compare(f'{width}x{height}, batches of {batch}', turns, args.rounds or (2 if args.quick else 21),
                        unit='crop', warmup=3, judge='cpu' if args.threads == 1 else 'wall',
                        check=lambda expected, found: same(np.asarray(expected[0]), np.asarray(found[0])))
    return rows


def eager(model, crops):
    """Joints and standard deviations of (B, 3, H, W) float32 crops, as mmpose runs the model."""
    preprocessor = model.data_preprocessor
    if preprocessor._channel_conversion:
        crops = crops.flip(1)
    if preprocessor._enable_normalize:
        crops = (crops - preprocessor.mean) / preprocessor.std
    return model.head.forward(model.extract_feat(crops), return_std=True)


def load_exported(path, threads):
    """Name and function of crops of an exported file."""
    if path.suffix == '.onnx':
        from mmpose_integral.deployment.onnx_runtime import OnnxIntegralPose
        pose = OnnxIntegralPose(str(path), threads=threads)
        return 'onnxruntime', lambda crops: pose.predict(crops.numpy())
    if path.suffix == '.pt2':
        return 'torch.export', torch.export.load(path).module()
    return 'TorchScript', torch.jit.load(path)
