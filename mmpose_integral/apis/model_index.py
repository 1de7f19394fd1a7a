"""The models that ``model-index.yml`` lists, by name or alias."""
from functools import lru_cache
from pathlib import Path

import yaml
from mmengine.config import Config

PACKAGE = Path(__file__).resolve().parents[1]


def index_file() -> Path:
    """Find ``model-index.yml`` of the checkout, or the copy inside an installed package.

    Returns:
        Path of the index; paths in it are relative to its folder.

    Raises:
        FileNotFoundError: If there is neither.
    """
    for folder in (PACKAGE.parent, PACKAGE / '.mim'):
        if (folder / 'model-index.yml').is_file():
            return folder / 'model-index.yml'
    raise FileNotFoundError(f'model-index.yml is neither in {PACKAGE.parent} nor in {PACKAGE / ".mim"}; install the '
                            'project again')


@lru_cache(maxsize=1)
def indexed_models() -> dict[str, dict]:
    """Read all models of the index: entries of the metafiles, by ``Name`` and again by ``Alias``."""
    path, models = index_file(), {}
    for metafile in yaml.safe_load(path.read_text())['Import']:
        for entry in yaml.safe_load((path.parent / metafile).read_text())['Models']:
            models[entry['Name']] = entry
            if 'Alias' in entry:
                models[entry['Alias']] = entry
    return models


def config_of(entry: dict) -> str:
    """Absolute path of an entry's config."""
    return str(index_file().parent / entry['Config'])


def weights_of(entry: dict) -> str | None:
    """Weights of an entry: its own, or the public ones that its config loads from.

    Returns:
        File or URL; None for a model that has to be trained or converted first.
    """
    weights = entry.get('Weights')
    if weights is None:
        return Config.fromfile(config_of(entry)).get('load_from')
    if '://' in weights:
        return weights
    # Weights in the package are relative to the checkout. The installed index is in PACKAGE/.mim, two folders below.
    root = index_file().parent
    return str(root / weights if (root / weights).is_file() else PACKAGE.parent / weights)
