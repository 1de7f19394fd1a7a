from .equal_parts import EqualPartsSampler

__all__ = ['EqualPartsSampler']
