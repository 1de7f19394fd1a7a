"""Short names for models; each stands for a config and its checkpoint.

Names come from ``model-index.yml`` and from the aliases registered on this machine, which take precedence. The aliases
are kept in ``aliases.json`` in the folder ``MMPOSE_INTEGRAL_HOME``, by default ``~/.cache/mmpose_integral``.
"""
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from mmpose_integral.apis.model_index import config_of, index_file, indexed_models, weights_of
from mmpose_integral.utils.files import write_json

HOME_VARIABLE = 'MMPOSE_INTEGRAL_HOME'


class ModelAlias(NamedTuple):
    """Config and checkpoint of a name, as absolute paths; the checkpoint may be a URL."""
    config: str
    checkpoint: str


def user_folder() -> Path:
    """Folder of the user's own files: aliases and fetched weights; it may not exist yet."""
    return Path(os.environ.get(HOME_VARIABLE) or Path.home() / '.cache' / 'mmpose_integral').expanduser()


def alias_file() -> Path:
    """File that holds the registered aliases."""
    return user_folder() / 'aliases.json'


def register_alias(name: str, config: str | Path, checkpoint: str | Path) -> ModelAlias:
    """Register an alias for a model; an existing alias is replaced.

    Args:
        name: Alias of letters, digits, '_', '-' and '.'.
        config: Config file.
        checkpoint: Checkpoint of the model.

    Returns:
        The paths as stored.

    Raises:
        ValueError: If the name could be mistaken for a path.
        FileNotFoundError: If one of the files does not exist.
    """
    if not re.fullmatch(r'[\w.-]+', name) or name.endswith(('.py', '.pth')) or not name.strip('.'):
        raise ValueError(f"alias: letters, digits, '_', '-' and '.' expected, no .py or .pth at the end; got {name!r}")
    alias = ModelAlias(*(str(Path(path).resolve()) for path in (config, checkpoint)))
    _check_files(name, alias)
    known = load_aliases()
    known[name] = alias
    entries = {key: known[key]._asdict() for key in sorted(known)}
    write_json(alias_file(), entries)
    return alias


def find_alias(name: str) -> ModelAlias:
    """Look up a name.

    Args:
        name: Alias registered on this machine, or a name or alias of ``model-index.yml``.

    Returns:
        Config and checkpoint; local files exist.

    Raises:
        ValueError: If the name is unknown, or the index has no weights for it.
        FileNotFoundError: If one of its files does not exist.
    """
    known, listed = load_aliases(), indexed_models()
    if name in known:
        _check_files(name, known[name])
        return known[name]
    if name not in listed:
        shown = sorted({*known, *(entry['Alias'] for entry in listed.values() if 'Alias' in entry)})
        raise ValueError(f'alias {name!r} is neither in {alias_file()} nor in {index_file()}; known aliases: '
                         f'{", ".join(shown)}')
    weights = weights_of(listed[name])
    if weights is None:
        raise ValueError(f'{name!r} is in {index_file()} without weights; {_remedy(name, listed[name])}')
    alias = ModelAlias(config_of(listed[name]), weights)
    _check_files(name, alias)
    return alias


def find_model(model: str | Path | Config, weights: str | Path | None) -> tuple[str | Config, str | None]:
    """Resolve a model name and a missing checkpoint.

    Args:
        model: Config, config file, name of ``model-index.yml``, or registered alias.
        weights: Checkpoint; by default that of the name, or the config file's ``load_from``.

    Returns:
        Config and checkpoint. The checkpoint is None if neither the caller nor name or config file give one.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If the name is unknown, or has no weights.
    """
    weights = None if weights is None else str(weights)
    if not isinstance(model, (str, Path)):
        return model, weights
    model = str(model)
    if model.endswith('.py') or Path(model).is_file():
        if not Path(model).is_file():
            raise FileNotFoundError(f'{model}: no such config file')
    else:
        alias = find_alias(model)
        model, weights = alias.config, weights or alias.checkpoint
    if weights is not None and '://' not in weights and not Path(weights).is_file():
        raise FileNotFoundError(f'{weights}: no such checkpoint')
    return model, weights or Config.fromfile(model).get('load_from')


def load_aliases() -> dict[str, ModelAlias]:
    """Read all aliases registered on this machine; there may be none.

    Raises:
        ValueError: If the file is damaged.
    """
    path = alias_file()
    if not path.is_file():
        return {}
    try:
        return {name: ModelAlias(**entry) for name, entry in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'{path} is no list of aliases ({error}); mend it, or delete it and register its models '
                         'again') from error


def _check_files(name, alias):
    for kind, path in alias._asdict().items():
        if '://' not in path and not os.path.isfile(path):
            raise FileNotFoundError(f'alias {name!r}: its {kind} {path} does not exist; '
                                    f'{_remedy(name, indexed_models().get(name, {}))}')


def _remedy(name, entry):
    """Return the part of an error message that says how to get the weights of a model."""
    if 'Converted From' in entry:
        return (f'`python tools/model_converters/convert_official.py --alias {name} --config {entry["Config"]}` makes '
                f'it from the released weights, {entry["Converted From"]["Weights"]}')
    if entry:
        return f'train it, `python tools/train.py {entry["Config"]}`, and give the checkpoint'
    return 'register it again, or give config and checkpoint'
