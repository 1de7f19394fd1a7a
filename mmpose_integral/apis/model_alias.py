"""Short names for models: a config and a checkpoint that belong together, remembered on this machine.

They are kept in ``aliases.json`` in the folder ``MMPOSE_INTEGRAL_HOME``, by default ``~/.cache/mmpose_integral``.
"""
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

from mmpose_integral.preparation.files import replace_when_done

HOME_VARIABLE = 'MMPOSE_INTEGRAL_HOME'


class ModelAlias(NamedTuple):
    """What a name stands for; both are absolute paths."""
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
    with replace_when_done(alias_file()) as temporary:
        temporary.write_text(json.dumps(entries, indent=1) + '\n')
    return alias


def find_alias(name):
    """Look a name up.

    Args:
        name (str): of a registered model.

    Returns:
        ModelAlias: config and checkpoint, both there.

    Raises:
        ValueError: nobody registered it.
        FileNotFoundError: one of its files has gone.
    """
    known = load_aliases()
    if name not in known:
        raise ValueError(f'alias {name!r} is not in {alias_file()}, known there: {", ".join(sorted(known)) or "none"}; '
                         f'{_remedy(name)}')
    _check_files(name, known[name])
    return known[name]


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
        if not os.path.isfile(path):
            raise FileNotFoundError(f'alias {name!r}: its {kind} {path} does not exist; {_remedy(name)}')


def _remedy(name):
    return f'`python tools/model_converters/convert_official.py --alias {name}` makes it from the released weights'
