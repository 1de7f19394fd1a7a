"""Configs and options that nothing can use are refused in one sentence, before the work starts."""
import copy
import os

import pytest
import torch
from mmengine.config import Config
from small_training import REPO, prepare, run_tool, save_random_weights, write_config

from mmpose_integral.engine.config_checks import apply_options, check_config
from mmpose_integral.utils.config_files import ConfigError, read_config

CONFIGS = sorted(path for path in (REPO / 'configs').rglob('*.py') if '_base_' not in path.parts)
SUBMISSION = "\nsubmission_dataloader = test_dataloader\n"


@pytest.fixture(scope='module')
def folder(standin, tmp_path_factory):
    folder = tmp_path_factory.mktemp('checks')
    prepare(standin, folder)
    return folder


@pytest.fixture(scope='module')
def config(standin, folder):
    return write_config(standin, folder, folder / 'sound.py', SUBMISSION)


@pytest.fixture(scope='module')
def sound(config):
    cfg = read_config(config)
    cfg.work_dir = 'somewhere'
    return cfg


@pytest.fixture(scope='module')
def checkpoint(config, folder):
    return save_random_weights(config, folder / 'sound.pth', dataset_meta=dict(skeleton_length={'train+val': 4500.0}))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_the_configs_of_the_project_are_sound(path):
    check_config(read_config(path, 'model'))


@pytest.mark.parametrize('option, message', [
    ('model.test_cfg.flip_test=ture', 'model.test_cfg.flip_test=ture: true or false is expected'),
    ('model.test_cfg.flip_tset=True', 'model.test_cfg has no entry flip_tset; did you mean flip_test?'),
    ('optim_wraper.lr=1', 'the config has no entry optim_wraper; did you mean optim_wrapper?'),
    ('a.b=1', 'a.b: the config has no entry a; known are '),
    ('optim_wrapper.optimizer.lr=abc', 'optim_wrapper.optimizer.lr=abc: a number is expected'),
    ('model.head.depth_bins=x', 'a number is expected, because its value is'),
    ('model.head.depht_bins=8', 'model.head has no entry depht_bins; did you mean depth_bins?'),
    ('model.head.nonsense=1', 'model.head has no entry nonsense; known are '),
    ('train_dataloader.batchsize=3', 'train_dataloader has no entry batchsize; did you mean batch_size?'),
    ('train_cfg.max_epoch=1', 'train_cfg has no entry max_epoch; did you mean max_epochs?'),
    ('train_cfg.max_epochs=two', 'a number is expected'), ('randomness.sed=3', 'did you mean seed?'),
    ('randomness.seed=x', 'a number is expected'), ('model=3', 'model=3: a dict is expected'),
    ('model.backbone=x', 'a dict is expected'), ('codec.input_size=3', 'a list is expected'),
    ('train_dataloader.num_workers=True', 'a number is expected'),
    ('train_dataloader.dataset.datasets.9.ann_file=x', 'train_dataloader.dataset.datasets is a list of 2'),
    ('train_dataloader.dataset.datasets.0.bbx_file=x', 'did you mean bbox_file?'),
    ('work_dir.x=3', "work_dir is 'somewhere' and has no entries"),
    ('default_hooks.early_stop.x=3', None), ('load_from=x.pth', None), ('model.head.decoder.depth_range=2', None),
    ('model.backbone.init_cfg.type=Pretrained', None), ('train_dataloader.prefetch_factor=3', None),
    ('model.test_cfg.flip_batched=auto', None), ('model.test_cfg.autocast=bfloat16', None),
    ('model.test_cfg.my_own=1', None), ('randomness.deterministic=True', None), ('train_cfg.val_begin=3', None),
    ('default_hooks.checkpoint=None', None), ('optim_wrapper.optimizer.lr=1', None), ('resume=True', None)])
def test_options_that_nothing_reads_and_values_of_another_kind(option, message, sound):
    cfg, before = copy.deepcopy(sound), copy.deepcopy(sound)
    key, text = option.split('=')
    value = {'True': True, 'None': None}.get(text, int(text) if text.isdigit() else text)
    if message is None:
        apply_options(cfg, {key: value})
        before.merge_from_dict({key: value})
        assert cfg.to_dict() == before.to_dict()
        return
    with pytest.raises(ConfigError) as caught:
        apply_options(cfg, {key: value})
    assert message in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert cfg.to_dict() == before.to_dict()


def test_paths_with_blanks_and_words_without_a_value(config, checkpoint, tmp_path, capsys):
    blank = tmp_path / 'my folder'
    blank.mkdir()
    os.link(checkpoint, blank / 'a.pth')
    assert run_tool('train', config, '--work-dir', blank, '--cfg-options', f'load_from={blank}/b.pth') == (
        f'{blank}/b.pth: no such checkpoint')
    assert run_tool('test', config, checkpoint, '--cfg-options', 'model.test_cfg.flip_test') == 2
    assert "--cfg-options: KEY=VALUE expected, got 'model.test_cfg.flip_test'" in capsys.readouterr().err


def test_arguments_that_a_class_does_not_have(standin, folder, checkpoint):
    for number, (extra, message) in enumerate((
            ("model['head']['lose'] = dict(type='CoordinateL1Loss')", 'Integral3DHead has no argument lose'),
            ("model['head']['type'] = 'Integral3DHaed'", 'Integral3DHaed cannot be built: Integral3DHaed is not in'),
            ("model['test_cfg'] = dict(flip_test='ture')", 'model.test_cfg.flip_test=ture: true or false is expected'),
            ("model['test_cfg'] = dict(flip_tset=True)", 'has no entry flip_tset; did you mean flip_test?'),
            ("evaluation_set['box_source'] = 'foo'", 'H80KDataset cannot be built: box_source: one of'))):
        path = write_config(standin, folder, folder / f'class{number}.py', f'\n{extra}\n')
        found = run_tool('test', path, checkpoint, '--work-dir', folder / 'test')
        assert message in str(found) and len(str(found).splitlines()) == 1, found


FILES = dict(
    syntax=('.py', 'model = dict(\n', r'bad\.py, line 1, cannot be read as a config: SyntaxError'),
    name=('.py', 'a = 1\nmodel = foo\n', r"bad\.py, line 2, cannot be read as a config: NameError: name 'foo'"),
    base=('.py', "_base_ = 'absent.py'\n", r'absent\.py'), empty=('.py', '', r'bad\.py has no model'),
    text=('.py', "model = 'x'\n", r"bad\.py: model = 'x'; a dict is expected"),
    yaml=('.yaml', 'a: [1\n', 'ParserError'),
    json=('.json', '{"a": 1', 'JSONDecodeError'), deep=('.json', '[' * 10**5, 'nested too deeply, or names itself'),
    list=('.json', '[1]', 'cannot be read as a config: AttributeError'),
    bytes=('.py', b"a = '\xff'\n", 'UnicodeDecodeError'),
    reserved=('.py', "filename = 'x'\n", 'filename is reserved'),
    other=('.txt', 'model = 3', 'is no config by its name'))


@pytest.mark.parametrize('kind', FILES)
def test_other_files_in_place_of_a_config(kind, checkpoint, tmp_path):
    suffix, content, message = FILES[kind]
    path = tmp_path / f'bad{suffix}'
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(path, 'model')
    assert len(str(caught.value).splitlines()) == 1
    for command in (['train', path], ['test', path, checkpoint], ['submit', path, checkpoint],
                    ['visualize-batch', path], ['export', path, checkpoint, '--out-dir', tmp_path / 'out'],
                    ['publish', path, checkpoint, tmp_path / 'out.pth']) if kind in ('name', 'other') else ():
        assert run_tool(*command) == str(caught.value)


def test_a_checkpoint_in_place_of_a_config(checkpoint):
    assert run_tool('test', checkpoint, checkpoint) == (
        f'{checkpoint} is a checkpoint or another archive; a config, whose name ends in .py, .yml, .yaml, .json, is '
        'expected here')


DATASET_META = dict(skeleton_length={'train+val': 4500.0})
METAS = {
    'its meta is of type list': [1], 'its meta is of type str': 'x',
    'meta.dataset_meta is of type list': dict(dataset_meta=[1]),
    'meta.dataset_meta.skeleton_length is of type str': dict(dataset_meta=dict(skeleton_length='x')),
    "skeleton_length is 'x' for train+val": dict(dataset_meta=dict(skeleton_length={'train+val': 'x'})),
    'skeleton_length is nan for train+val': dict(dataset_meta=dict(skeleton_length={'train+val': float('nan')})),
    'meta.dataset_meta.camera is of type str': dict(dataset_meta=dict(DATASET_META, camera='x')),
    "camera is of model 'x'": dict(dataset_meta=dict(DATASET_META, camera=dict(model='x'))),
    "std_factors are '[1, 2]'; numbers of shape (18, 3)": dict(dataset_meta=dict(DATASET_META, std_factors=[1, 2])),
    "has the focal length 'x'": dict(dataset_meta=dict(
        DATASET_META, camera=dict(model='perspective', focal_length='x')))}


@pytest.mark.parametrize('message', METAS)
def test_metadata_of_another_type(message, config, checkpoint, tmp_path):
    torch.save(dict(torch.load(checkpoint), meta=METAS[message]), tmp_path / 'a.pth')
    for command in ('test', 'submit', 'publish'):
        arguments = [tmp_path / 'b.pth'] if command == 'publish' else ['--work-dir', tmp_path]
        found = run_tool(command, config, tmp_path / 'a.pth', *arguments)
        assert message in str(found) and 'a.pth: ' in found and len(found.splitlines()) == 1, found


@pytest.mark.parametrize('meta', [None, {}, dict(dataset_meta=None), dict(dataset_meta={})])
def test_metadata_that_is_missing(meta, config, checkpoint, standin, tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict=torch.load(checkpoint)['state_dict'], **({} if meta is None else dict(meta=meta))), path)
    image = standin / 'h80k' / 'Val' / 'IMG' / '00001.jpg'
    for command, message in (
            (['submit', config, path, '--work-dir', tmp_path], 'give --bone-length'),
            (['publish', config, path, tmp_path / 'b.pth'], 'dataset_meta has no skeleton_length'),
            (['export', config, path, '--out-dir', tmp_path], 'has no meta.dataset_meta'),
            (['infer', image, '--pose3d', config, '--pose3d-weights', path, '--whole-image', '--out-dir', tmp_path], 1),
            (['train', config, '--resume', path, '--work-dir', tmp_path / 'train'], 'does not hold the state of a')):
        found = run_tool(*command)
        assert found == 1 if message == 1 else message in str(found) and len(str(found).splitlines()) == 1, found


@pytest.mark.parametrize('value', ["/data/it's here", '/a "b" \\n c', "') + str(print(1)) + ('", 'a#b', 'x\ny'])
def test_any_path_of_an_environment_variable_is_text(value, monkeypatch):
    for name in ('H80K', 'MPII', 'COCO', 'STANDIN', 'VOC', 'ENSEMBLE'):
        monkeypatch.setenv(f'{name}_ROOT', value)
    assert Config.fromfile(REPO / 'configs' / 'integral_r152_h80k.py').h80k_root == f'{value}/'
    assert Config.fromfile(REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py').mpii_root == f'{value}/mpii/'
    for path in CONFIGS:
        assert '{{$' not in path.read_text()


def test_home_and_empty_values_of_environment_variables(monkeypatch):
    path = REPO / 'configs' / 'integral_r152_h80k.py'
    monkeypatch.setenv('HOME', '/home/somebody')
    for value, folder in (('~/data', '/home/somebody/data/'), ('', 'data/h80k/'), ('a/', 'a//')):
        monkeypatch.setenv('H80K_ROOT', value)
        assert Config.fromfile(path).train_dataloader.dataset.datasets[0].data_root == folder
