"""Write a trained model as ONNX, TorchScript or a torch.export program: crop in, normalised joints out.

MODEL is a config, with its CHECKPOINT, or an alias. What is written is first run beside the model itself, on random
crops and on those of --image, and kept only if no coordinate differs by more than 1e-4 of the input size.
mmpose_integral/deployment/onnx_runtime.py runs the .onnx without torch; docs/export.md tells how other programs do.
"""
import argparse
import contextlib
import copy
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmpose.apis import init_model
from mmpose.structures import PoseDataSample

import mmpose_integral  # registers everything and makes checkpoints loadable
from mmpose_integral.apis import find_alias
from mmpose_integral.deployment.crop_to_pose import METADATA_KEY, CropToPose, deployment_facts
from mmpose_integral.engine.weights import check_weights_file
from mmpose_integral.structures.bone_length import resolve_bone_length
from mmpose_integral.utils.files import replace_when_done

SUFFIXES = {'onnx': '.onnx', 'torchscript': '.torchscript.pt', 'torch-export': '.pt2'}
TOLERANCE = 1e-4
"""Largest difference of a coordinate, as a share of the input size."""
BATCH_SIZES = (1, 3)
OPSET = 18
CROP_STEPS = ['LoadImage', 'GetBBoxCenterScale', 'TopdownAffine3D', 'PackPose3DInputs']


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help='config of an integral model, or an alias such as official')
    parser.add_argument('checkpoint', nargs='?', help="its checkpoint (default: the alias')")
    parser.add_argument('--format', nargs='+', choices=SUFFIXES, default=['onnx'], help='default: onnx')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/export'), help='where to write')
    parser.add_argument('--name', help="of the files, without suffix (default: the config's)")
    parser.add_argument('--image', help='photo to compare on, beside random crops')
    parser.add_argument('--bbox', type=float, nargs='+', metavar='PX',
                        help='x1 y1 x2 y2 of each person in it (default: all of it)')
    args = parser.parse_args(args)
    if args.bbox is not None and (not args.image or not args.bbox or len(args.bbox) % 4):
        parser.error('--bbox: four numbers for each person in --image expected')
    return args


def find_model(name, checkpoint):
    """Config and checkpoint of the arguments.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: no such file and no such alias, or a config without a checkpoint.
    """
    config = name
    if not os.path.isfile(name) and not name.endswith('.py'):
        alias = find_alias(name)
        config, checkpoint = alias.config, checkpoint or alias.checkpoint
    if not checkpoint:
        raise ValueError(f'{config}: its CHECKPOINT is needed; only an alias brings one')
    for path in (config, checkpoint):
        if '://' not in path and not os.path.isfile(path):
            raise FileNotFoundError(f'{path}: no such file')
    return config, checkpoint


def crop_steps(cfg):
    """The steps that cut the crop, and their padding.

    Raises:
        ValueError: the test pipeline cuts in another way than the exported facts can tell.
    """
    pipeline = cfg.test_dataloader.dataset.pipeline
    names = [step.type for step in pipeline]
    if names != CROP_STEPS:
        raise ValueError(f'{cfg.filename}: its test pipeline is {names}, {CROP_STEPS} expected: a runtime knows these '
                         'steps only')
    given, wanted = tuple(pipeline[2].input_size), tuple(cfg.model.head.decoder.input_size)
    if given != wanted:
        raise ValueError(f'{cfg.filename}: its pipeline cuts {given} px, its codec is for {wanted}')
    return pipeline, pipeline[1].get('padding', 1.25)


def load_model(config, checkpoint):
    """The model on the CPU, its test pipeline, and all facts that go with it.

    Raises:
        ValueError: it cannot be exported.
    """
    cfg = Config.fromfile(config)
    kind = cfg.model.type
    if kind == 'EnsembleEstimator':
        raise ValueError(f'{config}: an ensemble is not one graph; export its members one by one')
    model = init_model(copy.deepcopy(cfg), checkpoint, device='cpu')
    check_weights_file(model, checkpoint)
    module = CropToPose(model).eval()
    pipeline, padding = crop_steps(cfg)
    lengths = model.dataset_meta.get('skeleton_length') or {}
    facts = dict(deployment_facts(model, padding), bone_length=resolve_bone_length(dataset_meta=model.dataset_meta),
                 skeleton_length={name: float(length) for name, length in lengths.items()},
                 config=os.path.basename(config), checkpoint=os.path.basename(checkpoint),
                 mmpose_integral_version=mmpose_integral.__version__, torch_version=torch.__version__)
    return module, pipeline, facts


def make_crops(pipeline, input_size, image, bbox):
    """Crops to compare on: noise, smooth random pictures, and the people of a photo.

    Returns:
        torch.Tensor: (N, 3, H, W) float32, at least as many as the largest batch.

    Raises:
        FileNotFoundError: no such photo.
        ValueError: it cannot be decoded.
    """
    width, height = input_size
    noise = torch.Generator().manual_seed(0)
    fine = torch.rand(2, 3, height, width, generator=noise)
    coarse = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 6, generator=noise), (height, width), mode='bilinear')
    crops = [*(torch.cat([fine, coarse]) * 255).round()]
    if image:
        if not os.path.isfile(image):
            raise FileNotFoundError(f'--image {image}: no such file')
        pixels = mmcv.imread(image)
        if pixels is None:
            raise ValueError(f'--image {image} cannot be decoded as an image')
        boxes = np.float32(bbox or [0, 0, *pixels.shape[1::-1]]).reshape(-1, 1, 4)
        cut = Compose(pipeline)
        crops += [cut(dict(img=pixels, bbox=box, bbox_score=np.ones(1, np.float32)))['inputs'].float() for box in boxes]
    return torch.stack(crops)


def write_onnx(module, example, path, facts):
    """Write and give back a function from (B, 3, H, W) to the list of outputs; likewise below."""
    import onnxruntime
    with contextlib.redirect_stdout(None):
        program = torch.onnx.export(
            module, (example, ), dynamo=True, opset_version=OPSET, input_names=['crop'], verbose=False,
            output_names=module.output_names, dynamic_shapes=({0: torch.export.Dim('batch')}, ))
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces, with the paths of this machine
    program.model.metadata_props[METADATA_KEY] = json.dumps(facts)
    program.save(path)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    return lambda crops: session.run(None, {'crop': crops.numpy()})


def write_torchscript(module, example, path, facts):
    torch.jit.save(torch.jit.trace(module, example), path, _extra_files={f'{METADATA_KEY}.json': json.dumps(facts)})
    return torch.jit.load(path)


def write_torch_export(module, example, path, facts):
    program = torch.export.export(module, (example, ), dynamic_shapes=({0: torch.export.Dim('batch')}, ))
    torch.export.save(program, path, extra_files={f'{METADATA_KEY}.json': json.dumps(facts)})
    return torch.export.load(path).module()


WRITERS = {'onnx': write_onnx, 'torchscript': write_torchscript, 'torch-export': write_torch_export}


def predict(model, crops):
    """What the model itself says, by its own preprocessor and backend: arrays (B, K, 3), std too where there is one."""
    inputs = model.data_preprocessor(dict(inputs=list(crops), data_samples=[PoseDataSample() for _ in crops]))['inputs']
    outputs = model.head.forward(model.extract_feat(inputs), return_std=True)
    return [output.numpy() for output in outputs if output is not None]


def largest_difference(run, model, crops):
    """Largest difference of an output from the model's, over all crops and batch sizes; NaN counts as infinite.

    Outputs are normalised, so that it is a share of the input size: its width for x and z, its height for y.
    """
    worst = 0.0
    for size in BATCH_SIZES:
        for batch in crops.split(size):
            wanted, given = predict(model, batch), [np.asarray(output) for output in run(batch)]
            for one, other in zip(wanted, given, strict=True):
                difference = np.abs(one - other).max() if one.shape == other.shape else np.inf
                worst = max(worst, np.nan_to_num(difference, nan=np.inf))
    return float(worst)


def export(kind, module, crops, path, facts):
    """Write one format and compare it.

    Returns:
        float: the largest difference.

    Raises:
        ValueError: torch cannot export it with a free batch size, or the difference is too large.
    """
    # Two samples: a batch of one would be taken for a constant.
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            run = WRITERS[kind](module, crops[:2], str(path), facts)
        except ImportError as error:
            raise ValueError(f'{kind}: {error}; pip install onnx onnxruntime onnxscript') from error
        except (RuntimeError, torch._dynamo.exc.UserError) as error:
            raise ValueError(f'{kind}: torch {torch.__version__} cannot export {facts["config"]} with a free batch '
                             f'size: {str(error).strip().splitlines()[0]}') from error
        difference = largest_difference(run, module.model, crops)
    if not difference <= TOLERANCE:
        raise ValueError(f'{kind}: coordinates differ from the model\'s by {difference:.1e} of the input size, at most '
                         f'{TOLERANCE:.0e} expected; nothing is kept')
    return difference


@torch.no_grad()
def run(args):
    """Load, write and compare; files appear only when all formats have passed."""
    config, checkpoint = find_model(args.model, args.checkpoint)
    module, pipeline, facts = load_model(config, checkpoint)
    crops = make_crops(pipeline, facts['input_size'], args.image, args.bbox)
    with contextlib.ExitStack() as stack:
        done = []
        for kind in dict.fromkeys(args.format):
            path = args.out_dir / f'{args.name or Path(config).stem}{SUFFIXES[kind]}'
            temporary = stack.enter_context(replace_when_done(path))
            difference = export(kind, module, crops, temporary, facts)
            done.append(f'{path}: {temporary.stat().st_size / 1e6:.1f} MB, largest difference from torch '
                        f'{difference:.1e} of the input size ({len(crops)} crops, batches of 1 and 3)')
    print('\n'.join(done))


def main(args=None):
    """Run the tool; returns the exit status."""
    args = parse_args(args)
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    try:
        run(args)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
