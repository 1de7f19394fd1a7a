"""Write a trained model as ONNX, TorchScript or a torch.export program, from a crop to normalised joints.

MODEL is a config, with its CHECKPOINT, or an alias. The exported program is compared with the model on random crops and
on those of --image. It is kept only if no coordinate differs by more than 1e-4 of the input size.
mmpose_integral/deployment/onnx_runtime.py runs the .onnx file without torch; docs/export.md describes other programs.
"""
import argparse
import contextlib
import copy
import json
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.runner.checkpoint import CheckpointLoader
from mmpose.apis import init_model
from mmpose.models.pose_estimators.base import BasePoseEstimator
from mmpose.structures import PoseDataSample

import mmpose_integral
from mmpose_integral.apis.model_zoo import find_model
from mmpose_integral.apis.person_boxes import check_boxes
from mmpose_integral.apis.pictures import read_picture
from mmpose_integral.cli.argument_types import finite
from mmpose_integral.deployment.crop_to_pose import CropToPose, deployment_facts
from mmpose_integral.deployment.onnx_runtime import METADATA_KEY
from mmpose_integral.formats.checkpoints import stored_dataset_meta
from mmpose_integral.models.weights import load_weights_file
from mmpose_integral.structures.bone_length import resolve_bone_length
from mmpose_integral.utils.config_files import check_entries, explain_building, read_config
from mmpose_integral.utils.files import replace_when_done
from mmpose_integral.utils.outputs import output_folder

SUFFIXES = {'onnx': '.onnx', 'torchscript': '.torchscript.pt', 'torch-export': '.pt2'}
TOLERANCE = 1e-4
"""Largest difference of a coordinate, as a share of the input size."""
BATCH_SIZES = (1, 3)
OPSET = 18
CROP_STEPS = ['LoadImage', 'GetBBoxCenterScale', 'TopdownAffine3D', 'PackPose3DInputs']


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help='config of an integral model, or an alias such as official')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint of the model (default: that of the alias)')
    parser.add_argument('--format', nargs='+', choices=SUFFIXES, default=['onnx'], help='formats (default: onnx)')
    parser.add_argument('--out-dir', type=output_folder, default='work_dirs/export', help='folder to write to')
    parser.add_argument('--name', help='name of the files, without suffix (default: that of the config)')
    parser.add_argument('--image', help='photo to compare on, in addition to random crops')
    parser.add_argument('--bbox', type=finite, nargs='+', metavar='PX',
                        help='x1 y1 x2 y2 of each person in the photo (default: the whole photo)')
    args = parser.parse_args(argv)
    if args.name is not None and args.name != os.path.basename(args.name):
        parser.error(f'--name: a name without a folder expected, got {args.name}; --out-dir names the folder')
    if args.bbox is not None and (not args.image or len(args.bbox) % 4):
        parser.error('--bbox: --image and four numbers for each person in it expected')
    return args


def crop_steps(cfg: Config) -> tuple[list, float]:
    """The test pipeline, which cuts the crop, and its padding; ValueError if the metadata cannot describe its steps."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    names = [step.type for step in pipeline]
    if names != CROP_STEPS:
        raise ValueError(f'{cfg.filename}: its test pipeline is {names}, {CROP_STEPS} expected, because a runtime '
                         'implements only these steps')
    given, wanted = tuple(pipeline[2].input_size), tuple(cfg.model.head.decoder.input_size)
    if given != wanted:
        raise ValueError(f'{cfg.filename}: its pipeline cuts {given} px, its codec expects {wanted} px')
    return pipeline, pipeline[1].get('padding', 1.25)


def load_model(config: str, checkpoint: str) -> tuple[CropToPose, list, dict]:
    """The model on the CPU, its test pipeline, and the metadata that a runtime needs; ValueError for other models."""
    cfg = read_config(config, 'model')
    if cfg.model.type == 'EnsembleEstimator':
        raise ValueError(f'{config}: an ensemble cannot be exported as one graph; export its members one by one')
    check_entries(cfg, config, 'test_dataloader')
    stored_dataset_meta(CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu'), checkpoint)
    with explain_building(config):
        model = init_model(copy.deepcopy(cfg), checkpoint, device='cpu')
    load_weights_file(model, checkpoint)
    module = CropToPose(model).eval()
    pipeline, padding = crop_steps(cfg)
    lengths = model.dataset_meta.get('skeleton_length') or {}
    facts = dict(deployment_facts(model, padding), bone_length=resolve_bone_length(dataset_meta=model.dataset_meta),
                 skeleton_length={name: float(length) for name, length in lengths.items()},
                 config=os.path.basename(config), checkpoint=os.path.basename(checkpoint),
                 mmpose_integral_version=mmpose_integral.__version__, torch_version=torch.__version__)
    return module, pipeline, facts


def make_crops(pipeline: list, input_size: tuple[int, int], image: str | None,
               bbox: Sequence[float] | None) -> torch.Tensor:
    """Crops to compare on, (N, 3, H, W) float32: noise, smooth random pictures, and the people of a photo."""
    width, height = input_size
    noise = torch.Generator().manual_seed(0)
    fine = torch.rand(2, 3, height, width, generator=noise)
    coarse = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 6, generator=noise), (height, width), mode='bilinear')
    crops = [*(torch.cat([fine, coarse]) * 255).round()]
    if image:
        pixels = read_picture(image).image
        given = np.array(bbox or [0, 0, *pixels.shape[1::-1]], np.float32).reshape(-1, 4)
        boxes = check_boxes(given, pixels, image)[:, None, :4]
        cut = Compose(pipeline)
        crops += [cut(dict(img=pixels, bbox=box, bbox_score=np.ones(1, np.float32)))['inputs'].float() for box in boxes]
    return torch.stack(crops)


def write_onnx(module: CropToPose, example: torch.Tensor, path: str, facts: dict) -> Callable:
    """Write an ONNX file; return a function from (B, 3, H, W) to the list of outputs."""
    import onnxruntime
    with contextlib.redirect_stdout(None):
        program = torch.onnx.export(
            module, (example, ), dynamo=True, opset_version=OPSET, input_names=['crop'], verbose=False,
            output_names=module.output_names, dynamic_shapes=({0: torch.export.Dim('batch')}, ))
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces contain paths of this machine
    program.model.metadata_props[METADATA_KEY] = json.dumps(facts)
    program.save(path)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    return lambda crops: session.run(None, {'crop': crops.numpy()})


def write_torchscript(module: CropToPose, example: torch.Tensor, path: str, facts: dict) -> Callable:
    """Write a TorchScript file; return as :func:`write_onnx` does."""
    torch.jit.save(torch.jit.trace(module, example), path, _extra_files={f'{METADATA_KEY}.json': json.dumps(facts)})
    return torch.jit.load(path)


def write_torch_export(module: CropToPose, example: torch.Tensor, path: str, facts: dict) -> Callable:
    """Write a torch.export program; return as :func:`write_onnx` does."""
    program = torch.export.export(module, (example, ), dynamic_shapes=({0: torch.export.Dim('batch')}, ))
    torch.export.save(program, path, extra_files={f'{METADATA_KEY}.json': json.dumps(facts)})
    return torch.export.load(path).module()


WRITERS = {'onnx': write_onnx, 'torchscript': write_torchscript, 'torch-export': write_torch_export}


def predict(model: BasePoseEstimator, crops: torch.Tensor) -> list[np.ndarray]:
    """Coordinates (B, K, 3) of the model with its own preprocessor, and their std where the head has one."""
    inputs = model.data_preprocessor(dict(inputs=list(crops), data_samples=[PoseDataSample() for _ in crops]))['inputs']
    outputs = model.head.forward(model.extract_feat(inputs), return_std=True)
    return [output.numpy() for output in outputs if output is not None]


def largest_difference(run: Callable, model: BasePoseEstimator, crops: torch.Tensor) -> float:
    """Largest difference of an output from that of the model, over all crops and batch sizes; NaN counts as infinite.

    Outputs are normalised, so the difference is a share of the input size: of its width for x and z, its height for y.
    """
    differences = [np.abs(wanted - np.asarray(given)).max() if wanted.shape == given.shape else np.inf
                   for size in BATCH_SIZES for batch in crops.split(size)
                   for wanted, given in zip(predict(model, batch), run(batch), strict=True)]
    return float(np.nan_to_num(differences, nan=np.inf).max())


def export(kind: str, module: CropToPose, crops: torch.Tensor, path: str | Path, facts: dict) -> float:
    """Write one format and compare it with the model; return the largest difference.

    ValueError is raised if torch cannot export the model with a free batch size, or if the difference is too large.
    """
    # The example has two samples, because torch treats a batch size of one as a constant.
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
        raise ValueError(f'{kind}: coordinates differ from those of the model by {difference:.1e} of the input size, '
                         f'at most {TOLERANCE:.0e} expected; no file is written')
    return difference


@torch.no_grad()
def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    config, checkpoint = find_model(args.model, args.checkpoint)
    if checkpoint is None:
        raise ValueError(f'{args.model}: its CHECKPOINT is expected as second argument, unless MODEL is an alias')
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
    return 0
