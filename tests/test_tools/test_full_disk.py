"""Commands whose disk becomes full: one sentence, the old files stay, and the next run goes on when there is room."""
import os
import subprocess

import pytest
import torch
from small_training import REPO, prepare, run_tool, write_config

from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.preparation.sharded_job import run_sharded
from mmpose_integral.utils.errors import explain


class Disk:
    """A file system in memory whose size can be changed."""

    def __init__(self, folder):
        self.folder = folder
        self.mount('size=64m')

    def mount(self, options):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', self.folder], check=True, capture_output=True)

    def leave(self, free):
        """Leave so many bytes, rounded to pages."""
        state = os.statvfs(self.folder)
        used = (state.f_blocks - state.f_bfree) * state.f_frsize
        self.mount(f'remount,size={used + free}')

    def files(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob('*') if path.is_file())


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / 'disk'
    folder.mkdir()
    try:
        disk = Disk(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f'a tmpfs cannot be mounted, which takes root ({error})')
    yield disk
    subprocess.run(['umount', '--lazy', folder], check=True)


def test_training(standin, disk, forks, tmp_path):
    prepare(standin, tmp_path)
    config, work_dir = write_config(standin, tmp_path, tmp_path / 'small.py'), disk.folder / 'work'

    def train(epochs):  # in its own process, because mmengine keeps the place of the logs for the next training
        return forks.run(REPO / 'tools' / 'train.py', config, '--work-dir', work_dir, '--resume', '--cfg-options',
                         f'train_cfg.max_epochs={epochs}')

    def epoch():
        return torch.load((work_dir / 'last_checkpoint').read_text())['meta']['epoch']

    assert train(1).code == 0
    disk.leave(300_000)  # enough for logs
    ended = train(2)
    assert ended.code == 1 and 'Traceback' not in ended.output
    assert 'epoch_2.pth: No space left on device; make room' in ended.output.splitlines()[-1]
    assert epoch() == 1 and not [name for name in disk.files() if '.part' in name]
    disk.mount('remount,size=64m')
    assert train(2).code == 0 and epoch() == 2


def test_index(standin, disk):
    index = ['prepare index', standin / 'h80k', '--out-dir', disk.folder / 'out', '--splits']
    assert run_tool(*index, 'Train') == 0
    disk.leave(0)
    message = run_tool(*index, 'Val')
    assert message.startswith(f'{disk.folder}/out/h80k_val.npz') and 'No space left on device' in message
    assert [name for name in disk.files() if name != 'out/.lock'] == ['out/h80k_train.npz']
    disk.mount('remount,size=64m')
    assert run_tool(*index, 'Val') == 0
    assert len(load_index(disk.folder / 'out' / 'h80k_val.npz').frame_ids) == 8


def test_a_preparation_keeps_the_finished_frames(disk):
    done, stopped = [], []

    def stream(frame_ids):
        for frame_id in frame_ids:
            done.append(frame_id)
            if frame_id == 3 and not stopped:
                disk.leave(0)
            yield [dict(frame_id=frame_id, values=[frame_id] * 2000)]

    out = disk.folder / 'boxes.json'
    with pytest.raises(OSError) as caught:
        run_sharded(out, {}, range(1, 9), stream, 'Boxes')
    assert explain(caught.value).startswith(f'{out}.parts/rank0.jsonl: No space left on device; make room')
    stopped.extend(done)
    done.clear()
    disk.mount('remount,size=64m')
    results = run_sharded(out, {}, range(1, 9), stream, 'Boxes')
    assert 3 <= done[0] <= stopped[-1] and done == list(range(done[0], 9))
    assert results == {number: dict(frame_id=number, values=[number] * 2000) for number in range(1, 9)}
