import importlib.util
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmpose.datasets.transforms import LoadImage
from mmpose.registry import DATASETS, TRANSFORMS
from PIL import Image
from torch.utils.data import DataLoader

from mmpose_integral.datasets import crop_cache as cache_module
from mmpose_integral.datasets import window_jpeg
from mmpose_integral.datasets.crop_cache import DamagedCrop, load_index, open_cache
from mmpose_integral.datasets.h80k_index import index_path, save_index, scan_split
from mmpose_integral.datasets.samplers.equal_parts import EpochIndex
from mmpose_integral.preparation.person_crops import (
    CropsOfImages,
)
from mmpose_integral.preparation.products import save_boxes, save_keypoints_2d
from mmpose_integral.preparation.sharded_job import SettingsDiffer

REPO = Path(__file__).resolve().parents[2]
INPUT_SIZE = (48, 64)


def load_tool():
    path = REPO / 'tools' / 'dataset_converters' / 'build_crop_cache.py'
    spec = importlib.util.spec_from_file_location('build_crop_cache_under_test', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()


@pytest.fixture(scope='module')
def config(standin, tmp_path_factory):
    """The headline's three sources on a copy of the stand-in data, 48x64, as a config file."""
    root = tmp_path_factory.mktemp('crop_data')
    for part in ('h80k', 'mpii', 'coco'):
        shutil.copytree(standin / part, root / part)
    index, faults = scan_split(root / 'h80k', 'Train')
    assert not faults
    save_index(index, index_path(root / 'h80k', 'Train'))
    with np.load(standin / 'truth' / 'h80k_train.npz') as truth:
        boxes, points = truth['bbox'].astype(float), truth['keypoints_2d']
    save_boxes(root / 'h80k/annotations/h80k_train_boxes.json', {
        int(i): dict(bbox=[x0, y0, x1 - x0, y1 - y0], score=1.0)
        for i, (x0, y0, x1, y1) in zip(index.frame_ids, boxes.tolist(), strict=True)})
    save_keypoints_2d(root / 'h80k/annotations/h80k_train_keypoints_2d.npz', index.frame_ids, points,
                      np.ones(points.shape[:2]))
    with pytest.MonkeyPatch.context() as patch:
        for part in ('h80k', 'mpii', 'coco'):
            patch.setenv(f'{part.upper()}_ROOT', str(root / part))
        patch.delenv('CROP_CACHE', raising=False)
        config = Config.fromfile(REPO / 'configs' / 'integral_r152_h80k.py')
    for step in config.train_dataloader.dataset.pipeline:
        if step.type == 'TopdownAffine3D':
            step.input_size = INPUT_SIZE
        if step.type == 'GenerateTarget':
            step.encoder.input_size = INPUT_SIZE
    path = root / 'config.py'
    Config(dict(train_dataloader=config.train_dataloader)).dump(path)
    return path


def make_cache(config, folder, *options):
    assert tool.main([str(config), '--out', str(folder), '--num-workers', '0', *options]) == 0
    return folder


@pytest.fixture(scope='module')
def cache(config, tmp_path_factory):
    return make_cache(config, tmp_path_factory.mktemp('crops'))


def training_set(config, crop_cache, **move_box):
    dataset = Config.fromfile(config).train_dataloader.dataset
    for source in dataset.datasets:
        source.pipeline[0].crop_cache = str(crop_cache)
    for step in dataset.pipeline:
        if step.type == 'RandomBBoxTransform3D':
            step.update(move_box)
    return DATASETS.build(dataset)


def draw(dataset, epochs=1):
    """Inputs (N, 3, H, W) int, labels (N, 18, 3), weights and flips of all samples."""
    samples = [dataset[EpochIndex(i, epoch, 7)] for epoch in range(epochs) for i in range(len(dataset))]
    labels = [sample['data_samples'].gt_instance_labels for sample in samples]
    return (torch.stack([sample['inputs'] for sample in samples]).int(),
            torch.cat([label.keypoint_labels for label in labels]),
            torch.cat([label.keypoint_weights for label in labels]),
            [sample['data_samples'].flip for sample in samples])


def no_image_is_read(patch):
    def refuse(self, results):
        raise AssertionError(f'{results["img_path"]} was decoded')
    patch.setattr(LoadImage, 'transform', refuse)


def test_samples_from_the_cache_are_those_from_the_images(config, cache, monkeypatch):
    """H80K, MPII and COCO, several people an image, mirrored or not, at the border or not."""
    pixels, labels, weights, flips = draw(training_set(config, 'none'), 3)
    cached = training_set(config, cache)
    no_image_is_read(monkeypatch)
    found = draw(cached, 3)
    assert torch.equal(labels, found[1]) and torch.equal(weights, found[2]) and flips == found[3]
    assert 0.2 < np.mean(flips) < 0.8
    difference = (pixels - found[0]).abs().float()
    assert difference.mean() < 0.5 and difference.mean((1, 2, 3)).max() < 1.5
    outside, outside_found = ((part.sum(1) == 0).float() for part in (pixels, found[0]))
    at_border = outside.mean((1, 2)) > 0.02
    assert at_border.sum() > 10 and (~at_border).sum() > 10
    assert (outside - outside_found).abs().mean((1, 2)).max() < 0.01  # black beyond the image, in both
    paths = [source.get_data_info(i)['img_path'] for source in cached.datasets[1:] for i in range(len(source))]
    assert len(set(paths)) < len(paths)


def test_lower_quality_differs_more(config, cache, tmp_path):
    pixels = draw(training_set(config, 'none'))[0]
    errors = [(pixels - draw(training_set(config, folder))[0]).abs().float().mean()
              for folder in (cache, make_cache(config, tmp_path / 'crops', '--quality', '40'))]
    assert errors[0] < 0.5 * errors[1]


def test_worker_processes_read_the_same(config, cache):
    dataset = training_set(config, cache)
    expected = draw(dataset)[0]
    loader = DataLoader(dataset, batch_size=5, sampler=[EpochIndex(i, 0, 7) for i in range(len(dataset))],
                        num_workers=2, collate_fn=pseudo_collate)
    assert torch.equal(expected, torch.stack([one for batch in loader for one in batch['inputs']]).int())


def test_box_beyond_its_crop_is_cut_from_the_image(config, cache):
    """Scale 3 was not in the cache's settings."""
    expected, found = (draw(training_set(config, folder, scale_factor=(1.0, 3.0))) for folder in ('none', cache))
    difference = (expected[0] - found[0]).abs().float().mean((1, 2, 3))
    assert torch.equal(expected[1], found[1]) and difference.max() < 1.5 and (difference == 0).any()


def test_image_that_is_not_in_the_cache_is_read(cache, tmp_path):
    path = tmp_path / 'other.png'
    cv2.imwrite(str(path), np.full((5, 4, 3), 9, np.uint8))
    load = TRANSFORMS.build(dict(type='LoadPersonImage', crop_cache=str(cache)))
    assert load(dict(img_path=str(path)))['img'].shape == (5, 4, 3)


def test_damage_is_found_by_training_and_by_check(config, cache, tmp_path, capsys):
    folder = tmp_path / 'crops'
    shutil.copytree(cache, folder)
    assert tool.main([str(config), '--out', str(folder), '--check']) == 0
    path = folder / 'h80k_train.crops'
    data = bytearray(path.read_bytes())
    number = 4
    data[int(load_index(path)['offset'][number]) + 700] ^= 1
    path.write_bytes(data)
    assert tool.main([str(config), '--out', str(folder), '--check']) == 1
    assert 'Train/IMG/00005.jpg, has another checksum' in capsys.readouterr().err
    dataset = training_set(config, folder)
    dataset[3]
    with pytest.raises(DamagedCrop, match='another checksum'):
        dataset[number]
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError, match='its index says'):
        load_index(path)
    with pytest.raises(FileNotFoundError, match='build_crop_cache.py'):
        open_cache(str(tmp_path))


def test_changed_image_is_noticed(config, cache):
    dataset = training_set(config, cache).datasets[0]
    path = Path(dataset.get_data_info(0)['img_path'])
    data = path.read_bytes()
    cache_module.open_cache.cache_clear()  # what this process has read once it does not look at again
    dataset = training_set(config, cache)
    try:
        path.write_bytes(data + b'0')
        with pytest.raises(DamagedCrop, match='another image'):
            dataset[0]
    finally:
        path.write_bytes(data)


def test_stopped_build_goes_on_and_gives_the_same_files(config, cache, tmp_path, monkeypatch):
    folder, made = tmp_path / 'crops', []

    class Stopping(CropsOfImages):
        def __getitem__(self, i):
            made.append(self.paths[self.numbers[i]])
            if len(made) == 10:
                raise KeyboardInterrupt
            return super().__getitem__(i)

    monkeypatch.setattr(tool, 'CropsOfImages', Stopping)
    with pytest.raises(KeyboardInterrupt):
        make_cache(config, folder)
    parts = folder / 'h80k_train.crops.parts'
    assert not list(folder.glob('*.crops')) and len((parts / 'rank0.jsonl').read_text().splitlines()) == 8
    with open(parts / 'data', 'ab') as file:
        file.write(b'a crop that was being written')
    make_cache(config, folder)
    assert made.count(made[7]) == 1 and made.count(made[8]) == 2  # 8 were done, in one batch
    for path in cache.iterdir():
        if path.suffix == '.crops':
            assert path.read_bytes() == (folder / path.name).read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in cache.iterdir())
    count = len(made)
    make_cache(config, folder)  # nothing is left to do
    assert len(made) == count


def test_other_settings_are_refused_until_fresh(config, cache, tmp_path):
    folder = tmp_path / 'crops'
    shutil.copytree(cache, folder)
    with pytest.raises(SettingsDiffer, match='--fresh'):
        make_cache(config, folder, '--quality', '60')
    before = (folder / 'mpii_train.crops').stat().st_size
    make_cache(config, folder, '--quality', '60', '--fresh')
    assert (folder / 'mpii_train.crops').stat().st_size < before
    assert load_index(folder / 'mpii_train.crops')['settings']['quality'] == 60


def test_cache_without_lengths_of_cells_is_read(config, cache, tmp_path):
    """As images are written that are too large to tell."""
    index = load_index(cache / 'h80k_train.crops')
    data = (cache / 'h80k_train.crops').read_bytes()
    jpeg = data[index['offset'][3]:index['offset'][3] + index['length'][3]]
    layout = window_jpeg.read_layout(jpeg)
    bare = jpeg[:2] + jpeg[layout.tables_at:]
    assert layout.tables_at > 50 and window_jpeg.read_layout(bare).tables_at == 2
    corners = np.array([[20, 5], [60, 20], [50, 70], [10, 50]])
    found, expected = (window_jpeg.decode_window(one, (10, 5, 60, 70), corners) for one in (bare, jpeg))
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1]


def test_orientation_tag_is_ignored(tmp_path):
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (90, 150, 3), dtype=np.uint8), (0, 0), 4)
    exif = Image.Exif()
    exif[0x112] = 6  # turned by 90 degrees
    path = tmp_path / 'turned.jpg'
    Image.fromarray(image[..., ::-1]).save(path, exif=exif, quality=98)
    number, size, file_size, crops = CropsOfImages({str(path): np.array([[-9, -9, 200, 200]])}, [0], None)[0]
    assert (number, size, file_size, crops[0][0]) == (0, (150, 90), path.stat().st_size, [0, 0, 150, 90])
    stored = cv2.imdecode(np.frombuffer(crops[0][1], np.uint8), cv2.IMREAD_COLOR)[:, :150]
    assert np.abs(stored.astype(int) - image).mean() < 2
