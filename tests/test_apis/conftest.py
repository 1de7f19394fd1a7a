"""Rendered frames that the tests of the inferencer and of the detector share."""
import numpy as np
import pytest


@pytest.fixture(scope='session')
def frames(tmp_path_factory):
    """Root of 20 frames of the size for which the shipped models were trained."""
    from mmpose_integral.synthetic import make_standin
    root = tmp_path_factory.mktemp('frames')
    make_standin(root, num_train=0, num_val=20, num_test=0, num_mpii=0, num_coco=0, seed=7, num_workers=1,
                 progress=False)
    return root


@pytest.fixture(scope='session')
def truth(frames):
    with np.load(frames / 'truth' / 'h80k_val.npz') as file:
        return dict(file)


@pytest.fixture(scope='session')
def images(frames):
    return frames / 'h80k' / 'Val' / 'IMG'
