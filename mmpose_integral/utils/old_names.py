"""Old type names of configs, which work for one more release."""
import warnings

from mmengine.registry import Registry


def register_old_name(registry: Registry, old: str, cls: type, **defaults) -> None:
    """Make a class available to configs under an old name, with a warning.

    Args:
        registry: Registry in which ``cls`` has its new name.
        old: Old name.
        cls: Class to build.
        **defaults: Default arguments for those that the old class did not have.
    """
    def build(**kwargs):
        warnings.warn(f'{old} is called {cls.__name__} now; the old name goes with the next release',
                      DeprecationWarning, stacklevel=2)
        return cls(**{**defaults, **kwargs})

    registry.register_module(name=old, module=build)
