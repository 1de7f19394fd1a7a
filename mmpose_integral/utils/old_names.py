"""Old type names of configs, which work for one more release."""
import warnings

from mmengine.registry import Registry


def register_old_name(registry: Registry, old: str, cls: type, **defaults: object) -> None:
    """Make a class of a registry available to configs under an old name, with a warning.

    ``defaults`` are values for the arguments that the old class did not have.
    """
    def build(**kwargs: object) -> object:
        warnings.warn(f'{old} is called {cls.__name__} now; the old name goes with the next release',
                      DeprecationWarning, stacklevel=2)
        return cls(**{**defaults, **kwargs})

    registry.register_module(name=old, module=build)
