"""The files that model-index.yml names exist, and no config is left out."""
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from small_training import REPO

from mmpose_integral.cli.ablation.rows import ROWS

INDEX = yaml.safe_load((REPO / 'model-index.yml').read_text())
FILES = {path: yaml.safe_load((REPO / path).read_text()) for path in INDEX['Import']}
MODELS = [model for file in FILES.values() for model in file['Models']]


def test_every_config_and_every_metafile_is_listed_once():
    folder = REPO / 'configs'
    assert sorted(FILES) == sorted(str(path.relative_to(REPO)) for path in folder.rglob('*.yml'))
    assert sorted(model['Config'] for model in MODELS) == sorted(
        str(path.relative_to(REPO)) for path in folder.rglob('*.py') if '_base_' not in path.parts)
    assert all(Path(model['Config']).stem == model['Name'] for model in MODELS)


def test_collections_are_defined_and_described():
    collections = {entry['Name']: entry for file in FILES.values() for entry in file.get('Collections', ())}
    assert {model['In Collection'] for model in MODELS} == set(collections)
    assert all((REPO / entry['README']).is_file() for entry in collections.values())


@pytest.mark.parametrize('model', [model for model in MODELS if 'Weights' in model], ids=lambda model: model['Name'])
def test_weights_exist_or_are_those_of_the_config(model):
    weights = model['Weights']
    if weights.startswith('https://'):
        assert Config.fromfile(REPO / model['Config']).load_from == weights
    else:
        assert (REPO / weights).is_file()


def test_official_entries_name_the_source_of_their_config():
    converted = [model for model in MODELS if 'Converted From' in model]
    assert {model['Alias'] for model in converted if 'Command' in model['Converted From']} == {
        '3dmppe', '3dmppe-h36m', 'photo'}
    sources = {model['Config']: model['Converted From']['Weights'] for model in converted
               if 'Command' not in model['Converted From']}
    assert len(sources) == 3
    assert sources == {config: Config.fromfile(REPO / config).released_weights for config in sources}


def test_aliases_are_unique():
    aliases = [model['Alias'] for model in MODELS if 'Alias' in model]
    assert sorted(aliases) == sorted(set(aliases)) and {'official', 'standin'} <= set(aliases)


def test_paper_figures_are_those_of_the_ablation_command():
    by_config = {model['Config']: model for model in MODELS}
    for row in ROWS.values():
        metrics = by_config[f'configs/{row.config}']['Results'][0].get('Metrics', {})
        if row.paper_mm or 'variants' in row.config:
            assert metrics.get('MPJPE') == row.paper_mm
