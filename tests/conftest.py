"""Fixtures that all tests share: a tiny stand-in data set, and the real frames where there are any."""
import os
from pathlib import Path
from unittest import mock

import pytest
import torch

_REPO = Path(__file__).resolve().parents[1]

if not torch.cuda.is_available():
    os.environ['TRITON_INTERPRET'] = '1'  # Triton reads it when it is first imported, by whatever test


@pytest.fixture(scope='session')
def standin(tmp_path_factory):
    """Root of a tiny stand-in data set: 12 Train, 8 Val, 6 Test, 10 MPII and 6 COCO images of about 128 px."""
    from mmpose_integral.synthetic import make_standin
    root = tmp_path_factory.mktemp('standin')
    make_standin(root, num_train=12, num_val=8, num_test=6, num_mpii=10, num_coco=6, image_size=128, seed=0,
                 num_workers=1, progress=False)
    return root


@pytest.fixture(scope='session')
def real_data():
    """Folder of the real H80K, MPII and COCO frames, which cannot be shipped: tests that want them are skipped."""
    folder = Path(os.environ.get('MMPOSE_INTEGRAL_REAL_DATA', _REPO.parent / 'shared' / 'data'))
    if not (folder / 'real_h80k').is_dir():
        pytest.skip(f'no real frames in {folder} (set MMPOSE_INTEGRAL_REAL_DATA to the folder that has real_h80k)')
    return folder


@pytest.fixture(scope='session', autouse=True)
def unformatted_configs():
    """mmengine formats a config three times for each run that it starts, which costs more than most runs here."""
    with mock.patch('mmengine.config.config.FormatCode', lambda text, **options: (text, True)):
        yield


@pytest.fixture(autouse=True)
def mmpose_scope():
    """Registries look where mmpose's parts are, also after a test that used mmdet in this process."""
    from mmengine.registry import init_default_scope
    init_default_scope('mmpose')


@pytest.fixture
def one_thread():
    """Networks as small as those of the tests run several times faster without threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
