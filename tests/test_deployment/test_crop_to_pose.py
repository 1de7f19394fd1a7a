"""The exported graph and its metadata give the keypoints of the estimator."""
import json

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.models.backbones.swin import ShiftWindowMSA
from mmpose.structures import PoseDataSample
from small_model import HEAD, HEIGHT, REGRESSION, WIDTH, random_crops, small_config, small_model

from mmpose_integral.deployment.crop_to_pose import CropToPose, deployment_facts, free_batch_size
from mmpose_integral.structures.skeleton import JOINT_NAMES, PARENTS, flip_indices


def predict_keypoints(model, crops):
    """Keypoints of the estimator itself, input px, for samples whose box is their crop."""
    box = dict(input_center=np.float32([WIDTH / 2, HEIGHT / 2]), input_scale=np.float32([WIDTH, HEIGHT]),
               input_size=(WIDTH, HEIGHT), flip_indices=flip_indices())
    samples = [PoseDataSample(metainfo=box) for _ in crops]
    for sample in samples:
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
    with torch.no_grad():
        found = model.test_step(dict(inputs=list(crops), data_samples=samples))
    return np.concatenate([sample.pred_instances.keypoints for sample in found])


@pytest.mark.parametrize('options', [
    dict(), dict(head=dict(HEAD, debias=True)), dict(head=dict(HEAD, argmax=True)), dict(head=REGRESSION),
    dict(preprocessor=dict(mean=None, std=None, bgr_to_rgb=False)),
    dict(preprocessor=dict(mean=[10, 20, 30], std=[40, 50, 60], bgr_to_rgb=False))])
def test_the_module_and_its_metadata_give_the_keypoints_of_the_estimator(options, one_thread):
    crops, model = random_crops(3, seed=1), small_model(small_config(**options))
    wanted = predict_keypoints(model, crops)
    with torch.no_grad():
        outputs = CropToPose(model)(crops)
    assert len(outputs) == (1 if options.get('head') is REGRESSION else 2)
    facts = deployment_facts(model, 1.4)
    points = (outputs[0].numpy() - np.float32(facts['offset'])) * np.float32(facts['unit'])
    np.testing.assert_allclose(points, wanted, rtol=0, atol=1e-3)
    assert np.abs(points - points[:, :1]).max() > 1  # the joints differ


def test_swin_blocks_keep_their_results_and_accept_any_batch_size():
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


def test_metadata():
    facts = deployment_facts(small_model(small_config(flip_test=True)), 1.4)
    assert facts['input_size'] == [64, 96] and facts['padding'] == 1.4 and facts['flip_test'] is True
    assert facts['unit'] == [64, 96, 64] and facts['offset'] == [0, 0, 0.5]
    assert facts['score_factor'] == 48  # 4 / (1 / 12)
    assert facts['flip_x'] == pytest.approx(63 / 64, abs=1e-12) and facts['flip_indices'] == flip_indices()
    assert facts['joints'] == list(JOINT_NAMES) and facts['parents'] == list(PARENTS)
    assert json.loads(json.dumps(facts)) == facts
