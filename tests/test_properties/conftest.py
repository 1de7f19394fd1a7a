"""Settings of hypothesis: the same few examples in every run, or many new ones with HYPOTHESIS_PROFILE=thorough."""
import os

from hypothesis import settings

settings.register_profile('same', derandomize=True, max_examples=50, deadline=None, database=None)
settings.register_profile('thorough', max_examples=1000, deadline=None)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'same'))
