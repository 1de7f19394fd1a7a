"""The commands that run a model, on a few frames, with the quickstart's models at random weights."""
import argparse
import json
import os
import shutil

import mmcv
import numpy as np
import pytest
import torch
from bad_pictures import declare_size
from mmengine.config import Config
from mmpose.apis import inference_topdown, init_model
from PIL import Image
from small_training import REPO

from mmpose_integral.cli.prepare import detect_boxes, fit_cameras, predict_keypoints_2d
from mmpose_integral.formats.checkpoints import CheckpointError
from mmpose_integral.formats.h80k_index import save_index, scan_split
from mmpose_integral.preparation.detection import PersonDetector
from mmpose_integral.preparation.frames import read_and_prepare, read_image, run_over_frames
from mmpose_integral.preparation.keypoints_2d import TopdownModel, to_h80k_joints, trains_one_based, with_padding

DETECTOR = REPO / 'configs/quickstart/detector_rtmdet_nano.py'
KEYPOINTS = REPO / 'configs/quickstart/keypoints_2d_r18_mpii.py'


@pytest.fixture(scope='module')
def index(standin):
    return scan_split(standin / 'h80k', 'Val')


@pytest.fixture
def image(standin, index):
    return read_image(standin / 'h80k' / index.img_paths[2])


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Checkpoints of both models at random weights, with the ``meta`` that a Runner writes."""
    from mmdet.apis import init_detector
    folder = tmp_path_factory.mktemp('weights')
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match='checkpoint is None'):
        detector = init_detector(str(DETECTOR), None, palette='random', device='cpu')
    # Untrained, it would detect nothing. With these biases, it gives a box of medium size and score at every place.
    for scores, sides in zip(detector.bbox_head.rtm_cls, detector.bbox_head.rtm_reg, strict=True):
        torch.nn.init.constant_(scores.bias, 0.5)
        torch.nn.init.constant_(sides.bias, 1.2)
    pose = init_model(str(KEYPOINTS), None, device='cpu')
    torch.save(dict(state_dict=detector.state_dict(), meta=dict(dataset_meta=dict(classes=('person', )))),
               folder / 'detector.pth')
    torch.save(dict(state_dict=pose.state_dict(), meta=dict(dataset_meta=pose.dataset_meta)), folder / 'pose.pth')
    return folder


@pytest.fixture
def arguments(standin, index, tmp_path):
    """Arguments of every job; the product is ``out`` in the folder of the test."""
    save_index(index, tmp_path / 'h80k_val.npz')
    return ['--index', str(tmp_path / 'h80k_val.npz'), '--root', str(standin / 'h80k'), '--out', str(tmp_path / 'out'),
            '--device', 'cpu', '--num-workers', '0', '--batch-size', '3']


def test_images_are_read_as_stored(tmp_path):
    """A photo that EXIF says is to be rotated keeps its stored width and height, as the index has them."""
    image = Image.new('RGB', (50, 30), (255, 0, 0))
    image.getexif()[0x0112] = 6
    image.save(tmp_path / 'a.jpg', exif=image.getexif())
    assert mmcv.imread(str(tmp_path / 'a.jpg')).shape == (50, 30, 3)
    read = read_image(tmp_path / 'a.jpg')
    assert read.shape == (30, 50, 3) and read[0, 0, 2] > 240
    for content in (b'no image', declare_size((tmp_path / 'a.jpg').read_bytes(), 65500, 65500)):
        (tmp_path / 'bad.jpg').write_bytes(content)
        with pytest.raises(ValueError, match='bad.jpg cannot be decoded'):
            read_image(tmp_path / 'bad.jpg')


@pytest.mark.parametrize('workers', [0, 2])
def test_frames_arrive_in_order_for_any_number_of_workers(standin, index, tmp_path, workers):
    args = argparse.Namespace(root=standin / 'h80k', out=tmp_path / 'out', batch_size=3, num_workers=workers,
                              fresh=False)
    batches = []

    def predict(batch):
        batches.append([record['frame_id'] for record in batch])
        return batch

    records = run_over_frames(args, index, lambda frame_id, image: dict(frame_id=frame_id, shape=image.shape), predict,
                              {}, 'Test', lambda frame_id: dict(frame_id=4, shape=None) if frame_id == 4 else None)
    assert batches == [[1, 2, 3], [5, 6, 7], [8]] and list(records) == list(range(1, 9))
    assert records[4]['shape'] is None and records[5]['shape'] == [*index.img_sizes[4][::-1], 3]


def test_results_of_images_that_have_changed_are_not_continued(index, tmp_path):
    """Those of an earlier version, which did not store the hash of the images, are."""
    args = argparse.Namespace(root=tmp_path, out=tmp_path / 'out', batch_size=3, num_workers=0, fresh=False)

    def run(index):
        return run_over_frames(args, index, None, None, {}, 'Test', lambda frame_id: dict(frame_id=frame_id))

    changed = index._replace(img_states=index.img_states + 1)
    assert list(run(index)) == list(run(index)) == list(range(1, 9))
    with pytest.raises(ValueError, match=r"hash_of_images \(was '.*', is '.*'\).*start over with --fresh"):
        run(changed)
    (tmp_path / 'out.parts/settings.json').write_text('{"split": "Val"}')
    assert list(run(changed)) == list(range(1, 9))


@pytest.mark.parametrize('command, options', [
    (detect_boxes, [DETECTOR, 'd.pth']), (predict_keypoints_2d, [KEYPOINTS, 'p.pth', '--boxes', 'b.json']),
    (fit_cameras, ['--keypoints-2d', 'k.npz'])])
def test_commands_notice_images_that_have_changed_since_they_were_indexed(command, options, standin, index, tmp_path):
    """Before anything else is read or written."""
    root = shutil.copytree(standin / 'h80k', tmp_path / 'h80k')
    os.utime(root / 'Val/IMG/00004.jpg')
    save_index(index, tmp_path / 'val.npz')
    with pytest.raises(ValueError, match=r'val.npz is an index of .*, and 1 of its 8 images are not the same in .* '
                                         r'\(first: IMG/00004.jpg has changed\).*prepare index again'):
        command.main([*map(str, options), '--index', str(tmp_path / 'val.npz'), '--root', str(root), '--out',
                      str(tmp_path / 'out.npz')])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['h80k', 'val.npz']


def test_detector_agrees_with_mmdet_for_single_images(standin, index, weights):
    from mmdet.apis import inference_detector
    detector = PersonDetector(DETECTOR, weights / 'detector.pth', 'cpu', score_thr=0.0)
    files = [(i, standin / 'h80k' / index.img_paths[i - 1]) for i in (3, 1, 6)]
    records = detector.detect(read_and_prepare(detector.prepare, files))
    assert [record['frame_id'] for record in records] == [3, 1, 6]
    for record in records:
        image = read_image(standin / 'h80k' / index.img_paths[record['frame_id'] - 1])
        found = inference_detector(detector.model, image).pred_instances
        x1, y1, x2, y2 = found.bboxes.clamp(0, 128).T
        eligible = (found.scores >= found.scores.max() - 0.05) & (x2 - x1 >= 1) & (y2 - y1 >= 1)
        best = torch.where(eligible, (x2 - x1) * (y2 - y1), torch.zeros(())).argmax()
        np.testing.assert_allclose(record['bbox'], [x1[best], y1[best], (x2 - x1)[best], (y2 - y1)[best]], atol=0.02)
        assert abs(record['score'] - float(found.scores[best])) < 1e-3


def test_detect_boxes_lists_frames_without_a_box_and_resumes(weights, arguments, tmp_path, capsys):
    out = tmp_path / 'out'
    command = [str(DETECTOR), str(weights / 'detector.pth'), *arguments]
    assert detect_boxes.main([*command, '--score-thr', '0.99']) == 0
    assert json.loads(out.read_text()) == []
    assert json.loads((tmp_path / 'out_missing.json').read_text()) == list(range(1, 9))
    with pytest.raises(ValueError, match='score_thr .*--fresh'):
        detect_boxes.main([*command, '--score-thr', '0'])
    assert detect_boxes.main([*command, '--score-thr', '0', '--fresh']) == 0
    boxes = json.loads(out.read_text())
    assert [box['image_id'] for box in boxes] == list(range(1, 9))
    part = tmp_path / 'out.parts/rank0.jsonl'
    lines = part.read_text().splitlines(keepends=True)
    part.write_text(''.join(lines[:5]) + lines[5][:9])
    out.unlink()
    assert detect_boxes.main([*command, '--score-thr', '0']) == 0
    assert json.loads(out.read_text()) == boxes
    assert '8 boxes; 0 frames without one' in capsys.readouterr().out


@pytest.mark.parametrize('name, config, layer', [
    ('detector', DETECTOR, 'bbox_head.rtm_cls'), ('pose', KEYPOINTS, 'head.final_layer')])
def test_weights_of_another_model_are_refused(name, config, layer, weights, tmp_path):
    build = PersonDetector if name == 'detector' else TopdownModel
    checkpoint = torch.load(weights / f'{name}.pth')
    whole = checkpoint['state_dict']
    first = next(key for key in whole if key.startswith(layer) and key.endswith('weight'))
    for state_dict, message in (
            ({key: value for key, value in whole.items() if not key.startswith(layer)}, f'it has no {first}'),
            (whole | {first: whole[first] * torch.nan}, f'{first} of the checkpoint has values that are not finite'),
            (whole | {'more.weight': whole[first]}, 'the model has no more.weight'),
            ({}, 'has no weights'), (None, 'has no weights')):
        torch.save(dict(checkpoint, state_dict=state_dict), tmp_path / 'x.pth')
        with pytest.raises(CheckpointError, match=f'x.pth: .*{message}'):
            build(config, tmp_path / 'x.pth', 'cpu')
    old = {f'data_preprocessor.{key}': torch.ones(3, 1, 1) for key in ('mean', 'std')}  # as in public weights
    torch.save(dict(checkpoint, state_dict=whole | old), tmp_path / 'x.pth')
    build(config, tmp_path / 'x.pth', 'cpu')


def test_topdown_model_agrees_with_mmpose(image, weights):
    """The same joints as with mmpose's own inference; for a 1-based model, 1 px is subtracted."""
    bbox = [20.0, 10.0, 60.0, 90.0]
    model = TopdownModel(KEYPOINTS, weights / 'pose.pth', 'cpu')
    assert model.format == 'mpii' and not model.one_based
    keypoints, scores = model.predict([model.prepare(3, image, bbox)])
    expected = inference_topdown(model.model, image, np.array([[20, 10, 80, 100]]))[0].pred_instances
    mapped, mapped_scores = to_h80k_joints(expected.keypoints, expected.keypoint_scores, 'mpii')
    np.testing.assert_allclose(keypoints, mapped, atol=1e-4)
    np.testing.assert_allclose(scores, mapped_scores, atol=1e-5)
    model.one_based = True
    shifted, _ = model.predict([model.prepare(3, image, bbox)])
    present = mapped[0, :, 0] != 0
    np.testing.assert_allclose(shifted[0, present], mapped[0, present] - 1, atol=1e-4)


def test_padding_gives_the_crop_of_a_larger_box(image, weights):
    padded, plain = (TopdownModel(KEYPOINTS, weights / 'pose.pth', 'cpu', padding=padding) for padding in (1.5, 1.0))
    small, large = [40.0, 30.0, 40.0, 60.0], [30.0, 15.0, 60.0, 90.0]  # one centre; the second is 1.5 times as large
    crops = [model.prepare(3, image, box)[0]['inputs'] for model, box in ((padded, small), (plain, large))]
    torch.testing.assert_close(*crops)
    assert padded.settings() != plain.settings()
    for step, padding, message in (('LoadImage', 1.5, 'GetBBoxCenterScale'), ('GetBBoxCenterScale', 0.0, 'above 0')):
        with pytest.raises(ValueError, match=message):
            with_padding([dict(type=step)], padding)


@pytest.mark.parametrize('names, expected', [
    (['MpiiDataset'], True), (['mmpose.MpiiDataset'], True), (['ZeroBasedMpiiDataset'], False),
    (['CocoDataset'], False), (['CocoDataset', 'MpiiDataset'], True)])
def test_one_based_training_is_recognised_from_the_config(names, expected):
    train_set = dict(type='CombinedDataset', datasets=[dict(type=name) for name in names])
    config = dict(train_dataloader=dict(dataset=train_set), val_dataloader=dict(dataset=dict(type='MpiiDataset')))
    assert trains_one_based(Config(config)) is expected


def test_predict_keypoints_with_two_models_and_a_frame_without_a_box(weights, arguments, tmp_path):
    boxes = tmp_path / 'boxes.json'
    boxes.write_text(json.dumps([
        dict(image_id=i, category_id=1, bbox=[20, 10, 60, 90], score=0.9) for i in range(2, 9)]))
    pose = [str(KEYPOINTS), str(weights / 'pose.pth')]
    arguments[5] += '.npz'
    command = [*pose, '--boxes', str(boxes), *arguments]
    assert predict_keypoints_2d.main(command) == 0
    first = dict(np.load(tmp_path / 'out.npz'))
    scores = first['keypoints_2d_score']
    assert first['frame_ids'].tolist() == list(range(1, 9)) and first['keypoints_2d'].shape == (8, 18, 2)
    assert scores.shape == (8, 18) and (scores[0] == 0).all() and (scores[:, [7, 9]] == 0).all()
    # The same model twice merges to itself.
    assert predict_keypoints_2d.main([*command, '--also', *pose, '--fresh']) == 0
    second = np.load(tmp_path / 'out.npz')
    for name, values in first.items():
        np.testing.assert_array_equal(second[name], values)
