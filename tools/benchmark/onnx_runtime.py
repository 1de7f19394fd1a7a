"""Speed of exported models beside eager torch on the CPU, for the same crops, in one process and in turns.

Give the model as for tools/export.py, and the files that it wrote. Time is that of crop -> normalised joints, with the
normalisation. Prints a Markdown table and writes a JSON with versions and machine.

As a scenario of run.py it exports the shipped stand-in model itself; baseline: eager torch.
"""
import argparse
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from measure import compare, same_within
from mmpose.apis import init_model
from timing import describe_machine, summarise, table, take_turns

import mmpose_integral  # noqa: F401  registers everything and makes checkpoints loadable
from mmpose_integral.apis import find_alias
from mmpose_integral.preparation.files import replace_when_done

TITLE = 'Exported models on the CPU'
PACKAGES = ('torch', 'onnxruntime', 'mmpose')
REPO = Path(__file__).resolve().parents[2]
BASELINE = 'torch, eager'
SUFFIXES = {'onnx': '.onnx', 'torchscript': '.torchscript.pt', 'torch-export': '.pt2'}  # those of tools/export.py
TOLERANCE = 1e-4  # of the input size, as tools/export.py has it
CLOCKS = dict(wall=time.perf_counter, cpu=time.process_time)


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help='config of an integral model, or an alias')
    parser.add_argument('checkpoint', nargs='?', help="its checkpoint (default: the alias')")
    parser.add_argument('--exported', nargs='+', required=True, metavar='FILE', help='files of tools/export.py')
    parser.add_argument('--batch-sizes', type=int, nargs='+', default=[1, 4])
    parser.add_argument('--threads', type=int, default=os.cpu_count(), help='of each runtime (default: all cores)')
    parser.add_argument('--rounds', type=int, default=15, help='timed runs of each')
    parser.add_argument('--warmup', type=int, default=3, help='runs of each before these')
    parser.add_argument('--clock', choices=CLOCKS, default='wall',
                        help='cpu: computing time of all threads, for a machine that others use; with --threads 1')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark/onnx_runtime.json'))
    args = parser.parse_args(args)
    if min(*args.batch_sizes, args.threads, args.rounds, 1) < 1 or args.warmup < 0:
        parser.error('--batch-sizes, --threads and --rounds: numbers above 0 expected')
    if args.clock == 'cpu' and args.threads != 1:
        parser.error('--clock cpu adds up the time of all threads, waiting ones too; give --threads 1')
    return args


def load_eager(args):
    """The model as mmpose runs it, a function of (B, 3, H, W) float32 crops, and its input size (W, H)."""
    config, checkpoint = args.model, args.checkpoint
    if not os.path.isfile(config) and not config.endswith('.py'):
        alias = find_alias(config)
        config, checkpoint = alias.config, checkpoint or alias.checkpoint
    for path in (config, checkpoint, *args.exported):
        if not path or not os.path.isfile(path):
            raise FileNotFoundError(f'{path}: no such file')
    model = init_model(config, checkpoint, device='cpu')
    preprocessor = model.data_preprocessor

    def run(crops):
        if preprocessor._channel_conversion:
            crops = crops.flip(1)
        if preprocessor._enable_normalize:
            crops = (crops - preprocessor.mean) / preprocessor.std
        return model.head.forward(model.extract_feat(crops), return_std=True)

    return run, model.head.decoder.input_size


def load_exported(path, threads):
    """Name and function of crops of an exported file, by its suffix.

    Raises:
        ValueError: another suffix.
    """
    if path.endswith('.onnx'):
        from mmpose_integral.apis.onnx_runtime import OnnxIntegralPose
        pose = OnnxIntegralPose(path, threads=threads)
        return 'onnxruntime', lambda crops: pose.predict(crops.numpy())
    if path.endswith('.torchscript.pt'):
        return 'TorchScript', torch.jit.load(path)
    if path.endswith('.pt2'):
        return 'torch.export', torch.export.load(path).module()
    raise ValueError(f'{path}: .onnx, .torchscript.pt or .pt2 expected')


def add_arguments(parser):
    """Options of the scenario."""
    parser.add_argument('--onnx-runtime-model', default='configs/quickstart/integral_r18_standin.py')
    parser.add_argument('--onnx-runtime-checkpoint', default='mmpose_integral/assets/integral_r18w32_standin.pth')
    parser.add_argument('--onnx-runtime-formats', nargs='+', choices=SUFFIXES, default=list(SUFFIXES))
    parser.add_argument('--onnx-runtime-batch-sizes', type=int, nargs='+', default=[1, 4])


@torch.no_grad()
def run(args):
    """Rows of each batch size and runtime; the files are exported for it."""
    model, checkpoint = (str(REPO / path) for path in (args.onnx_runtime_model, args.onnx_runtime_checkpoint))
    spec = importlib.util.spec_from_file_location('export_tool', REPO / 'tools' / 'export.py')
    export = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(export)
    formats = ['torchscript'] if args.quick else args.onnx_runtime_formats
    if export.main([model, checkpoint, '--format', *formats, '--out-dir', str(args.work), '--name', 'model']):
        raise ValueError(f'{model}: tools/export.py gave up, see above')
    eager, (width, height) = load_eager(argparse.Namespace(model=model, checkpoint=checkpoint, exported=[]))
    files = [str(args.work / f'model{SUFFIXES[name]}') for name in formats]
    contestants = {BASELINE: eager, **dict(load_exported(path, args.threads) for path in files)}
    rows, same = [], same_within(TOLERANCE)
    for batch in [2] if args.quick else args.onnx_runtime_batch_sizes:
        crops = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255
        turns = {name: (lambda call=call, crops=crops: call(crops), batch) for name, call in contestants.items()}
        rows += compare(f'{width}x{height}, batches of {batch}', turns, args.rounds or (2 if args.quick else 21),
                        unit='crop', warmup=3,
                        check=lambda expected, found: same(np.asarray(expected[0]), np.asarray(found[0])),
                        judge='cpu' if args.threads == 1 else 'wall')
    return rows


@torch.no_grad()
def measure_files(args):
    """Time all, print and write."""
    torch.set_num_threads(args.threads)
    eager, (width, height) = load_eager(args)
    contestants = {BASELINE: eager, **dict(load_exported(path, args.threads) for path in args.exported)}
    machine = describe_machine('torch', 'onnxruntime', 'numpy', 'mmpose')
    results, rows = {}, []
    for batch in args.batch_sizes:
        crops = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255
        turns = {name: lambda call=call, crops=crops: call(crops) for name, call in contestants.items()}
        results[batch] = summarise(take_turns(turns, args.rounds, args.warmup, CLOCKS[args.clock]))
        for name, one in results[batch].items():
            low, high = one['quartiles_ms']
            slow, fast = one['speedup_quartiles']
            rows.append((name, batch, f'{one["median_ms"]:.1f} ({low:.1f}-{high:.1f})',
                         f'{one["speedup"]:.2f} ({slow:.2f}-{fast:.2f})'))
    print(table(rows, ('runtime', 'crops a batch', 'ms a batch, median (quartiles)', 'times as fast as eager torch')))
    record = dict(model=os.path.basename(args.model), input_size=[width, height], threads=args.threads,
                  rounds=args.rounds, clock=args.clock, machine=machine, results=results)
    print(f'\n{args.threads} threads, {args.rounds} rounds, {args.clock} clock; {json.dumps(machine)}')
    with replace_when_done(args.out) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + '\n')


def main(args=None):
    """Run the tool; returns the exit status."""
    args = parse_args(args)
    try:
        measure_files(args)
    except (FileNotFoundError, ValueError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
