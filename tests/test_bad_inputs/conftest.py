"""A folder of small bad files, and of small sound ones to go with them."""
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from bad_pictures import png
from small_model import STANDIN
from small_training import prepare, save_random_weights, write_config

MORE = '''
train_cfg = dict(max_epochs=1)
submission_dataloader = dict(test_dataloader, dataset=dict(
    evaluation_set, ann_file=annotations + 'h80k_test.npz', bbox_file=annotations + 'h80k_val_boxes.json'))
'''


class Command:
    """An object whose pickle would run a command."""

    def __reduce__(self):
        return os.mkdir, ('run_by_a_pickle', )


def make_bad_files(folder):
    """Files with text or nothing, other kinds of files, and JSON, pickles and configs of other content."""
    for suffix in ('npz', 'json', 'pth', 'jpg', 'onnx', 'pkl', 'zip', 'whl', 'mp4', 'html'):
        (folder / f'text.{suffix}').write_text('no data\n')
        (folder / f'empty.{suffix}').touch()
    (folder / 'page.pth').write_text('<html>')
    (folder / 'folder').mkdir()
    os.mkfifo(folder / 'fifo')
    (folder / 'zero').symlink_to('/dev/zero')
    (folder / 'bomb.png').write_bytes(png(60000, 60000))
    for name, text in dict(deep='[' * 10**5, list='[1, 2]', dict='{}', number='3', frames='{"frames": 3}',
                           types='{"lr": "x", "epoch": [1], "iter": null}\n{}\n', coco='{"annotations": [{}]}').items():
        (folder / f'{name}.json').write_text(text)
    for name, value in dict(list=[1, 2], command=[Command()], types=[dict(kpts='x', vis=None)] * 7).items():
        (folder / f'{name}.pkl').write_bytes(pickle.dumps(value))
    for name, text in dict(syntax='model = dict(\n', no_model='x = 1\n', text_model="model = 'x'\n",
                           broken=f"_base_ = '{STANDIN}'\nmodel = dict(backbone=dict(depth=7))\n").items():
        (folder / f'{name}.py').write_text(text)
    with zipfile.ZipFile(folder / 'version.zip', 'w') as archive:
        archive.writestr('a', 'x')
    with zipfile.ZipFile(folder / 'no_name.zip', 'w') as archive, archive.open(zipfile.ZipInfo(''), 'w') as file:
        file.write(b'x')
    content = bytearray((folder / 'version.zip').read_bytes())
    content[content.index(b'PK\1\2') + 6] = 235  # the version of the format that is needed to read it
    (folder / 'version.zip').write_bytes(content)
    for name in ('text', 'list', 'types'):
        (folder / f'h36m_{name}' / 'annotation_body3d').mkdir(parents=True)
        (folder / f'h36m_{name}' / 'annotation_body3d' / 'cameras.pkl').write_bytes(
            (folder / (f'{name}.pkl')).read_bytes())
    for name, text in dict(text='no data', list='[1]').items():
        (folder / f'{name}_parts.json.parts').mkdir()
        (folder / f'{name}_parts.json.parts' / 'settings.json').write_text(text)
    for kind, name in (('IMG', '00001.jpg'), ('POSE', '00001.csv')):
        (folder / 'bad_h80k' / 'Val' / kind).mkdir(parents=True)
        (folder / 'bad_h80k' / 'Val' / kind / name).write_text('x')


def make_sound_files(folder, standin):
    """Products of the preparation, a config, its checkpoint, predictions, a log, and people in a photograph."""
    from mmpose_integral.formats.h80k_index import save_index, scan_split
    prepare(standin, folder)
    save_index(scan_split(standin / 'h80k', 'Test'), folder / 'h80k_test.npz')
    config = write_config(standin, folder, folder / 'config.py', MORE)
    save_random_weights(config, folder / 'a.pth')
    for name, count in dict(seven=7, five=5).items():
        np.savez(folder / f'{name}.npz', frame_ids=np.arange(1, count + 1), paths=['a'] * count,
                 box_found=np.ones(count, bool), pred_px=np.random.default_rng(0).normal(100, 50, (count, 18, 3)))
    np.savez(folder / 'nan.npz', **dict(np.load(folder / 'seven.npz'), pred_px=np.full((7, 18, 3), np.nan)))
    np.savez(folder / 'videos.npz', boxes=np.zeros(3), keypoints=np.zeros((1, 2)), truth=np.array('x'))
    (folder / 'log.json').write_text('{"lr": 0.1, "epoch": 1, "iter": 1, "loss": 1}\n{"h80k/MPJPE": 5, "step": 1}\n')
    photo = str(standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg')
    (folder / 'photo.jpg').symlink_to(photo)
    person = dict(file=photo, box_xyxy=[1, 2, 80, 90], keypoints_2d=[[10 + 5 * i, 20 + 3 * i, 1] for i in range(18)])
    (folder / 'people.json').write_text(json.dumps(dict(frames=[person])))


@pytest.fixture(scope='package')
def bad_files(standin, tmp_path_factory):
    """The folder."""
    folder = tmp_path_factory.mktemp('bad')
    make_bad_files(folder)
    make_sound_files(folder, standin)
    return folder
