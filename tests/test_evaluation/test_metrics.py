"""H80KMetric and SubmissionMetric as mmengine's evaluator calls them."""
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData
from mmpose.registry import METRICS
from mmpose.structures import PoseDataSample

import mmpose_integral  # noqa: F401
from mmpose_integral.evaluation import H80KMetric, SubmissionMetric
from mmpose_integral.evaluation.functional import evaluate_h80k, px_to_mm, rescale_to_bone_length, skeleton_length
from mmpose_integral.formats.h80k_index import H80KIndex, save_index
from mmpose_integral.formats.submission import SubmissionError
from mmpose_integral.structures.skeleton import JOINT_NAMES, add_thorax


def make_index(path, split, count, size=1.0):
    """Save a small index and return its true poses (count, 18, 3) mm, None for Test."""
    rng = np.random.default_rng(len(split))
    poses = rng.normal(0, 300 * size, (count, 17, 3)).astype(np.float32)
    poses -= poses[:, :1]
    poses = None if split == 'Test' else add_thorax(poses)
    ids = np.arange(1, count + 1, dtype=np.int32)
    save_index(H80KIndex(split, ids, np.array([f'{split}/IMG/{i:05d}.jpg' for i in ids]),
                         np.full((count, 2), 1000, np.int32), poses, np.zeros(0, str)), path)
    return poses


@pytest.fixture
def indexes(tmp_path):
    """Paths of three indexes, and true poses of Train and Val."""
    paths = {split.lower(): str(tmp_path / f'{split}.npz') for split in ('Train', 'Val', 'Test')}
    poses = {'train': make_index(paths['train'], 'Train', 7), 'val': make_index(paths['val'], 'Val', 5, 1.1)}
    make_index(paths['test'], 'Test', 4)
    return paths, poses


def make_sample(frame_id, pred, gt=None, split='Val', box_found=True, tensor=False):
    sample = PoseDataSample(metainfo=dict(img_id=frame_id, img_path=f'data/{split}/IMG/{frame_id:05d}.jpg',
                                          box_found=box_found))
    sample.pred_instances = InstanceData(keypoints=torch.from_numpy(pred[None]) if tensor else pred[None])
    sample.gt_instances = InstanceData(**({} if gt is None else dict(keypoints_mm=gt[None])))
    return sample


def predict(poses, seed=0):
    """Predictions in px, float32, with small errors, root anywhere."""
    return (poses * 0.2 + np.random.default_rng(seed).normal(0, 10, poses.shape) + 400).astype(np.float32)


def test_all_figures_by_name_and_in_any_order_of_frames(indexes):
    paths, poses = indexes
    pred = predict(poses['val'])
    evaluator = Evaluator(METRICS.build(dict(type='H80KMetric', index_files=dict(train=paths['train'],
                                                                                 val=paths['val']))))
    order = [3, 0, 4, 1, 2, 0]  # frame 0 again, as a distributed sampler pads
    samples = [make_sample(i + 1, pred[i], poses['val'][i], box_found=i != 4, tensor=i == 2) for i in order]
    evaluator.process(data_samples=samples[:2])
    evaluator.process(data_samples=samples[2:])
    metrics = evaluator.evaluate(len(samples))
    train, val = skeleton_length(poses['train']), skeleton_length(poses['val'])
    result = evaluate_h80k(pred, poses['val'], {
        'train+val': np.concatenate([train, val]).mean(), 'train': train.mean(), 'val': val.mean(),
        'per-frame': 'per-frame'})
    expected = {f'MPJPE_{name}': value for name, value in (
        *result.mpjpe.items(), *zip(JOINT_NAMES[:17], result.per_joint, strict=True),
        *zip('xyz', result.per_axis, strict=True))}
    expected.update({'MPJPE': result.mpjpe['train+val'], 'R-MPJPE': result.rigid, 'PA-MPJPE': result.similarity,
                     'PCK@150': result.pck, 'AUC': result.auc, 'frames': 5, 'frames_without_box': 1})
    assert metrics == pytest.approx({f'h80k/{name}': value for name, value in expected.items()})
    assert all(isinstance(value, (int, float)) for value in metrics.values())


def test_headline_is_the_first_choice_numbers_are_lengths_and_outfile_contains_the_frames(indexes, tmp_path):
    _, poses = indexes
    pred = predict(poses['val'])
    metric = H80KMetric(bone_lengths=(4502.881, 'per-frame'), outfile=str(tmp_path / 'out' / 'val.npz'), prefix='x')
    samples = [make_sample(i + 1, pred[i].copy(), poses['val'][i]) for i in (4, 2, 0, 1, 3)]
    metric.process(None, [sample.to_dict() for sample in samples])
    samples[0].pred_instances.keypoints[:] = 0  # a model may reuse its buffer
    metrics = metric.evaluate(5)
    assert metrics['x/MPJPE'] == metrics['x/MPJPE_4502.881'] != metrics['x/MPJPE_per-frame']
    with np.load(tmp_path / 'out' / 'val.npz', allow_pickle=False) as file:
        np.testing.assert_array_equal(file['frame_ids'], [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(file['pred_px'], pred)
        np.testing.assert_allclose(skeleton_length(file['pred_mm']), 4502.881, rtol=1e-6)
        assert file['errors'].shape == (5, 17)
        assert file['errors'].mean() == pytest.approx(metrics['x/MPJPE'], rel=1e-5)
    assert [item.name for item in (tmp_path / 'out').iterdir()] == ['val.npz']


@pytest.mark.parametrize('right', ['perspective', 'weak perspective'])
def test_the_wrong_decoding_the_loss_and_the_log_of_each_camera_model(indexes, right):
    poses, focal, image = indexes[1]['val'], 1100.0, dict(ori_shape=(800, 1000))
    root = np.array([200.0, -100, 4000]) + 90 * np.arange(15).reshape(5, 1, 3)
    points = poses + root
    px = np.concatenate([points[..., :2] / points[..., 2:] * focal + [499.5, 399.5],
                         poses[..., 2:] / root[..., 2:] * focal], -1).astype(np.float32)
    metric = H80KMetric(('per-frame', 4500.0), focal_length=None if right == 'perspective' else focal)
    for i in range(5):
        sample = dict(make_sample(i + 1, px[i], poses[i], box_found=i > 1).to_dict(), **image)
        sample['pred_instances']['loss'] = torch.tensor([0.5 * i])
        if right == 'perspective':
            sample['label_camera'] = dict(model='perspective', focal_length=focal)
        metric.process(None, [sample])
    with mock.patch.object(MMLogger, 'info') as info:
        metrics = metric.evaluate(5)
    weak = evaluate_h80k(px, poses, {'own': 'per-frame'}).mpjpe['own']
    assert weak > 5 and metrics['h80k/loss'] == 1.0 and metrics['h80k/frames_without_box'] == 2
    wrong = 'decoded_weakly' if right == 'perspective' else 'decoded_by_perspective'
    expected = {'MPJPE': 0, f'MPJPE_{wrong}': weak} if right == 'perspective' else {'MPJPE': weak, f'MPJPE_{wrong}': 0}
    for name, value in expected.items():
        assert metrics[f'h80k/{name}'] == pytest.approx(value, abs=0.02)
    assert [name for name in metrics if 'decoded' in name] == [f'h80k/MPJPE_{wrong}']
    lines = info.call_args[0][0].splitlines()
    shown = {name[5:]: f'{value:.1f}' for name, value in metrics.items() if isinstance(value, float)}
    assert lines[:3] == ['H80K evaluation', '   bone length        mm  MPJPE mm',
                         f'     per-frame per-frame{shown["MPJPE"]:>10}']
    assert lines[3] == f'          4500    4500.0{shown["MPJPE_4500"]:>10}'
    assert lines[4] == (
        f'with per-frame: rigid {shown["R-MPJPE"]}, similarity {shown["PA-MPJPE"]}, x {shown["MPJPE_x"]}, '
        f'y {shown["MPJPE_y"]}, z {shown["MPJPE_z"]} mm; PCK@150 {shown["PCK@150"]} %, '
        f'AUC {shown["AUC"]} %')
    joints = [f'{name} {metrics["h80k/MPJPE_" + name]:.0f}' for name in JOINT_NAMES[1:17]]
    assert lines[5:7] == [f'joints, mm: {", ".join(joints)}',
                          '5 frames, 2 of them without a detected box (whole image used)']
    other = {'perspective': 'weak perspective', 'weak perspective': 'perspective'}[right]
    assert lines[7:] == [f'decoded by {right}; wrongly decoded by {other}, MPJPE {shown[f"MPJPE_{wrong}"]} mm']


@pytest.mark.parametrize('kwargs, match', [
    (dict(), "'train\\+val'.*no 'train' and no 'val'"), (dict(bone_lengths=('val',), index_files={}), "no 'val'"),
    (dict(bone_lengths=('median',)), "no 'median'"), (dict(bone_lengths=(4500, 4500.0)), 'twice'),
    (dict(bone_lengths=()), 'at least one')])
def test_unknown_bone_lengths_are_refused_at_once(kwargs, match):
    with pytest.raises(ValueError, match=match):
        H80KMetric(**kwargs)


def test_index_without_poses_or_without_file_is_refused(indexes):
    with pytest.raises(ValueError, match='without poses'):
        H80KMetric(bone_lengths=('train',), index_files=dict(train=indexes[0]['test']))
    with pytest.raises(FileNotFoundError, match='nowhere.npz'):
        H80KMetric(bone_lengths=('train',), index_files=dict(train='nowhere.npz'))


@pytest.mark.parametrize('spoil, match', [
    (lambda s: s['gt_instances'].pop('keypoints_mm'), 'frame 3 .*Val/IMG/00003.jpg.* no gt_instances.keypoints_mm'),
    (lambda s: s['gt_instances']['keypoints_mm'].fill(np.nan), 'frame 3 .*gt_instances.keypoints_mm has .*not finite'),
    (lambda s: s['pred_instances']['keypoints'].fill(np.nan), 'frame 3 .*pred_instances.keypoints has .*not finite'),
    (lambda s: s['pred_instances']['keypoints'].fill(7), 'frame 3 .*coincide'),
    (lambda s: s['pred_instances'].update(keypoints=np.zeros((1, 17, 3))), r'frame 3 .*\(1, 17, 3\)'),
    (lambda s: s.pop('box_found'), 'no box_found; pack')])
def test_frames_that_cannot_be_evaluated_are_named(indexes, spoil, match):
    poses = indexes[1]['val']
    sample = make_sample(3, predict(poses)[2], poses[2]).to_dict()
    spoil(sample)
    with pytest.raises(ValueError, match=f'^H80KMetric: .*{match}'):
        H80KMetric(bone_lengths=('per-frame',)).process(None, [sample])


def test_no_frames_and_mixed_splits_are_errors(indexes):
    poses = indexes[1]['val']
    metric = H80KMetric(bone_lengths=('per-frame',))
    with pytest.raises(ValueError, match='^H80KMetric: there are no frames'):
        metric.compute_metrics([])
    pred = predict(poses)
    metric.process(None, [make_sample(1, pred[0], poses[0], split).to_dict() for split in ('Val', 'Train')])
    with pytest.raises(ValueError, match='frame id 1 is both .*one split at a time'):
        metric.compute_metrics(metric.results)


@pytest.mark.parametrize('name', ['sub.zip', 'sub'])
def test_submission_of_all_test_frames_is_written_and_valid(indexes, tmp_path, name):
    paths, poses = indexes
    pred = predict(poses['train'][:4], seed=1)
    evaluator = Evaluator(METRICS.build(dict(type='SubmissionMetric', out=str(tmp_path / 'o' / name),
                                             index_file=paths['test'], outfile=str(tmp_path / 'test.npz'))))
    evaluator.dataset_meta = dict(skeleton_length={'train': 1.0, 'train+val': 4321.0})
    for i in (2, 1, 3, 0, 2):
        evaluator.process(data_samples=[make_sample(i + 1, pred[i], split='Test', box_found=i > 0)])
    metrics = evaluator.evaluate(5)
    assert metrics == {'submission/frames': 4, 'submission/frames_without_box': 1, 'submission/bone_length': 4321.0}
    assert [item.name for item in (tmp_path / 'o').iterdir()] == [name]
    with np.load(tmp_path / 'test.npz') as file:
        np.testing.assert_array_equal(file['pred_px'], pred)
    if name == 'sub':
        read = [np.loadtxt(path, delimiter=',') for path in sorted((tmp_path / 'o' / name).rglob('*.csv'))]
        np.testing.assert_allclose(read, rescale_to_bone_length(pred, 4321.0)[:, :17], atol=0.006)


def test_submission_length_comes_from_argument_then_indexes_then_dataset_meta(indexes):
    paths, poses = indexes
    files = dict(train=paths['train'], val=paths['val'])

    def length(meta=None, **kwargs):
        metric = SubmissionMetric('unused.zip', paths['test'], **kwargs)
        metric.dataset_meta = meta
        return metric._length()

    both = skeleton_length(np.concatenate([poses['train'], poses['val']])).mean()
    meta = dict(skeleton_length={'train': 4400.0, 'train+val': 4450.0})
    assert length(meta, bone_length=4600, index_files=files) == 4600
    assert length(meta, index_files=files) == pytest.approx(both)
    assert length(meta, bone_length='val', index_files=files) == pytest.approx(skeleton_length(poses['val']).mean())
    assert length(meta) == 4450 and length(meta, bone_length='train') == 4400
    for bad in (None, {}, dict(skeleton_length={'train': 4400.0})):
        with pytest.raises(ValueError, match=r"'train\+val' is not known.*give bone_length"):
            length(bad)


def test_lengths_that_are_no_bodys_are_refused_with_their_source(indexes, tmp_path):
    paths, _ = indexes
    metric = SubmissionMetric('unused.zip', paths['test'])
    metric.dataset_meta = dict(skeleton_length={'train+val': 4.5})
    make_index(tmp_path / 'metres.npz', 'Val', 3, size=1e-3)  # indexed by an earlier version
    metres = dict(val=str(tmp_path / 'metres.npz'))
    for make, message in (
            (metric._length, r"skeleton_length\['train\+val'\] of the checkpoint: .*, got 4.5"),
            (lambda: SubmissionMetric('unused.zip', paths['test'], bone_length=4.5), 'bone_length: .*, got 4.5'),
            (lambda: SubmissionMetric('unused.zip', paths['test'], 'val', metres), 'mean bone length of .*metres.npz'),
            (lambda: H80KMetric(['val'], metres), 'mean bone length of .*metres.npz: '),
            (lambda: H80KMetric([4500, 4.5]), 'bone_lengths: .*, got 4.5')):
        with pytest.raises(ValueError, match=message):
            make()


def test_submission_of_a_model_with_perspective_labels(indexes, tmp_path):
    paths, poses = indexes
    pred = predict(poses['train'][:4]) - np.float32([0, 0, 400])
    metric = SubmissionMetric(str(tmp_path / 'sub'), paths['test'], bone_length=4500)
    camera = dict(ori_shape=(800, 1000), label_camera=dict(model='perspective', focal_length=1100.0))
    metric.process(None, [dict(make_sample(i + 1, pred[i], split='Test').to_dict(), **camera) for i in range(4)])
    metric.evaluate(4)
    read = np.array([np.loadtxt(path, delimiter=',') for path in sorted((tmp_path / 'sub').rglob('*.csv'))])
    expected = px_to_mm(pred, 4500, np.tile([1100, 499.5, 399.5], (4, 1))).keypoints[:, :17]
    np.testing.assert_allclose(read, expected, atol=0.006)
    assert np.abs(read - rescale_to_bone_length(pred, 4500)[:, :17]).max() > 5


def test_incomplete_submission_is_refused_and_not_written(indexes, tmp_path):
    paths, poses = indexes
    pred = predict(poses['train'][:4])
    out = tmp_path / 'sub.zip'
    metric = SubmissionMetric(str(out), paths['test'], bone_length=4500)
    with pytest.raises(ValueError, match='^SubmissionMetric: there are no frames'):
        metric.compute_metrics([])
    with pytest.raises(ValueError, match='^SubmissionMetric: frame 1 .*coincide'):
        metric.process(None, [make_sample(1, 0 * pred[0], split='Test').to_dict()])
    metric.process(None, [make_sample(i, pred[0], split='Test').to_dict() for i in (1, 3, 9)])
    with pytest.raises(SubmissionError) as caught:
        metric.evaluate(3)
    assert caught.value.faults == ['frame 2 was not predicted', 'frame 4 was not predicted',
                                   'frame 9 is not in the index of Test'] and str(out) in str(caught.value)
    assert not out.exists()
