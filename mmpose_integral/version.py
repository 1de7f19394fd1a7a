"""The version of the package, and the MMPose releases it works with."""

__version__ = '0.1.0'

# Written against 1.3.2. The 1.3 series is the first with the heads and codecs that ours build upon.
MMPOSE_MINIMUM_VERSION = '1.3.0'
MMPOSE_BELOW_VERSION = '2.0.0'
