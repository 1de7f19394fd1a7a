"""Messages of errors, and places that cannot be written."""
import errno
import os
import urllib.error

import pytest
import torch
from torch.utils.data import DataLoader

from mmpose_integral.utils.errors import ExpectedError, explain, in_line, printable, reason_of, to_numbers
from mmpose_integral.utils.outputs import OutputError, check_writable, output_file, output_folder


@pytest.mark.parametrize('text, shown', [
    ('plain: übung, 3 °, 日本', 'plain: übung, 3 °, 日本'), ('two\nlines\tand a tab', 'two\nlines\tand a tab'),
    ('\x1b]0;title\x07\x1b[2J.jpg', '\\x1b]0;title\\x07\\x1b[2J.jpg'), ('a\rb\x9b', 'a\\rb\\x9b'),
    ('rtsp://a:b@c/d?e=f:g@h, http://i:j%40@[::1]:8/k, rtmp://l/m:n@o',
     'rtsp://a:***@c/d?e=f:g@h, http://i:***@[::1]:8/k, rtmp://l/m:n@o'),
    ('gpj.\u202e', 'gpj.\\u202e'), (os.fsdecode(b'a\xff'), 'a\\udcff')])
def test_nothing_that_is_printed_controls_the_terminal(text, shown):
    assert printable(text) == shown
    assert printable(text).encode()


@pytest.mark.parametrize('error, message', [
    (OSError(errno.ENOSPC, 'No space left on device', 'w/epoch_3.pth'), 'w/epoch_3.pth: No space left on device; make'),
    (OSError(errno.EROFS, 'Read-only file system', 'a', None, 'b'), 'b: Read-only file system; choose a folder'),
    (PermissionError('`x.jpg` occurs'), '`x.jpg` occurs'), (ExpectedError('\x1b[2J'), '\\x1b[2J'),
    (torch.cuda.OutOfMemoryError('CUDA'), 'the GPU has too little memory'),
    (urllib.error.URLError('no host'), 'a file could not be fetched (<urlopen error no host>)'),
    (KeyError('x'), 'none'), (OSError('of a library'), 'none'), (ValueError('of a training'), 'none'),
    (FileNotFoundError(errno.ENOENT, 'No such file or directory', 'x'), 'none')])
def test_foreseeable_errors_have_a_message_and_others_none(error, message):
    assert (explain(error) or 'none').startswith(message)


def test_expected_errors_of_a_loading_process_have_no_traceback():
    class Missing(list):
        def __getitem__(self, index):
            open('absent.jpg')

    with pytest.raises(FileNotFoundError) as caught:
        list(DataLoader(Missing([0]), num_workers=1))
    assert 'Traceback' in str(caught.value)
    assert explain(caught.value, (FileNotFoundError, )) == "No such file or directory: 'absent.jpg'"


class Text(list):
    def __getitem__(self, index):
        return float('text')


def test_reasons_have_one_line():
    with pytest.raises(ValueError) as caught:
        list(DataLoader(Text([0]), num_workers=1))
    assert reason_of(caught.value) == "could not convert string to float: 'text'"  # of another process
    for error, reason in ((TypeError('a\nb'), 'TypeError: a'), (KeyError('x'), 'x is unknown or missing'),
                          (KeyError('x is not here'), 'x is not here'), (AssertionError(), 'AssertionError'),
                          (ValueError('\x1b[2J'), '\\x1b[2J')):
        assert reason_of(error) == reason
    assert in_line('a\nb\tc') == 'a\\nb c' and in_line('abc', 2) == 'ab...'
    assert to_numbers([1, '2'], 'a').tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"a: numbers expected, got 'far\\\\x1b'"):
        to_numbers('far\x1b', 'a')


def test_places_that_cannot_be_written_are_found_and_others_stay_untouched(tmp_path):
    (tmp_path / 'file').write_text('old')
    for path, reason in (('file/new.json', 'file: Not a directory'), ('.', 'it is a folder')):
        with pytest.raises(OutputError, match=reason):
            check_writable(tmp_path / path)
    with pytest.raises(OutputError, match='file: Not a directory'):
        output_folder(str(tmp_path / 'file'))
    check_writable(tmp_path / 'file')
    check_writable(tmp_path, folder=True)
    assert output_folder(f'{tmp_path}/new/folder') == tmp_path / 'new' / 'folder'
    assert output_file('.json')(f'{tmp_path}/new/a.JSON') == f'{tmp_path}/new/a.JSON'
    assert [path.name for path in tmp_path.iterdir()] == ['file'] and (tmp_path / 'file').read_text() == 'old'
