"""Files of other kinds, and archives of any content, end at once with a sentence and in bounded memory."""
import json
import os
import resource
import shutil
import signal
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from indexes import make_index

from mmpose_integral.formats.boxes import load_boxes
from mmpose_integral.formats.checkpoints import read_checkpoint
from mmpose_integral.formats.frame_checks import read_image_size, read_pose
from mmpose_integral.formats.h80k_index import load_index, scan_split
from mmpose_integral.formats.safe_pickle import load_plain_pickle
from mmpose_integral.formats.submission import CSV_FOLDER, JSON_NAME, find_faults, write_submission
from mmpose_integral.utils import reading
from mmpose_integral.utils.files import read_arrays, write_arrays
from mmpose_integral.utils.reading import parse_json, read_json, read_limited
from mmpose_integral.visualization.curves import read_records

INDEX = make_index([1, 2, 3], 'Test')


def faults(path):
    return '\n'.join(find_faults(path, INDEX))


READERS = dict(pickle=load_plain_pickle, checkpoint=read_checkpoint, index=load_index, json=read_json, pose=read_pose,
               image=read_image_size, boxes=lambda path: load_boxes(path, INDEX), submission=faults)


def outcome(function, *args):
    """Value or error of a function as text, in a process that has 60 s and 256 MiB more of memory."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # pytest-timeout has set another handler
            signal.alarm(60)
            used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
            try:
                text = str(function(*args))
            except Exception as error:
                text = f'{type(error).__name__}: {error}'
            os.write(write, text.encode()[:60000])
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status == 0, f'ended by signal {-status}'
    return text


@pytest.fixture(scope='module')
def bomb(tmp_path_factory):
    """An archive of 2 MB with a member of 512 MiB, which has the name of a file of a submission."""
    path = tmp_path_factory.mktemp('bomb') / 'x.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive, \
            archive.open(f'{CSV_FOLDER}/00001.csv', 'w', force_zip64=True) as file:
        for _ in range(2**9):
            file.write(bytes(2**20))
    return path


def npy_header(shape, dtype):
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b' ' * (63 - (10 + len(text)) % 64) + b'\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text


@pytest.mark.parametrize('reader', READERS)
@pytest.mark.parametrize('kind', ['named pipe', 'device', 'folder'])
def test_other_kinds_of_files_are_named_and_not_read(reader, kind, tmp_path):
    path = tmp_path / 'x'
    dict(folder=Path.mkdir, device=lambda path: path.symlink_to('/dev/zero')).get(kind, os.mkfifo)(path)
    text = outcome(READERS[reader], path)
    if (reader, kind) == ('submission', 'folder'):
        assert text.splitlines()[-1] == f'{JSON_NAME} is missing'
    else:
        assert f'is a {kind}; expected: ' in text and len(text.splitlines()) == 1
        assert reader in ('pose', 'image') or str(path) in text  # the caller of these two adds the name


def test_one_such_file_does_not_hide_the_others(tmp_path):
    for kind in ('IMG', 'POSE'):
        (tmp_path / 'Val' / kind).mkdir(parents=True)
    os.mkfifo(tmp_path / 'Val' / 'IMG' / '00001.jpg')
    (tmp_path / 'Val' / 'IMG' / '00002.jpg').write_text('no picture')
    (tmp_path / 'Val' / 'POSE' / '00001.csv').symlink_to('/dev/zero')
    (tmp_path / 'Val' / 'POSE' / '00002.csv').write_text('1,2,3\n' * 20000)
    found = outcome(lambda: '\n'.join(scan_split(tmp_path, 'Val').faulty))
    assert found.splitlines() == [
        'H80K Val: IMG/00001.jpg is a named pipe; expected: file',
        'H80K Val: POSE/00001.csv is a device; expected: file', 'H80K Val: IMG/00002.jpg is not a JPEG image',
        'H80K Val: POSE/00002.csv has more than 0.1 MB, and is not read']


def test_a_submission_with_such_files_gets_a_fault_for_each(tmp_path):
    write_submission(tmp_path / 'sub', np.zeros((3, 17, 3)), [1, 2, 3])
    for number, make in enumerate((os.mkfifo, lambda path: path.symlink_to('/dev/zero')), 1):
        (path := tmp_path / 'sub' / CSV_FOLDER / f'0000{number}.csv').unlink()
        make(path)
    (tmp_path / 'sub' / JSON_NAME).write_bytes(b' ' * 2**21)
    assert outcome(faults, tmp_path / 'sub').splitlines() == [
        f'{CSV_FOLDER}/00001.csv is a named pipe; expected: file',
        f'{CSV_FOLDER}/00002.csv is a device; expected: file', f'{JSON_NAME} has more than 1.024 MB, and is not read']


@pytest.mark.parametrize('reader', ['submission', 'index', 'checkpoint'])
def test_archives_that_unpack_to_much_more_than_their_size_are_not_unpacked(reader, bomb):
    assert bomb.stat().st_size < 4e6
    text = outcome(READERS[reader], bomb)
    assert 'would unpack to 537 MB, more than 100 times its size' in text and str(bomb) in text


def test_members_that_lie_about_their_size_are_read_up_to_the_limit_only(bomb, tmp_path):
    content, true, small = bomb.read_bytes(), struct.pack('<I', 2**29), struct.pack('<I', 800)
    (tmp_path / 'a.zip').write_bytes(content.replace(true, small))
    with zipfile.ZipFile(tmp_path / 'a.zip') as archive:
        assert archive.infolist()[0].file_size == 800
    assert f'{CSV_FOLDER}/00001.csv cannot be unpacked: Bad CRC-32' in outcome(faults, tmp_path / 'a.zip')
    with zipfile.ZipFile(tmp_path / 'b.zip', 'w', zipfile.ZIP_BZIP2) as archive:
        archive.writestr('a', 'x')  # Python unpacks such a member as a whole
    assert 'not compressed by the usual method, first a' in outcome(faults, tmp_path / 'b.zip')


@pytest.mark.parametrize('shape, dtype', [
    ('(10**12,)', "'<f8'"), ('(1000000000000,)', "'<f8'"), ('(-1,)', "'<f8'"), ('(1000000000000, 0)', "'<f8'"),
    ('(1000000000000,)', "'|S0'"), ('(1,)', "'<U1000000000'"), ('(' * 200 + ')' * 200, "'<f8'"), ('(3,)', "'<f8'"),
    ('(2,)', "[('a', '<f8', (1000000000,))]")])
def test_arrays_whose_header_does_not_fit_their_content_take_no_memory(shape, dtype, tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive:
        archive.writestr('a.npy', npy_header(shape, dtype) + bytes(16))
    text = outcome(read_arrays, tmp_path / 'a.npz', 'index', ('a',), 'make it again')
    assert text.startswith(f'ValueError: index {tmp_path}/a.npz: not readable as an npz file (')
    assert len(text.splitlines()) == 1 and len(text) < 500


def test_other_npz_files_are_refused_and_sound_ones_are_read(tmp_path):
    with zipfile.ZipFile(tmp_path / 'text.npz', 'w') as archive:
        archive.writestr('a.npy', 'text')
    (tmp_path / 'empty.npz').write_bytes(b'')
    np.save(tmp_path / 'a.npy', np.eye(2))
    for name in ('text.npz', 'empty.npz', 'a.npy'):
        with pytest.raises(ValueError, match=f'{name}: not readable as an npz file'):
            read_arrays(tmp_path / name, 'index', ('a',), 'make it again')
    arrays = dict(a=np.arange(6.).reshape(2, 3), b=np.asfortranarray(np.eye(3)[:2]), c=np.array(['x', 'yz']),
                  d=np.array(3), e=np.zeros((0, 4)))
    write_arrays(tmp_path / 'sound.npz', **arrays)
    np.savez_compressed(tmp_path / 'compressed.npz', **arrays)
    for name in ('sound.npz', 'compressed.npz'):
        read, expected = read_arrays(tmp_path / name, 'index', 'abcde', ''), np.load(tmp_path / name)
        assert list(read) == expected.files
        for key, value in read.items():
            np.testing.assert_array_equal(value, expected[key])
            assert value.dtype == expected[key].dtype and value.flags.writeable


@pytest.mark.parametrize('text', ['[' * 10**5, '{"a":' * 10**5, '[' * 10**5 + ']' * 10**5])
def test_deep_json_is_an_error_like_any_other(text, tmp_path):
    with pytest.raises(ValueError, match='nested too deeply'):
        parse_json(text)
    (tmp_path / 'a.json').write_text(text)
    for read in (READERS['boxes'], read_json):
        with pytest.raises(ValueError, match=r'a\.json is not JSON: it is nested too deeply'):
            read(tmp_path / 'a.json')
    (tmp_path / 'log.json').write_text(text + '\n{}\n')
    with pytest.raises(ValueError, match=r'log\.json: line 1 is not JSON \(it is nested'):
        list(read_records(tmp_path / 'log.json'))
    assert parse_json(json.dumps(nested := [[[{'a': [1]}]]])) == nested


def test_the_size_of_a_file_is_limited(tmp_path):
    (tmp_path / 'a').write_bytes(b'12345')
    assert read_limited(tmp_path / 'a', 5) == b'12345'
    with pytest.raises(ValueError, match=r'a has more than 4e-06 MB'):
        read_limited(tmp_path / 'a', 4)
    with open(tmp_path / 'huge', 'wb') as file:
        file.truncate(2**40)  # takes no space on the disk
    for reader in ('pickle', 'json', 'pose', 'boxes'):
        assert 'has more than' in outcome(READERS[reader], tmp_path / 'huge')
    assert Path('/proc/self/status').stat().st_size == 0
    with pytest.raises(ValueError, match='status has more than'):
        read_limited('/proc/self/status', 100)
    with pytest.raises(FileNotFoundError):
        read_limited(tmp_path / 'absent')


def test_a_checkpoint_of_zeros_is_read_when_it_is_stored_plainly(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, 'FREE_BYTES', 0)
    torch.save(dict(a=torch.zeros(2**18)), tmp_path / 'a.pth')
    assert read_checkpoint(tmp_path / 'a.pth')['a'].sum() == 0
    with zipfile.ZipFile(tmp_path / 'a.pth') as plain, \
            zipfile.ZipFile(tmp_path / 'b.pth', 'w', zipfile.ZIP_DEFLATED) as packed:
        for member in plain.infolist():
            with plain.open(member) as source, packed.open(member.filename, 'w') as target:
                shutil.copyfileobj(source, target)
    assert 'b.pth would unpack to 1 MB' in outcome(read_checkpoint, tmp_path / 'b.pth')
