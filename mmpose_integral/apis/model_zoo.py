"""Names of models: each stands for a config and its weights.

Names come from ``model-index.yml`` and from the aliases that were registered on this machine, which take precedence.
They are stored in ``aliases.json`` in the folder ``MMPOSE_INTEGRAL_HOME``, by default ``~/.cache/mmpose_integral``.
"""
import functools
import os
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from mmengine.config import Config
from mmpose.registry import MODELS

from mmpose_integral.models import EnsembleEstimator, Integral3DEstimator
from mmpose_integral.utils.config_files import read_config
from mmpose_integral.utils.files import check_file, write_json
from mmpose_integral.utils.locks import lock_file
from mmpose_integral.utils.reading import read_json

_PACKAGE = Path(__file__).resolve().parents[1]


class ModelAlias(NamedTuple):
    """Config and checkpoint of a name, as absolute paths; the checkpoint may be a URL."""
    config: str
    checkpoint: str


def index_file() -> Path:
    """Find ``model-index.yml`` of the checkout, or its copy in an installed package; its paths are relative to it."""
    for folder in (_PACKAGE.parent, _PACKAGE / '.mim'):
        if (folder / 'model-index.yml').is_file():
            return folder / 'model-index.yml'
    raise FileNotFoundError(f'model-index.yml is neither in {_PACKAGE.parent} nor in {_PACKAGE / ".mim"}; install the '
                            'project again')


@functools.cache
def indexed_models() -> dict[str, dict[str, Any]]:
    """Read the entries of all models of the index, by ``Name`` and again by ``Alias``."""
    path, models = index_file(), {}
    for metafile in yaml.safe_load(path.read_text())['Import']:
        for entry in yaml.safe_load((path.parent / metafile).read_text())['Models']:
            models.update({entry[key]: entry for key in ('Name', 'Alias') if key in entry})
    return models


def user_folder() -> Path:
    """Folder of the user's own files: aliases and downloaded weights; it may not exist yet."""
    return Path(os.environ.get('MMPOSE_INTEGRAL_HOME') or '~/.cache/mmpose_integral').expanduser()


def load_aliases() -> dict[str, ModelAlias]:
    """Read all aliases that were registered on this machine; there may be none. ValueError for a damaged file."""
    path = user_folder() / 'aliases.json'
    if not path.is_file():
        return {}
    try:
        aliases = {name: ModelAlias(**entry) for name, entry in read_json(path).items()}
        if not all(isinstance(value, str) for alias in aliases.values() for value in alias):
            raise ValueError('text is expected as config and checkpoint')
        return aliases
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'{path} is not a list of aliases ({error}); correct it, or delete it and register its models '
                         'again') from error


def load_sound_aliases() -> dict[str, ModelAlias]:
    """Read the registered aliases; give a warning for a damaged file, without which the models of the index work."""
    try:
        return load_aliases()
    except ValueError as error:
        warnings.warn(f'{error}. Only the models of {index_file()} are known until then', stacklevel=3)
        return {}


def list_aliases() -> dict[str, str]:
    """Configs of all aliases, those of the index and those registered on this machine."""
    listed = {entry['Alias']: entry['Config'] for entry in indexed_models().values() if 'Alias' in entry}
    return listed | {name: alias.config for name, alias in load_sound_aliases().items()}


def check_alias(name: str) -> str:
    """Return a name that an alias may have, or raise ValueError, for example for one that looks like a path."""
    if not re.fullmatch(r'[\w.-]+', name) or name.endswith(('.py', '.pth')) or not name.strip('.'):
        raise ValueError(f"alias: letters, digits, '_', '-' and '.' expected, no .py or .pth at the end; got {name!r}")
    return name


def register_alias(name: str, config: str | Path, checkpoint: str | Path) -> ModelAlias:
    """Register an alias of letters, digits, '_', '-' and '.' for config and checkpoint; an existing one is replaced.

    Raises:
        ValueError: If the name could be mistaken for a path, or the file of the aliases is damaged.
        FileNotFoundError: If one of the files does not exist.
    """
    check_alias(name)
    alias = ModelAlias(str(Path(config).resolve()), str(Path(checkpoint).resolve()))
    _check_files(name, **alias._asdict())
    path = user_folder() / 'aliases.json'
    with lock_file(path.with_suffix('.lock')):  # another process may register an alias at the same time
        aliases = load_aliases() | {name: alias}
        write_json(path, {key: aliases[key]._asdict() for key in sorted(aliases)})
    return alias


def find_alias(name: str) -> ModelAlias:
    """Config and checkpoint of an alias or a name of ``model-index.yml``; local files exist.

    Raises:
        FileNotFoundError, ValueError: If one of its files does not exist, or the name is unknown or has no weights.
    """
    found = _look_up(name)
    if found is None:
        raise ValueError(f'alias {name!r} is neither in {user_folder() / "aliases.json"} nor in {index_file()}; known '
                         f'aliases: {", ".join(sorted(list_aliases()))}')
    config, checkpoint = found
    if checkpoint is None:
        raise ValueError(f'{name!r} is in {index_file()} without weights; {_remedy(name)}')
    return ModelAlias(config, checkpoint)


def find_model(model: str | Path | Config, weights: str | Path | None = None,
               other_index: bool = False) -> tuple[str | Config, str | None]:
    """Find the config and the weights of a model.

    Args:
        model: Config, config file, name of ``model-index.yml``, or registered alias.
        weights: Checkpoint; by default that of the name, or the config's ``load_from``.
        other_index: Whether an unknown name is returned unchanged, because it may be in the index of another package.

    Returns:
        Config and checkpoint; the latter is None if neither the caller nor name or config give one.

    Raises:
        FileNotFoundError, ValueError: If a file does not exist, or a name is unknown or has no weights.
    """
    checkpoint = None if weights is None else str(weights)
    if isinstance(model, (str, Path)):
        name, config = str(model), _config_file(str(model))
        if config is None and other_index:
            return name, checkpoint
        if config is None or (config != name and checkpoint is None):
            config, checkpoint = find_alias(name)
        model = config
    if checkpoint is None:
        checkpoint = (read_config(model) if isinstance(model, str) else model).get('load_from')
    else:
        check_file(checkpoint, 'checkpoint')
    return model, checkpoint


def is_image_based(pose3d: str | Path | Config) -> bool:
    """Whether a config, config file or name is a 3D model of this package; FileNotFoundError for a missing config.

    It is False for lifters, hand models, 2D models and mmpose's own names.
    """
    if isinstance(pose3d, (str, Path)):
        path = _config_file(str(pose3d))
        if path is None:
            return False
        pose3d = read_config(path, 'model')
    model = pose3d.get('model') or {}
    cls = model.get('type')
    cls = MODELS.get(cls) if isinstance(cls, str) else cls
    flat = (model.get('head') or {}).get('depth_bins') == 1  # the 2D variant with Integral2DLabel
    return isinstance(cls, type) and issubclass(cls, (Integral3DEstimator, EnsembleEstimator)) and not flat


def _look_up(name: str) -> tuple[str, str | None] | None:
    """Config and weights of a name; None if it is unknown.

    Models of the index that have to be trained or converted first have no weights.
    """
    weights: str | None
    entry = indexed_models().get(name)
    aliases = load_aliases() if entry is None else load_sound_aliases()
    if name in aliases:
        config, weights = aliases[name]
    elif entry is not None:
        config, weights = str(index_file().parent / entry['Config']), entry.get('Weights')
        if weights is None:
            weights = read_config(config).get('load_from')
        elif '://' not in weights:
            weights = str(_PACKAGE.parent / weights)  # such weights are part of the package, wherever the index is
    else:
        return None
    _check_files(name, config=config, checkpoint=weights)
    return config, weights


def _config_file(model: str) -> str | None:
    """Config file of a path or a name; None for an unknown name."""
    if Path(model).is_file():
        return model
    if model.endswith('.py'):
        check_file(model, 'config file')
    found = _look_up(model)
    return None if found is None else found[0]


def _check_files(name: str, **paths: str | None) -> None:
    for kind, path in paths.items():
        if path and '://' not in path and not Path(path).is_file():
            raise FileNotFoundError(f'alias {name!r}: its {kind} {path} does not exist; {_remedy(name)}')


def _remedy(name: str) -> str:
    """Return the part of an error message that says how to get the weights of a model."""
    entry = indexed_models().get(name)
    if entry is None:
        return 'register it again, or give config and checkpoint'
    source = entry.get('Converted From')
    if source is not None:
        command = source.get('Command', f'convert-official --alias {name} --config {entry["Config"]}')
        return f'`mmpose-integral {command}` makes it from the released weights, {source["Weights"]}'
    return f'train it, `mmpose-integral train {entry["Config"]}`, and give the checkpoint'
