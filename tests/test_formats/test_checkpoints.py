"""Damaged checkpoints are refused, whichever byte is wrong; Python's zipfile says where the bytes are."""
import zipfile

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from mmpose_integral.formats.checkpoints import CheckpointError, find_weights, read_checkpoint


@pytest.fixture
def path(tmp_path):
    torch.save(dict(state_dict=dict(weight=torch.arange(300.0), bias=torch.ones(2)), meta=dict(epoch=3)),
               tmp_path / 'a.pth')
    return tmp_path / 'a.pth'


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_a_whole_file_is_read(path):
    assert read_checkpoint(path)['meta'] == dict(epoch=3)
    assert find_weights(read_checkpoint(path))['weight'].sum() == sum(range(300))


def test_a_flipped_byte_of_any_member_is_noticed(path):
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.file_size]
    assert len([member for member in members if '/data/' in member.filename]) == 2
    whole = path.read_bytes()
    for member in members:
        header = member.header_offset
        start = header + 30 + sum(int.from_bytes(whole[header + at:header + at + 2], 'little') for at in (26, 28))
        path.write_bytes(whole)
        flip(path, start + member.file_size // 2)
        with pytest.raises(CheckpointError, match=f'a.pth is damaged: the content of {member.filename} does not fit'):
            read_checkpoint(path)
        with pytest.raises(CheckpointError, match='checksum; get it again from its source'):
            CheckpointLoader.load_checkpoint(str(path))
    path.write_bytes(whole)
    assert read_checkpoint(path)['meta'] == dict(epoch=3)


@pytest.mark.parametrize('share', [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[:int(share * len(content))])
    with pytest.raises(CheckpointError, match='a.pth is no torch checkpoint, or is cut short.*; ask me$'):
        read_checkpoint(path, remedy='ask me')


def test_files_of_old_versions_of_torch_are_read(tmp_path):
    torch.save(dict(weight=torch.ones(3)), tmp_path / 'old.pth', _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(tmp_path / 'old.pth')
    assert read_checkpoint(tmp_path / 'old.pth')['weight'].tolist() == [1, 1, 1]


@pytest.mark.parametrize('content, message', [
    (b'  <!DOCTYPE html>', 'is a web page'), (b'text', 'is no torch checkpoint'),
    (b'PK\x03\x04' + bytes(100), 'is no torch checkpoint')])
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    (tmp_path / 'a.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match=f'a.pth {message}') as raised:
        read_checkpoint(tmp_path / 'a.pth')
    assert 'weights_only' not in str(raised.value) and len(str(raised.value).splitlines()) == 1
    with pytest.raises(FileNotFoundError, match='none.pth: no such checkpoint'):
        read_checkpoint(tmp_path / 'none.pth')


@pytest.mark.parametrize('checkpoint', [[1], 3, dict(state_dict=[1]), dict(state_dict={1: torch.ones(1)})])
def test_checkpoints_without_weights_by_name_are_refused_for_mmengine(tmp_path, checkpoint):
    torch.save(checkpoint, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='a.pth: the checkpoint has no weights'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))
