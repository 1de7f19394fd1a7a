from .equal_parts import EqualPartsBatchSampler, EqualPartsSampler

__all__ = ['EqualPartsBatchSampler', 'EqualPartsSampler']
