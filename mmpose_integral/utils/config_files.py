"""Reading of config files, and building what they name; errors are sentences that name the file."""
import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.utils import manager

from mmpose_integral.utils.errors import ExpectedError, reason_of
from mmpose_integral.utils.files import check_file
from mmpose_integral.utils.reading import UnreadableFile

SUFFIXES = ('.py', '.yml', '.yaml', '.json')
_MAX_BYTES = 2**24


class ConfigError(ExpectedError, ValueError):
    """A config cannot be read, lacks an entry, or has one of another kind. Commands print it without a traceback."""


def read_config(path: str | Path, *required: str) -> Config:
    """Read a config file and its bases.

    Args:
        path: Python, YAML or JSON file.
        required: Entries that it must have, such as 'model'; each has to be a dict, or a list of dicts.

    Raises:
        FileNotFoundError, UnreadableFile: If there is no such file, or it is a folder, a named pipe or a device.
        ConfigError: If it is no config, or an entry is missing.
    """
    path = str(path)
    check_file(path, 'config file')
    if not path.endswith(SUFFIXES):
        with open(path, 'rb') as file:
            kind = 'a checkpoint or another archive' if file.read(4) == b'PK\x03\x04' else 'no config by its name'
        raise ConfigError(f'{path} is {kind}; a config, whose name ends in {", ".join(SUFFIXES)}, is expected here')
    if Path(path).stat().st_size > _MAX_BYTES:
        raise UnreadableFile(path, f'has more than {_MAX_BYTES / 1e6:.0f} MB, and is no config')
    try:
        cfg = Config.fromfile(path)
    except RecursionError as error:
        raise ConfigError(f'{path} cannot be read as a config: it is nested too deeply, or names itself or a config '
                          'that inherits from it as _base_') from error
    except Exception as error:  # a config is a Python program, which can raise any exception
        reason = str(error.args[0] if isinstance(error, (KeyError, SyntaxError)) and error.args else error)
        raise ConfigError(f'{_place(error, path)} cannot be read as a config: {type(error).__name__}: '
                          f'{reason.splitlines()[0][:300] if reason else "no reason given"}') from error
    check_entries(cfg, path, *required)
    return cfg


def check_entries(cfg: Config, where: str | Path, *required: str) -> None:
    """Raise ConfigError if a config lacks an entry, or one of its entries is no dict and no list of dicts."""
    absent = [name for name in required if cfg.get(name) is None]
    if absent:
        raise ConfigError(f'{where} has no {", ".join(absent)}; the config of a model that has these is expected')
    for name in required:
        parts = cfg[name] if isinstance(cfg[name], (list, tuple)) else [cfg[name]]
        if not all(isinstance(part, dict) for part in parts):
            raise ConfigError(f'{where}: {name} = {str(cfg[name])[:80]!r}; a dict is expected')


@contextlib.contextmanager
def explain_building(where: str) -> Iterator[None]:
    """Turn errors of the objects that a config names into sentences; the original error is the cause of the new one.

    Args:
        where: Config file, for the message.

    Raises:
        ConfigError: If an object cannot be built because of its name or its arguments.
        OSError: If a file is missing or cannot be read.
    """
    try:
        yield
    except (ExpectedError, OSError):
        _free_managers()
        raise
    except Exception as error:  # the classes that a config names raise any exception for an argument
        built = [frame.f_locals.get('obj_type') for frame, _ in traceback.walk_tb(error.__traceback__)
                 if frame.f_code.co_name == 'build_from_cfg']  # of mmengine
        _free_managers()
        what = getattr(built[-1], '__name__', built[-1]) or 'an object' if built else 'what it describes'
        raise ConfigError(f'{where}: {what} cannot be built: {reason_of(error)}') from error


def _free_managers() -> None:
    """Free mmengine's lock, which it keeps if a logger or visualizer cannot be built; other threads wait for it."""
    with contextlib.suppress(RuntimeError):  # raised if this thread does not hold it
        while True:
            manager._lock.release()


def _place(error: BaseException, path: str) -> str:
    """The file that was read when an error was raised, the config or one of its bases, and the line if it is known."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == '_file2dict':  # of mmengine
            path = frame.f_locals.get('filename', path)
        elif frame.f_code.co_filename == path:
            line = number
    return f'{path}, line {line},' if line else path
