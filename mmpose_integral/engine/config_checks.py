"""Checks of a config before the work starts: entries that nothing reads, values of another kind.

mmengine ignores a misspelt entry at the top of a config, and a misspelt option of ``model.test_cfg``. It finds other
mistakes only when it builds the object.
"""
import argparse
import difflib
import functools
import inspect
from collections.abc import Iterable, Iterator, Mapping
from logging import WARNING
from typing import Any

import mmengine.registry
from mmengine.config import Config, DictAction
from mmengine.logging import print_log
from mmengine.registry import Registry
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner, TestLoop, ValLoop
from torch.utils.data import DataLoader

from mmpose_integral.utils.config_files import ConfigError

_REGISTRIES = [value for value in vars(mmengine.registry).values() if isinstance(value, Registry)]
_UNSET = inspect.Parameter.empty
_LOADER = dict.fromkeys(('dataset', 'sampler', 'batch_sampler', 'num_batch_per_epoch', 'collate_fn', 'worker_init_fn'),
                        _UNSET)
_REMOVED_FIRST = {'type', '_scope_', 'priority', 'convert_to_iter_based', 'epoch_length'}
"""Entries of any class, which mmengine takes out before it builds an object."""

_RUNNER: dict[str, Any] = dict.fromkeys([*inspect.signature(Runner.__init__).parameters][1:], _UNSET)
_TEXTS = {'load_from', 'experiment_name', 'work_dir'}  # entries at the top that are text, or None
_AT_LEAST_ONE = {'max_epochs', 'max_iters', 'val_interval'}  # numbers in train_cfg
_BUILT_BY_RUNNER = dict(train_cfg=(EpochBasedTrainLoop, IterBasedTrainLoop), val_cfg=(ValLoop,), test_cfg=(TestLoop,),
                        randomness=(Runner.set_randomness,))
_MODEL_TEST_CFG: dict[str, Any] = dict(
    flip_test=False, flip_batched=_UNSET, autocast=None, flip_mode='heatmap', shift_coords=False, shift_heatmap=False,
    output_heatmaps=False)
_MIXED = {'flip_batched', 'loss_scale'}  # a name or a number
_CLOSE = 0.8  # ratio of difflib, from which a name is taken for a misspelt other one


class ConfigOptions(DictAction):
    """Action of ``--cfg-options KEY=VALUE``. Unlike mmengine's, it keeps blanks, which paths may have."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        """Add the options to those that were given before."""
        options = dict(getattr(namespace, self.dest) or {})
        for word in values:
            key, equals, text = word.partition('=')
            if not equals or not key:
                parser.error(f'argument {option_string}: KEY=VALUE expected, got {word!r}')
            nested = any(mark in text for mark in '[(,')
            options[key] = self._parse_iterable(text) if nested else self._parse_int_float_bool(text.strip('\'"'))
        setattr(namespace, self.dest, options)


def apply_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Change entries of a config.

    Args:
        cfg: Config, which is changed.
        options: Values by entry, such as 'model.test_cfg.flip_test'.

    Raises:
        ConfigError: If nothing reads such an entry, or the value is of another kind than the present one.
    """
    for key, value in options.items():
        _check_option(cfg, key, value)
        cfg.merge_from_dict({key: value})


def _check_option(cfg: Config, key: str, value: Any) -> None:
    """Follow an entry through the config as far as it exists."""
    node: Any = cfg
    *parents, last = key.split('.')
    for depth, name in enumerate([*parents, last]):
        place = '.'.join([*parents, last][:depth])
        if isinstance(node, (list, tuple)):
            if not name.isdigit() or int(name) >= len(node):
                raise ConfigError(f'{key}: {place} is a list of {len(node)}; a smaller number is expected, got {name}')
            node = node[int(name)]
        elif not isinstance(node, (dict, Config)):
            raise ConfigError(f'{key}: {place} is {node!r} and has no entries')
        elif name in node:
            node = node[name]
        else:
            default = _default_of(node, name, place, key)
            node = default if depth == len(parents) else {}
    _check_kind(key, node, value)
    _check_value(key, value)


def _default_of(node: Any, name: str, place: str, key: str) -> Any:
    """Default of an entry that a config does not have; ConfigError if nothing reads it."""
    known, strict = _entries_of(node, place)
    if name in known or name in _REMOVED_FIRST:
        return known.get(name, _UNSET)
    close = difflib.get_close_matches(name, {*known, *node} - {name}, 1, _CLOSE)
    if strict or close:
        raise ConfigError(f'{key}: {place or "the config"} has no entry {name}; ' + (
            f'did you mean {close[0]}?' if close else f'known are {", ".join(sorted(known))}'))
    return _UNSET


def _check_kind(key: str, old: Any, new: Any) -> None:
    """Raise ConfigError if a value is of another kind than the present one, or the default."""
    if old is _UNSET or old is None or new is None or key.split('.')[-1] in _MIXED:
        return
    for kind, what in ((bool, 'true or false'), ((int, float), 'a number'), (str, 'text'), (dict, 'a dict'),
                       ((list, tuple), 'a list')):
        if isinstance(old, kind):
            same = isinstance(new, kind) and isinstance(new, bool) == isinstance(old, bool)
            if not same and not (isinstance(new, dict) and isinstance(old, (list, tuple))):
                raise ConfigError(f'{key}={new}: {what} is expected, because its value is {str(old)[:80]!r}')
            return


def _check_value(key: str, value: Any) -> None:
    """Raise ConfigError for a value with which mmengine would fail later, and without the name of the entry."""
    if key in _TEXTS and not isinstance(value, (str, type(None))):
        raise ConfigError(f'{key}={value}: text is expected')
    parent, _, name = key.rpartition('.')
    if parent == 'train_cfg' and name in _AT_LEAST_ONE and (type(value) is not int or value < 1):
        raise ConfigError(f'{key}={value}: a whole number of at least 1 is expected')


def check_config(cfg: Config) -> None:
    """Check the entries that a runner reads, and say which names at the top look like misspelt ones.

    Raises:
        ConfigError: If a class does not have one of the arguments that the config gives it, or the value of an entry
            cannot be used.
    """
    for name in cfg:
        close = difflib.get_close_matches(name, _RUNNER, 1, 0.9)
        if close and name not in _RUNNER:
            print_log(f'{cfg.filename}: nothing reads the entry {name}; did you mean {close[0]}?', 'current', WARNING)
    for name in _RUNNER:
        _check_value(name, cfg.get(name))
        for place, node in _dicts(cfg.get(name), name):
            for entry, value in node.items() if place == 'train_cfg' else ():
                _check_value(f'{place}.{entry}', value)
            kind = node.get('type')
            if place.endswith('optimizer') and isinstance(kind, str) and not _find_classes(kind):
                raise ConfigError(f'{cfg.filename}: {place}.type={kind}: there is no such optimizer')
            known, strict = _entries_of(node, place)
            for entry, value in node.items() if place == 'model.test_cfg' else ():
                default = _default_of(node, entry, place, str(cfg.filename))
                _check_kind(f'{cfg.filename}: {place}.{entry}', default, value)
            for entry in node if strict else ():
                if entry not in known and entry not in _REMOVED_FIRST:
                    raise ConfigError(f'{cfg.filename}: {place}: {node.get("type", "it")} has no argument {entry}; '
                                      f'known are {", ".join(sorted(known))}')


def _dicts(node: Any, place: str) -> Iterator[tuple[str, dict]]:
    """Yield all dicts below an entry, with their places."""
    if isinstance(node, dict):
        yield place, node
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for name, part in parts:
        yield from _dicts(part, f'{place}.{name}')


def _entries_of(node: Any, place: str) -> tuple[dict[str, Any], bool]:
    """Entries, with their defaults, that a dict at a place of a config may have, and whether there are no others."""
    kind = node.get('type')
    if not place:
        return _RUNNER, True
    if place == 'model.test_cfg':
        return _MODEL_TEST_CFG, False
    if place.endswith('_dataloader'):
        return _arguments(DataLoader)[0] | _LOADER, True
    if place in _BUILT_BY_RUNNER and kind is None:
        return dict(by_epoch=True) | _join(_BUILT_BY_RUNNER[place])[0], True
    if not isinstance(kind, str) or place == 'optim_wrapper' or place.endswith('_cfg'):  # norm_cfg and the like
        return {}, False
    return _join(_find_classes(kind))


def _join(parts: Iterable[Any]) -> tuple[dict[str, Any], bool]:
    """Arguments of several classes, and whether none of them takes any others.

    The functions that build layers and optimizers of torch take out arguments of their own first.
    """
    parts = [*parts]
    found = [_arguments(part) for part in parts]
    return ({name: default for arguments, _ in found for name, default in arguments.items()},
            bool(found) and all(strict for _, strict in found)
            and not any(part.__module__.startswith('torch') for part in parts))


def _arguments(part: Any) -> tuple[dict[str, Any], bool]:
    """Arguments of a class or function, with their defaults, and whether it takes no others."""
    functions = [part]
    if inspect.isclass(part):
        functions = [vars(base)['__init__'] for base in part.__mro__ if '__init__' in vars(base)]
        if not part.__module__.startswith('mmpose_integral'):  # in this project, **kwargs are those of the base class
            functions = functions[:1]
    known: dict[str, Any] = {}
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        known = {parameter.name: parameter.default for parameter in parameters if parameter.name != 'self'} | known
        if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            return known, True
    return known, False


@functools.cache
def _find_classes(name: str) -> list[Any]:
    """All classes and functions of a name in the registries."""
    scopes = (name,) if '.' in name else (f'mmpose.{name}', f'mmdet.{name}', name)
    found = [registry.get(scoped) for registry in _REGISTRIES for scoped in scopes]
    return [part for part in found if part is not None]
