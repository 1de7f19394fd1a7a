"""What tools/export.py writes gives the model's own coordinates at any batch size, or nothing is written."""
import copy
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmpose_integral.apis import register_alias
from mmpose_integral.deployment.crop_to_pose import CropToPose, deployment_facts, free_batch_size
from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS
from mmpose_integral.structures.skeleton import JOINT_NAMES, PARENTS, flip_indices

REPO = Path(__file__).parents[2]
STANDIN = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
KEYPOINTS_2D = REPO / 'configs' / 'quickstart' / 'keypoints_2d_r18_mpii.py'
WIDTH, HEIGHT = 64, 96
NO_EXPORT = 'onnx, onnxruntime or onnxscript is not installed (pip install onnx onnxruntime onnxscript)'
BACKBONE = dict(base_channels=8, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1, ))
HEAD = dict(in_channels=16, depth_bins=10, deconv_out_channels=(8, 8))
REGRESSION = dict(_delete_=True, type='Regression3DHead', in_channels=16, num_joints=18,
                  decoder=dict(type='Integral3DLabel', input_size=(WIDTH, HEIGHT)))


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


export = load(REPO / 'tools' / 'export.py')


def small_config(padding=1.4, head=None, preprocessor=None, pipeline=(), flip_test=False):
    """The stand-in's model with an eighth of the channels and half of the stages, for 64x96 crops."""
    cfg = Config.fromfile(STANDIN)
    cfg.merge_from_dict(dict(model=dict(
        data_preprocessor=preprocessor or {}, backbone=BACKBONE, test_cfg=dict(flip_test=flip_test),
        head=copy.deepcopy(head or HEAD))))
    cfg.model.head.decoder.input_size = (WIDTH, HEIGHT)
    cfg.test_dataloader.dataset.pipeline = [
        dict(type='LoadImage'), dict(type='GetBBoxCenterScale', padding=padding), *pipeline,
        dict(type='TopdownAffine3D', input_size=(WIDTH, HEIGHT)), dict(type='PackPose3DInputs')]
    return cfg


def small_model(cfg):
    """Its random weights, scaled so that volumes have peaks and the joints differ."""
    torch.manual_seed(5)
    model = MODELS.build(cfg.model).eval()
    last = model.head.fc if 'fc' in dict(model.head.named_children()) else model.head.final_layer
    torch.nn.init.normal_(last.weight, std=2.0)
    return model


@pytest.fixture
def files(tmp_path, one_thread):
    """Writes config and random checkpoint; gives their names."""
    def write(meta=None, **options):
        cfg = small_config(**options)
        cfg.dump(tmp_path / 'small.py')
        torch.save(dict(state_dict=small_model(cfg).state_dict(), meta=dict(dataset_meta=meta or dict(name='a'))),
                   tmp_path / 'small.pth')
        return str(tmp_path / 'small.py'), str(tmp_path / 'small.pth')
    return write


def answers(cfg, crops):
    """Mean and std of the estimator's own predict, in input px: samples whose box is their crop."""
    model = small_model(cfg)
    box = dict(input_center=np.float32([WIDTH / 2, HEIGHT / 2]), input_scale=np.float32([WIDTH, HEIGHT]),
               input_size=(WIDTH, HEIGHT), flip_indices=flip_indices())
    samples = [PoseDataSample(metainfo=box) for _ in crops]
    for sample in samples:
        sample.gt_instances = dict_instances()
    with torch.no_grad():
        found = model.test_step(dict(inputs=list(crops), data_samples=samples))
    return model, np.concatenate([sample.pred_instances.keypoints for sample in found])


def dict_instances():
    from mmengine.structures import InstanceData
    return InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))


@pytest.mark.parametrize('options', [
    dict(), dict(head=dict(HEAD, debias=True)), dict(head=dict(HEAD, peak=True)), dict(head=REGRESSION),
    dict(preprocessor=dict(mean=None, std=None, bgr_to_rgb=False)),
    dict(preprocessor=dict(mean=[10, 20, 30], std=[40, 50, 60], bgr_to_rgb=False))])
def test_the_module_and_its_facts_are_the_estimators_answer(options, one_thread):
    crops = torch.randint(0, 256, (3, 3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(1)).float()
    model, wanted = answers(small_config(**options), crops)
    with torch.no_grad():
        outputs = CropToPose(model)(crops)
    assert len(outputs) == (1 if options.get('head') is REGRESSION else 2)
    facts = deployment_facts(model, 1.4)
    points = (outputs[0].numpy() - np.float32(facts['offset'])) * np.float32(facts['unit'])
    np.testing.assert_allclose(points, wanted, rtol=0, atol=1e-3)
    assert np.abs(points - points[:, :1]).max() > 1  # joints do differ


def test_swin_blocks_stay_as_they_are_and_lose_their_fixed_batch():
    from mmpose.models.backbones.swin import ShiftWindowMSA
    torch.manual_seed(0)
    block = ShiftWindowMSA(8, 2, window_size=4, shift_size=2).eval()
    states = {batch: torch.rand(batch, 10 * 7, 8) for batch in (1, 2, 3)}
    with torch.no_grad():
        wanted = {batch: block(state, (10, 7)) for batch, state in states.items()}
        free_batch_size(block)
        free = ({0: torch.export.Dim('batch')}, (None, None))
        program = torch.export.export(block, (states[2], (10, 7)), dynamic_shapes=free)
        for batch, state in states.items():
            torch.testing.assert_close(block(state, (10, 7)), wanted[batch], rtol=0, atol=0)
            torch.testing.assert_close(program.module()(state, (10, 7)), wanted[batch])


def test_the_facts():
    facts = deployment_facts(small_model(small_config(flip_test=True)), 1.4)
    assert facts['input_size'] == [64, 96] and facts['padding'] == 1.4 and facts['flip_test'] is True
    assert facts['unit'] == [64, 96, 64] and facts['offset'] == [0, 0, 0.5]
    assert facts['score_factor'] == 48  # 4 / (1 / 12)
    assert facts['flip_x'] == pytest.approx(63 / 64, abs=1e-12) and facts['flip_indices'] == flip_indices()
    assert facts['joints'] == list(JOINT_NAMES) and facts['parents'] == list(PARENTS)
    assert json.loads(json.dumps(facts)) == facts


def test_all_formats_agree_at_any_batch_size(files, tmp_path, capsys):
    onnxruntime = pytest.importorskip('onnxruntime', reason=NO_EXPORT)
    pytest.importorskip('onnxscript', reason=NO_EXPORT)
    lengths = {'train': 4100.5, 'train+val': 4200.25}
    config, checkpoint = files(meta=dict(skeleton_length=lengths), flip_test=True)
    out = tmp_path / 'out'
    assert export.main([config, checkpoint, '--out-dir', str(out), '--format', 'onnx', 'torchscript',
                        'torch-export']) == 0
    assert sorted(path.name for path in out.iterdir()) == ['small.onnx', 'small.pt2', 'small.torchscript.pt']
    told = capsys.readouterr().out
    assert told.count('of the input size (4 crops, batches of 1 and 3)') == 3
    session = onnxruntime.InferenceSession(str(out / 'small.onnx'), providers=['CPUExecutionProvider'])
    assert [(one.name, one.shape) for one in session.get_inputs() + session.get_outputs()] == [
        ('crop', ['batch', 3, HEIGHT, WIDTH]), ('xyz', ['batch', 18, 3]), ('std', ['batch', 18, 3])]
    facts = json.loads(session.get_modelmeta().custom_metadata_map['mmpose_integral'])
    assert facts['skeleton_length'] == lengths and facts['bone_length'] == 4200.25 and facts['padding'] == 1.4
    assert (facts['config'], facts['checkpoint']) == ('small.py', 'small.pth') and facts['flip_test'] is True
    program, script = torch.export.load(out / 'small.pt2').module(), torch.jit.load(out / 'small.torchscript.pt')
    model = small_model(small_config())
    for batch in (1, 2, 5):
        crops = torch.randint(0, 256, (batch, 3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(batch)).float()
        with torch.no_grad():
            wanted = export.predict(model, crops)
            for run in (program, script, lambda crops: session.run(None, {'crop': crops.numpy()})):
                for one, other in zip(run(crops), wanted, strict=True):
                    np.testing.assert_allclose(np.asarray(one), other, rtol=0, atol=export.TOLERANCE)
    assert str(REPO).encode() not in (out / 'small.onnx').read_bytes()  # no stack traces


@pytest.mark.parametrize('head', ['debias', 'peak', 'regression'])
def test_other_heads_in_onnx(files, tmp_path, head):
    pytest.importorskip('onnxscript', reason=NO_EXPORT)
    from mmpose_integral.deployment.onnx_runtime import OnnxIntegralPose
    options = dict(HEAD, **{head: True})
    config, checkpoint = files(head=REGRESSION if head == 'regression' else options)
    assert export.main([config, checkpoint, '--out-dir', str(tmp_path)]) == 0
    pose = OnnxIntegralPose(tmp_path / 'small.onnx')
    assert pose.facts['bone_length'] == PUBLISHED_SKELETON_LENGTHS['train+val']  # where training stored none
    person, = pose(np.full((50, 40, 3), 90, np.uint8), 'whole_image', flip_test=True)
    assert ('keypoint_std' in person) == (head != 'regression')
    assert head != 'regression' or (person['keypoint_scores'] == 1).all()


def test_an_alias_and_a_photo(files, standin, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    register_alias('mine', *files())
    photo = str(standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg')
    common = ['mine', '--format', 'torchscript', '--out-dir', str(tmp_path / 'out'), '--image', photo]
    assert export.main([*common, '--bbox', '1', '2', '60', '70', '-9', '0', '50', '200']) == 0
    assert 'small.torchscript.pt' in (told := capsys.readouterr().out) and '(6 crops' in told
    assert export.main([*common, '--name', 'other']) == 0
    assert (tmp_path / 'out' / 'other.torchscript.pt').is_file() and '(5 crops' in capsys.readouterr().out


@pytest.mark.parametrize('fault', [2e-4, float('nan')])
def test_a_wrong_program_is_not_kept_nor_its_companions(files, tmp_path, fault, monkeypatch, capsys):
    def writer(fault):
        def write(module, example, path, facts):
            Path(path).write_text('program')
            return lambda crops: [one + fault * (len(crops) == 3) for one in export.predict(module.model, crops)]
        return write
    monkeypatch.setitem(export.WRITERS, 'onnx', writer(5e-5))
    monkeypatch.setitem(export.WRITERS, 'torch-export', writer(fault))
    out = tmp_path / 'out'
    assert export.main([*files(), '--format', 'onnx', 'torch-export', '--out-dir', str(out)]) == 1
    assert "torch-export: coordinates differ from the model's by" in capsys.readouterr().err
    assert not list(out.iterdir())
    assert export.main([*files(), '--format', 'onnx', '--out-dir', str(out)]) == 0
    assert [path.name for path in out.iterdir()] == ['small.onnx'] and '5.0e-05' in capsys.readouterr().out


@pytest.mark.parametrize('options, message', [
    (dict(head=dict(HEAD, num_joints=16)), 'got 16'),
    (dict(head=dict(HEAD, depth_bins=1, decoder=dict(type='Integral2DLabel'))), 'a 2D model has no depth'),
    (dict(preprocessor=dict(pad_size_divisor=32)), 'pad_size_divisor cannot be exported'),
    (dict(pipeline=[dict(type='PerturbBBox', scale=2.0)]), "'PerturbBBox'")])
def test_models_that_cannot_be_exported(files, tmp_path, options, message, capsys):
    assert export.main([*files(**options), '--out-dir', str(tmp_path / 'out')]) == 1
    assert message in capsys.readouterr().err and not (tmp_path / 'out').exists()


def test_other_kinds_of_models_and_mistakes(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    config, checkpoint = files()
    ensemble = tmp_path / 'ensemble.py'
    ensemble.write_text("model = dict(type='EnsembleEstimator', members=[])\n")
    cut = Config.fromfile(config)
    cut.test_dataloader.dataset.pipeline[2].input_size = (WIDTH, WIDTH)
    cut.dump(tmp_path / 'cut.py')
    for args, message in (([ensemble, checkpoint], 'export its members one by one'),
                          ([tmp_path / 'cut.py', checkpoint], 'cuts (64, 64) px, its codec is for (64, 96)'),
                          ([config], 'its CHECKPOINT is needed'), ([config, 'absent.pth'], 'absent.pth: no such file'),
                          (['absent.py', checkpoint], 'absent.py: no such file'),
                          (['nobody'], "alias 'nobody' is"),
                          ([STANDIN, checkpoint], 'the checkpoint is not of this config'),
                          ([config, checkpoint, '--image', 'absent.jpg'], 'absent.jpg: no such file'),
                          ([config, checkpoint, '--image', config], 'cannot be decoded')):
        assert export.main([*map(str, args), '--out-dir', str(tmp_path / 'out')]) == 1
        assert message in capsys.readouterr().err and not (tmp_path / 'out').exists()
    for args in (['--bbox', '1', '2', '3', '4'], ['--image', 'a', '--bbox', '1']):
        with pytest.raises(SystemExit):
            export.main([config, checkpoint, *args])
