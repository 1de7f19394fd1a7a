"""Old type names of configs, which work for one release more and then go."""
import warnings

from mmengine.registry import Registry


def register_old_name(registry: Registry, old: str, cls: type, **defaults) -> None:
    """Let configs build a class by a name that it had before, with a warning.

    Args:
        registry: Registry in which ``cls`` has its new name.
        old: Old name.
        cls: Class that is built.
        **defaults: Arguments that stand in for those that the old class did not have.
    """
    def build(**kwargs):
        warnings.warn(f'{old} is called {cls.__name__} now; the old name goes with the next release',
                      DeprecationWarning, stacklevel=2)
        return cls(**{**defaults, **kwargs})

    registry.register_module(name=old, module=build)
