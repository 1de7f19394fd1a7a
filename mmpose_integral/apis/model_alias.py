"""Short names for models: a config and a checkpoint that belong together.

Names come from ``model-index.yml``, and from what was registered on this machine, which goes first and is kept in
``aliases.json`` in the folder ``MMPOSE_INTEGRAL_HOME``, by default ``~/.cache/mmpose_integral``.
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
    """What a name stands for: absolute paths; the checkpoint may be a URL."""
    config: str
    checkpoint: str


def user_folder():
    """Folder of everything that belongs to a user rather than to a data set: aliases and fetched weights.

    Returns:
        Path: it may not exist yet.
    """
    return Path(os.environ.get(HOME_VARIABLE) or Path.home() / '.cache' / 'mmpose_integral').expanduser()


def alias_file():
    """Where the names are kept."""
    return user_folder() / 'aliases.json'


def register_alias(name, config, checkpoint):
    """Give a model a name, or an existing name to another model.

    Args:
        name (str): letters, digits, '_', '-' and '.'.
        config (str | Path): config file.
        checkpoint (str | Path): its weights.

    Returns:
        ModelAlias: the paths as stored.

    Raises:
        ValueError: such a name could be taken for a path.
        FileNotFoundError: one of the files does not exist.
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


def find_alias(name):
    """Look a name up.

    Args:
        name (str): registered on this machine, or a name or alias of ``model-index.yml``.

    Returns:
        ModelAlias: config and checkpoint, both there.

    Raises:
        ValueError: nobody knows it, or the index has no weights for it.
        FileNotFoundError: one of its files has gone.
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


def find_model(model, weights):
    """Config and checkpoint, where the caller gave a name or left the checkpoint to us.

    Args:
        model (str | Path | mmengine.Config): config file, or a name of ``model-index.yml`` or a registered one.
        weights (str | Path | None): checkpoint.

    Returns:
        tuple: config and checkpoint, which is None where it can only be the config's own.

    Raises:
        FileNotFoundError: a file that does not exist.
        ValueError: an unknown name, or one without weights.
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


def load_aliases():
    """All names of this machine.

    Returns:
        dict[str, ModelAlias]: empty where none has been registered.

    Raises:
        ValueError: the file is damaged.
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
    """How to come by the weights of a model."""
    if 'Converted From' in entry:
        return (f'`python tools/model_converters/convert_official.py --alias {name} --config {entry["Config"]}` makes '
                f'it from the released weights, {entry["Converted From"]["Weights"]}')
    if entry:
        return f'train it, `python tools/train.py {entry["Config"]}`, and give the checkpoint'
    return 'register it again, or give config and checkpoint'
