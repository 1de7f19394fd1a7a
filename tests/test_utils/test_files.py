import json

import pytest

from mmpose_integral.utils.files import replace_when_done, write_json, write_json_lines_list, write_whole


@pytest.mark.parametrize('durable', [False, True])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(durable, tmp_path):
    write_whole(tmp_path / 'new' / 'a.txt', 'übung', durable)
    with pytest.raises(KeyError), replace_when_done(tmp_path / 'new' / 'a.txt', durable) as temporary:
        assert temporary.parent == tmp_path / 'new'
        temporary.write_text('half')
        raise KeyError
    assert [path.read_bytes() for path in (tmp_path / 'new').iterdir()] == ['übung'.encode()]


def test_a_folder_takes_the_place_of_another(tmp_path):
    for name in ('old', 'new'):
        with replace_when_done(tmp_path / 'folder') as temporary:
            temporary.mkdir()
            write_whole(temporary / name, name.encode())
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*')] == ['folder', 'folder/new']


@pytest.mark.parametrize('items', [[], [1], [dict(a=1), dict(b=[2])]])
def test_json_has_one_item_per_line(items, tmp_path):
    write_json_lines_list(tmp_path / 'list.json', items)
    write_json(tmp_path / 'whole.json', items)
    text = (tmp_path / 'list.json').read_text()
    assert json.loads(text) == items == json.loads((tmp_path / 'whole.json').read_text())
    assert len(text.splitlines()) == len(items) + 2 or text == '[]\n'
