"""Names of models: configs and weights of the index and of registered aliases."""
import json
import multiprocessing
import time

import pytest

from mmpose_integral.apis import find_alias, load_aliases, model_zoo, register_alias, user_folder
from mmpose_integral.apis.model_zoo import find_model, list_aliases


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    for name in ('a.py', 'a.pth', 'b.pth'):
        (tmp_path / name).touch()
    return tmp_path


def test_registered_aliases_are_found_from_any_folder(files, monkeypatch):
    assert load_aliases() == {}
    monkeypatch.chdir(files)
    register_alias('official', 'a.py', 'a.pth')
    register_alias('mine-2.1', 'a.py', 'b.pth')
    monkeypatch.chdir('/')
    assert find_alias('official') == (str(files / 'a.py'), str(files / 'a.pth'))
    assert register_alias('official', files / 'a.py', files / 'b.pth') == find_alias('official')
    assert find_alias('official').checkpoint == str(files / 'b.pth')
    assert sorted(load_aliases()) == ['mine-2.1', 'official']
    assert list_aliases()['mine-2.1'] == str(files / 'a.py')
    assert sorted(path.name for path in user_folder().iterdir()) == ['aliases.json', 'aliases.lock']
    assert json.loads((files / 'home' / 'aliases.json').read_text())['mine-2.1']['checkpoint'] == str(files / 'b.pth')


def test_the_default_folder_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv('MMPOSE_INTEGRAL_HOME', raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    assert user_folder() == tmp_path / '.cache' / 'mmpose_integral'


def test_errors_name_the_alias_the_known_ones_and_the_command(files):
    register_alias('mine', files / 'a.py', files / 'a.pth')
    with pytest.raises(ValueError, match=r"'official' is in .*model-index.yml without weights; "
                                         r'.*convert-official --alias official --config configs/official/'):
        find_alias('official')
    with pytest.raises(ValueError, match='`mmpose-integral convert-3dmppe SNAPSHOT` makes it from'):
        find_alias('3dmppe')
    with pytest.raises(ValueError, match=r"'none' is neither in .*aliases.json nor in .*model-index.yml; known "
                                         r'aliases: 3dmppe, 3dmppe-h36m, mine, official, official-trainval, '
                                         r'photo, standin'):
        find_alias('none')
    (files / 'a.pth').unlink()
    with pytest.raises(FileNotFoundError, match=r"alias 'mine': its checkpoint .*a.pth does not exist; register it"):
        find_alias('mine')
    with pytest.raises(FileNotFoundError, match="alias 'new': its config"):
        register_alias('new', files / 'absent.py', files / 'b.pth')
    assert list(load_aliases()) == ['mine']


def test_names_and_aliases_of_the_index(files):
    by_name, by_alias = find_alias('integral_r18_standin'), find_alias('standin')
    assert by_name == by_alias and by_alias.checkpoint.endswith('assets/integral_r18_standin.pth')
    assert by_alias.config.endswith('configs/quickstart/integral_r18_standin.py')
    assert find_alias('rtmdet_m_640-8xb32_coco-person').checkpoint.startswith('https://download.openmmlab.com/')
    with pytest.raises(ValueError, match='train it, `mmpose-integral train configs/integral_r152_h80k.py`'):
        find_alias('integral_r152_h80k')
    register_alias('standin', files / 'a.py', files / 'b.pth')
    assert find_alias('standin').checkpoint == str(files / 'b.pth')  # a registered alias takes precedence


def test_a_model_is_found_by_path_or_name(files):
    config, checkpoint = str(files / 'a.py'), str(files / 'a.pth')
    assert find_model(config, checkpoint) == (config, checkpoint)
    assert find_model('standin', checkpoint)[1] == checkpoint
    assert find_model('integral_r152_h80k', checkpoint)[1] == checkpoint  # a name without weights
    (files / 'a.py').write_text("load_from = 'https://example.org/x.pth'")
    assert find_model(files / 'a.py')[1] == 'https://example.org/x.pth'
    assert find_model('yolox-s', other_index=True) == ('yolox-s', None)
    for name, weights, error in (('absent.py', None, 'absent.py: no such config file'),
                                 ('standin', 'absent.pth', 'absent.pth: no such checkpoint')):
        with pytest.raises(FileNotFoundError, match=error):
            find_model(name, weights)


@pytest.mark.parametrize('name', ['', 'a/b', '..', 'x.py', 'x.pth', 'a b'])
def test_names_that_look_like_paths_are_refused(name, files):
    with pytest.raises(ValueError, match='alias: letters'):
        register_alias(name, files / 'a.py', files / 'a.pth')


@pytest.mark.parametrize('text', ['', '{"a": {"config": "x", "che', '[]', '{"a": {"config": "x"}}', '{"a": 1}',
                                  '{"a": {"config": 1, "checkpoint": 2}}'])
def test_a_damaged_file_is_named_and_the_models_of_the_index_work_without_it(text, files):
    path = files / 'home' / 'aliases.json'
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ValueError, match='aliases.json is not a list of aliases'):
        find_alias('mine')
    with pytest.raises(ValueError, match='aliases.json is not a list of aliases'):
        register_alias('mine', files / 'a.py', files / 'a.pth')
    assert path.read_text() == text  # it may hold aliases that a user can still correct
    with pytest.warns(UserWarning, match='aliases.json is not a list of aliases.*Only the models of'):
        assert find_alias('standin').checkpoint.endswith('assets/integral_r18_standin.pth')
    with pytest.warns(UserWarning, match='aliases.json is not a list of aliases'):
        assert 'standin' in list_aliases()


def test_aliases_that_are_registered_at_the_same_time_are_all_kept(files, monkeypatch):
    def load_slowly(load=load_aliases):
        aliases = load()
        time.sleep(0.2)
        return aliases

    monkeypatch.setattr(model_zoo, 'load_aliases', load_slowly)
    fork = multiprocessing.get_context('fork')
    names = [f'model_{number}' for number in range(3)]
    processes = [fork.Process(target=register_alias, args=(name, files / 'a.py', files / 'a.pth')) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert sorted(load_aliases()) == names
