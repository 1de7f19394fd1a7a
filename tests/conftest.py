"""Fixtures that all tests share, such as a tiny stand-in data set."""
import gc
import os
import signal
from pathlib import Path
from unittest import mock

import pytest
import torch

_REPO = Path(__file__).resolve().parents[1]

# The files that take longest start first. If one of them started last, the other cores would be idle during it.
_SLOWEST_FIRST = (
    'test_quickstart.py', 'test_preparation_configs.py', 'test_distributed.py', 'test_export.py', 'test_package.py',
    'test_resume.py', 'test_submit.py', 'test_integral_configs.py', 'test_benchmark_run.py', 'test_benchmark_models.py',
    'test_onnx_runtime.py', 'test_notebook.py', 'test_soft_argmax_triton.py')

if not torch.cuda.is_available():
    os.environ['TRITON_INTERPRET'] = '1'  # Triton reads it when a test imports it for the first time


def pytest_collection_modifyitems(items):
    """Sort the slowest files to the front; the others keep their order."""
    order = {name: number for number, name in enumerate(_SLOWEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_collection_finish():
    """Freeze imported objects. mmengine collects garbage whenever it builds a dataset, which takes longer with them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def standin(tmp_path_factory):
    """Root of a tiny stand-in data set: 12 Train, 8 Val, 6 Test, 10 MPII and 6 COCO images of about 128 px."""
    from mmpose_integral.synthetic import make_standin
    root = tmp_path_factory.mktemp('standin')
    make_standin(root, num_train=12, num_val=8, num_test=6, num_mpii=10, num_coco=6, image_size=128, seed=0,
                 num_workers=1, progress=False)
    return root


@pytest.fixture(scope='session')
def forks(tmp_path_factory):
    """A :class:`forks.ForkServer`: processes of their own, without the seconds that a start takes."""
    from forks import ForkServer
    server = ForkServer(tmp_path_factory.mktemp('forks'))
    yield server
    server.stop()


@pytest.fixture(scope='session')
def real_data():
    """Folder of real H80K, MPII and COCO frames. They cannot be distributed, so tests that need them may be skipped."""
    folder = Path(os.environ.get('MMPOSE_INTEGRAL_REAL_DATA', _REPO.parent / 'shared' / 'data'))
    if not (folder / 'real_h80k').is_dir():
        pytest.skip(f'no real frames in {folder} (set MMPOSE_INTEGRAL_REAL_DATA to the folder that has real_h80k)')
    return folder


@pytest.fixture(scope='session', autouse=True)
def unformatted_configs():
    """Omit the formatting of configs, which mmengine does three times per run and which takes longer than most runs."""
    with mock.patch('mmengine.config.config.FormatCode', lambda text, **options: (text, True)):
        yield


@pytest.fixture(autouse=True)
def mmpose_scope():
    """Make mmpose the default scope of the registries, also after a test that used mmdet in this process."""
    from mmengine.registry import init_default_scope
    init_default_scope('mmpose')


@pytest.fixture(autouse=True)
def signal_handlers():
    """Fail a test that leaves another handler, which later tests and their processes would inherit."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.fixture
def one_thread():
    """Use one thread, with which networks as small as those of the tests run several times faster."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
