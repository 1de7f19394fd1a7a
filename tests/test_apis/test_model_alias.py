import json

import pytest

from mmpose_integral.apis import find_alias, load_aliases, register_alias, user_folder


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    for name in ('a.py', 'a.pth', 'b.pth'):
        (tmp_path / name).touch()
    return tmp_path


def test_what_is_registered_is_found_from_anywhere(files, monkeypatch):
    assert load_aliases() == {}
    monkeypatch.chdir(files)
    register_alias('official', 'a.py', 'a.pth')
    register_alias('mine-2.1', 'a.py', 'b.pth')
    monkeypatch.chdir('/')
    assert find_alias('official') == (str(files / 'a.py'), str(files / 'a.pth'))
    assert register_alias('official', files / 'a.py', files / 'b.pth') == find_alias('official')
    assert find_alias('official').checkpoint == str(files / 'b.pth')
    assert sorted(load_aliases()) == ['mine-2.1', 'official']
    assert [path.name for path in user_folder().iterdir()] == ['aliases.json']
    assert json.loads((files / 'home' / 'aliases.json').read_text())['mine-2.1']['checkpoint'] == str(files / 'b.pth')


def test_the_default_folder_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv('MMPOSE_INTEGRAL_HOME', raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    assert user_folder() == tmp_path / '.cache' / 'mmpose_integral'


def test_errors_name_the_alias_what_is_known_and_the_command(files):
    register_alias('mine', files / 'a.py', files / 'a.pth')
    with pytest.raises(ValueError, match=r"'official' is not in .*aliases.json, known there: mine; .*"
                                         r'convert_official.py --alias official'):
        find_alias('official')
    (files / 'a.pth').unlink()
    with pytest.raises(FileNotFoundError, match=r"alias 'mine': its checkpoint .*a.pth does not exist; .*convert"):
        find_alias('mine')
    with pytest.raises(FileNotFoundError, match="alias 'new': its config"):
        register_alias('new', files / 'absent.py', files / 'b.pth')
    assert list(load_aliases()) == ['mine']


@pytest.mark.parametrize('name', ['', 'a/b', '..', 'x.py', 'x.pth', 'a b'])
def test_names_that_look_like_paths_are_refused(name, files):
    with pytest.raises(ValueError, match='alias: letters'):
        register_alias(name, files / 'a.py', files / 'a.pth')


@pytest.mark.parametrize('text', ['{', '[]', '{"a": {"config": "x"}}', '{"a": 1}'])
def test_a_damaged_file_is_named(text, files):
    (files / 'home').mkdir()
    (files / 'home' / 'aliases.json').write_text(text)
    with pytest.raises(ValueError, match='aliases.json is no list of aliases'):
        find_alias('official')
