import csv
import errno
import json
import multiprocessing
import os
import signal

import pytest

from mmpose_integral.utils.errors import explain
from mmpose_integral.utils.files import replace_when_done, write_json, write_json_lines_list, write_rows, write_whole

FORK = multiprocessing.get_context('fork')


def begin_and_die(folder, begun, go_on):
    """Write a file, and begin another one and a folder; the process is killed before these are complete."""
    write_whole(folder / 'first.txt', 'x')
    with replace_when_done(folder / 'a.npz') as file, replace_when_done(folder / 'folder') as temporary:
        file.write_text('half')
        temporary.mkdir()
        (temporary / 'b').write_text('half')
        begun.set()
        go_on.wait()
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize('durable', [False, True])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(durable, tmp_path):
    write_whole(tmp_path / 'new' / 'a.txt', 'übung', durable)
    with pytest.raises(KeyError), replace_when_done(tmp_path / 'new' / 'a.txt', durable) as temporary:
        assert temporary.parent == tmp_path / 'new'
        temporary.write_text('half')
        raise KeyError
    assert [path.read_bytes() for path in (tmp_path / 'new').iterdir()] == ['übung'.encode()]


def test_a_write_that_fails_names_the_file(tmp_path):
    with pytest.raises(OSError) as caught, replace_when_done(tmp_path / 'a.txt'):
        raise OSError(errno.ENOSPC, 'No space left on device')
    assert explain(caught.value).startswith(f'{tmp_path}/a.txt: No space left on device; make room')


def test_a_folder_takes_the_place_of_another(tmp_path):
    for name in ('old', 'new'):
        with replace_when_done(tmp_path / 'folder') as temporary:
            temporary.mkdir()
            write_whole(temporary / name, name.encode())
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*')] == ['folder', 'folder/new']


def test_a_folder_stays_until_its_successor_is_in_place(tmp_path, monkeypatch):
    def write(name, replace=os.replace):
        monkeypatch.setattr(os, 'replace', replace)
        with replace_when_done(tmp_path / 'folder') as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)

    def names():
        return [str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*') if path.is_file()]

    real, calls = os.replace, []

    def fail_at_the_second(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError('no')
        real(source, target)

    write('old')
    with pytest.raises(OSError, match='no'):
        write('new', fail_at_the_second)
    assert names() == ['folder/old']
    (tmp_path / '.folder.old').mkdir()  # as if an earlier process had been killed between the two renames
    write('new', real)
    assert names() == ['folder/new'] and not (tmp_path / '.folder.old').exists()


def test_the_files_of_a_killed_process_are_removed_and_those_of_a_running_one_are_not(tmp_path):
    def names():
        return {path.name for path in tmp_path.iterdir()}

    (tmp_path / '.hidden.7.txt').write_text('of the user')
    begun, go_on = FORK.Event(), FORK.Event()
    writer = FORK.Process(target=begin_and_die, args=(tmp_path, begun, go_on))
    writer.start()
    assert begun.wait(60)
    seen = names()
    assert len(seen) == 4
    beside = FORK.Process(target=write_whole, args=(tmp_path / 'beside.txt', 'x'))
    beside.start()
    beside.join(60)
    assert names() == seen | {'beside.txt'}
    go_on.set()
    writer.join(60)
    assert writer.exitcode == -signal.SIGKILL and names() == seen | {'beside.txt'}
    write_whole(tmp_path / 'later.txt', 'x')
    assert names() == {'.hidden.7.txt', 'beside.txt', 'first.txt', 'later.txt'}


def test_text_in_csv_files_is_no_formula(tmp_path):
    cells = ['=1+1.jpg', '@a', '+x', '-x', '\t=1', '-1.5', '+2e3', 'a=b', -1.5, 3, 'a,"b"', 'b\udcff']
    write_rows(tmp_path / 'table.csv', ['=a'], [cells])
    with open(tmp_path / 'table.csv', newline='', encoding='utf-8') as file:
        header, row = csv.reader(file)
    assert header == ['=a'] and row == [
        "'=1+1.jpg", "'@a", "'+x", "'-x", "'\t=1", '-1.5', '+2e3', 'a=b', '-1.5', '3', 'a,"b"', 'b\\udcff']


def test_names_that_are_no_utf_8_are_written_as_they_are(tmp_path):
    write_whole(tmp_path / 'a', os.fsdecode(b'\xfc.pth ') + 'ü')
    assert (tmp_path / 'a').read_bytes() == b'\xfc.pth \xc3\xbc'


@pytest.mark.parametrize('items', [[], [1], [dict(a=1), dict(b=[2])]])
def test_json_has_one_item_per_line(items, tmp_path):
    write_json_lines_list(tmp_path / 'list.json', items)
    write_json(tmp_path / 'whole.json', items)
    text = (tmp_path / 'list.json').read_text()
    assert json.loads(text) == items == json.loads((tmp_path / 'whole.json').read_text())
    assert len(text.splitlines()) == len(items) + 2 or text == '[]\n'
