"""The model-driven tools on a handful of frames, with the quickstart's models at random weights."""
import importlib.util
import json
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import inference_topdown, init_model
from PIL import Image

from mmpose_integral.formats.h80k_index import load_index, save_index, scan_split
from mmpose_integral.preparation.detection import PersonDetector, class_number
from mmpose_integral.preparation.frames import FrameDataset, iterate_batches, read_image
from mmpose_integral.preparation.joint_merging import to_h80k_joints
from mmpose_integral.preparation.keypoints_2d import TopdownModel, trains_one_based, with_padding

REPO = Path(__file__).parents[2]
DETECTOR = REPO / 'configs/quickstart/detector_rtmdet_nano.py'
KEYPOINTS = REPO / 'configs/quickstart/keypoints_2d_r18_mpii.py'


def tool(name):
    """A tool's module; tools are no package."""
    spec = importlib.util.spec_from_file_location(name, REPO / f'tools/dataset_converters/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def index_file(standin, tmp_path_factory):
    path = tmp_path_factory.mktemp('index') / 'h80k_val.npz'
    save_index(scan_split(standin / 'h80k', 'Val')[0], path)
    return path


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Checkpoints of both models at random weights, with what a Runner writes into ``meta``."""
    from mmdet.apis import init_detector
    folder = tmp_path_factory.mktemp('weights')
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match='checkpoint is None'):
        detector = init_detector(str(DETECTOR), None, palette='random', device='cpu')
    # Untrained, it would find nothing: let it give every place a box of a fair size and score.
    for scores, sides in zip(detector.bbox_head.rtm_cls, detector.bbox_head.rtm_reg, strict=True):
        torch.nn.init.constant_(scores.bias, 0.5)
        torch.nn.init.constant_(sides.bias, 1.2)
    pose = init_model(str(KEYPOINTS), None, device='cpu')
    torch.save(dict(state_dict=detector.state_dict(), meta=dict(dataset_meta=dict(classes=('person', )))),
               folder / 'detector.pth')
    torch.save(dict(state_dict=pose.state_dict(), meta=dict(dataset_meta=pose.dataset_meta)), folder / 'pose.pth')
    return folder


def arguments(standin, index_file, out, *more):
    return ['--index', str(index_file), '--root', str(standin / 'h80k'), '--out', str(out), '--device', 'cpu',
            '--num-workers', '0', *more]


def test_images_are_read_as_stored(tmp_path):
    """A photo that EXIF says is to be turned keeps its stored width and height, as the index has them."""
    image = Image.new('RGB', (50, 30), (255, 0, 0))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / 'a.jpg', exif=exif)
    assert mmcv.imread(str(tmp_path / 'a.jpg')).shape == (50, 30, 3)
    read = read_image(tmp_path / 'a.jpg')
    assert read.shape == (30, 50, 3) and read[0, 0, 2] > 240
    (tmp_path / 'a.jpg').write_text('no image')
    with pytest.raises(ValueError, match='cannot be decoded'):
        read_image(tmp_path / 'a.jpg')


def test_frames_arrive_in_order_whatever_the_workers(standin, index_file):
    index = load_index(index_file)
    frames = FrameDataset(standin / 'h80k', index, [5, 2, 7, 1, 8], lambda frame_id, image: (frame_id, image.shape))
    for workers in (0, 2):
        batches = list(iterate_batches(frames, 2, workers))
        assert [[frame_id for frame_id, _ in batch] for batch in batches] == [[5, 2], [7, 1], [8]]
    assert batches[0][0][1] == (*index.img_sizes[4][::-1], 3)


def test_detector_agrees_with_mmdet_one_image_at_a_time(standin, index_file, weights):
    from mmdet.apis import inference_detector
    index = load_index(index_file)
    detector = PersonDetector(DETECTOR, weights / 'detector.pth', 'cpu', score_thr=0.0)
    frames = FrameDataset(standin / 'h80k', index, [3, 1, 6], detector.prepare)
    records = detector.detect([frames[i] for i in range(3)])
    assert [record['frame_id'] for record in records] == [3, 1, 6]
    for record in records:
        image = read_image(standin / 'h80k' / index.img_paths[record['frame_id'] - 1])
        found = inference_detector(detector.model, image).pred_instances
        x1, y1, x2, y2 = found.bboxes.clamp(0, 128).T
        eligible = (found.scores >= found.scores.max() - 0.05) & (x2 - x1 >= 1) & (y2 - y1 >= 1)
        best = torch.where(eligible, (x2 - x1) * (y2 - y1), torch.zeros(())).argmax()
        np.testing.assert_allclose(record['bbox'], [x1[best], y1[best], (x2 - x1)[best], (y2 - y1)[best]], atol=0.02)
        assert abs(record['score'] - float(found.scores[best])) < 1e-3


def test_class_by_name_or_number():
    assert class_number('person', ('cat', 'person')) == 1 and class_number('0', ('cat', 'person')) == 0
    for wrong in ('dog', '2'):
        with pytest.raises(ValueError, match='knows 2 classes'):
            class_number(wrong, ('cat', 'person'))


def test_detect_boxes_tool_lists_frames_without_a_box_and_resumes(standin, index_file, weights, tmp_path, capsys):
    module, out = tool('detect_boxes'), tmp_path / 'boxes.json'
    command = [str(DETECTOR), str(weights / 'detector.pth'),
               *arguments(standin, index_file, out, '--batch-size', '3')]
    assert module.main([*command, '--score-thr', '0.99']) == 0
    assert json.loads(out.read_text()) == []
    assert json.loads((tmp_path / 'boxes_missing.json').read_text()) == list(range(1, 9))
    with pytest.raises(ValueError, match='score_thr .*--fresh'):
        module.main([*command, '--score-thr', '0'])
    assert module.main([*command, '--score-thr', '0', '--fresh']) == 0
    boxes = json.loads(out.read_text())
    assert [box['image_id'] for box in boxes] == list(range(1, 9))
    part = tmp_path / 'boxes.json.parts/rank0.jsonl'
    lines = part.read_text().splitlines(keepends=True)
    part.write_text(''.join(lines[:5]) + lines[5][:9])
    out.unlink()
    assert module.main([*command, '--score-thr', '0']) == 0
    assert json.loads(out.read_text()) == boxes
    assert '8 boxes; 0 frames without one' in capsys.readouterr().out


def test_topdown_model_agrees_with_mmpose(standin, index_file, weights):
    """The same joints as mmpose's own inference; 'yes' takes the pixel of a 1-based model off."""
    index = load_index(index_file)
    image, bbox = read_image(standin / 'h80k' / index.img_paths[2]), [20.0, 10.0, 60.0, 90.0]
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


def test_padding_gives_the_crop_of_a_larger_box(standin, index_file, weights):
    image = read_image(standin / 'h80k' / load_index(index_file).img_paths[2])
    padded = TopdownModel(KEYPOINTS, weights / 'pose.pth', 'cpu', padding=1.5)
    plain = TopdownModel(KEYPOINTS, weights / 'pose.pth', 'cpu', padding=1.0)
    small, large = [40.0, 30.0, 40.0, 60.0], [30.0, 15.0, 60.0, 90.0]  # one centre; the second is 1.5 times as large
    torch.testing.assert_close(padded.prepare(3, image, small)['inputs'], plain.prepare(3, image, large)['inputs'])
    assert padded.settings() != plain.settings()
    with pytest.raises(ValueError, match='GetBBoxCenterScale'):
        with_padding([dict(type='LoadImage')], 1.5)
    with pytest.raises(ValueError, match='above 0'):
        with_padding([dict(type='GetBBoxCenterScale')], 0.0)


@pytest.mark.parametrize('train_set, expected', [
    (dict(type='MpiiDataset'), True),
    (dict(type='mmpose.MpiiDataset'), True),
    (dict(type='ZeroBasedMpiiDataset'), False),
    (dict(type='CocoDataset'), False),
    (dict(type='CombinedDataset', datasets=[dict(type='CocoDataset'), dict(type='MpiiDataset')]), True),
])
def test_one_based_training_is_told_from_the_config(train_set, expected):
    config = Config(dict(train_dataloader=dict(dataset=train_set),
                         val_dataloader=dict(dataset=dict(type='MpiiDataset'))))
    assert trains_one_based(config) is expected


def test_predict_tool_with_two_models_and_a_frame_without_a_box(standin, index_file, weights, tmp_path):
    boxes = tmp_path / 'boxes.json'
    boxes.write_text(json.dumps([
        dict(image_id=i, category_id=1, bbox=[20, 10, 60, 90], score=0.9) for i in range(2, 9)]))
    module, out = tool('predict_keypoints_2d'), tmp_path / 'k.npz'
    pose = [str(KEYPOINTS), str(weights / 'pose.pth')]
    command = [*pose, '--boxes', str(boxes), *arguments(standin, index_file, out, '--batch-size', '3')]
    assert module.main(command) == 0
    with np.load(out) as file:
        first = dict(file)
    assert first['frame_ids'].tolist() == list(range(1, 9))
    assert first['keypoints_2d'].shape == (8, 18, 2) and first['keypoints_2d_score'].shape == (8, 18)
    assert (first['keypoints_2d_score'][0] == 0).all() and (first['keypoints_2d_score'][:, [7, 9]] == 0).all()
    # The same model twice merges to itself.
    assert module.main([*command, '--also', *pose, '--fresh']) == 0
    with np.load(out) as file:
        for name, values in first.items():
            np.testing.assert_array_equal(file[name], values)
