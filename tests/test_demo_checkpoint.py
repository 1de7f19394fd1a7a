"""The checkpoint that ships with the project, and the command publish, which made it small."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import load_checkpoint
from mmpose.registry import DATASETS, MODELS
from small_training import REPO, run_tool

from mmpose_integral.evaluation.functional import mpjpe, rescale_to_bone_length
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.structures.skeleton import JOINT_NAMES
from mmpose_integral.synthetic import make_standin
from mmpose_integral.synthetic.prepare import prepare_from_truth

CONFIG = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'
CHECKPOINT = REPO / 'mmpose_integral' / 'assets' / 'integral_r18_standin.pth'


@pytest.fixture(scope='module')
def frames(tmp_path_factory):
    """40 Val frames, with people and poses that are not in the training data of the checkpoint."""
    root = tmp_path_factory.mktemp('demo')
    make_standin(root, num_train=0, num_val=40, num_test=0, num_mpii=0, num_coco=0, seed=123, num_workers=1,
                 progress=False)
    prepare_from_truth(root, splits=('val',))
    return root, load_index(root / 'h80k' / 'annotations' / 'h80k_val.npz')


def test_metadata_has_lengths_joints_and_config():
    meta = torch.load(CHECKPOINT, map_location='cpu')['meta']
    assert CHECKPOINT.stat().st_size <= 8e6
    names = meta['dataset_meta']['keypoint_id2name']
    assert [names[k] for k in range(18)] == list(JOINT_NAMES)
    assert 4300 < meta['dataset_meta']['skeleton_length']['train+val'] < 4700
    stored, shipped = Config.fromstring(meta['cfg'], '.py'), Config.fromfile(CONFIG)
    assert stored.model == shipped.model and stored.input_size == shipped.input_size
    assert meta['config_name'] == 'integral_r18_standin_long.py'  # the same model, trained for longer


def test_it_predicts_poses_that_are_not_in_its_training_data(frames):
    root, index = frames
    cfg = Config.fromfile(CONFIG)
    model = MODELS.build(cfg.model).eval()
    checkpoint = load_checkpoint(model, str(CHECKPOINT), map_location='cpu', strict=True)
    assert next(model.parameters()).dtype == torch.float32
    dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, data_root=str(root / 'h80k')))
    with torch.no_grad():
        samples = model.test_step(pseudo_collate([dataset[i] for i in range(len(dataset))]))
    pred = np.concatenate([sample.pred_instances.keypoints for sample in samples])
    length = checkpoint['meta']['dataset_meta']['skeleton_length']['train+val']
    error = mpjpe(rescale_to_bone_length(pred, length), index.keypoints_mm).mean()
    mean_pose = np.broadcast_to(index.keypoints_mm.mean(0), index.keypoints_mm.shape)
    baseline = mpjpe(mean_pose, index.keypoints_mm).mean()  # with the mean of the same frames, which favours it
    assert error < 0.7 * baseline, (error, baseline)  # 0.59 on Val of the quickstart, which has other people


def test_publish_halves_weights_and_refuses_checkpoints_without_lengths(tmp_path):
    weights = {name: value.float() for name, value in torch.load(CHECKPOINT)['state_dict'].items()}
    weights['backbone.bn1.num_batches_tracked'] = torch.tensor(7)
    full = dict(state_dict=weights, optimizer=dict(big=torch.ones(100)),
                meta=dict(epoch=3, dataset_meta=dict(skeleton_length={'train': 4500.0})))
    command = 'publish', CONFIG, tmp_path / 'full.pth', tmp_path / 'small.pth'
    assert 'full.pth: no such checkpoint' in run_tool(*command)
    torch.save(full, tmp_path / 'full.pth')
    assert run_tool(*command) == 0
    small = torch.load(tmp_path / 'small.pth')
    assert set(small) == {'state_dict', 'meta'} and small['meta']['epoch'] == 3
    assert small['state_dict'].keys() == weights.keys()
    assert small['state_dict']['backbone.bn1.num_batches_tracked'] == 7
    first = small['state_dict']['backbone.conv1.weight']
    assert first.dtype == torch.float16
    torch.testing.assert_close(first.float(), weights['backbone.conv1.weight'], atol=1e-3, rtol=1e-3)
    head = [name for name in weights if name.startswith('head.')]
    assert run_tool(*command, '--head-only') == 0 and [*torch.load(command[3])['state_dict']] == head
    for name, value, message in (('backbone.layer1.2.conv1.weight', torch.ones(1), 'of this config: the model has no'),
                                 (head[0], weights[head[0]] * float('nan'), 'values that are not finite'),
                                 (head[0], weights[head[0]] + 1e5, 'above 65504')):
        torch.save(dict(full, state_dict={**weights, name: value}), tmp_path / 'full.pth')
        said = run_tool(*command)
        assert 'full.pth: ' in said and name in said and message in said
    assert run_tool(*command, '--full-precision') == 0
    torch.save(dict(full, meta={}), tmp_path / 'full.pth')
    assert 'SkeletonLengthHook' in run_tool(*command)
