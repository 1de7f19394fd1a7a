"""The ops package is tested from its source, through mmcv's own functions, whichever mmcv is installed."""
import importlib
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

EXT_FILE = Path(__file__).parents[2] / 'packages' / 'mmcv_torchvision_ops' / 'src' / 'mmcv' / '_ext.py'
MODULES = ('nms', 'roi_align', 'roi_pool', 'deform_conv', 'modulated_deform_conv')


@pytest.fixture(scope='session')
def ext():
    """The module, loaded from this repository."""
    spec = importlib.util.spec_from_file_location('mmcv_torchvision_ext', EXT_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def mmcv_uses_ext(ext, monkeypatch):
    """mmcv's Python files call ``ext`` for the length of a test."""
    importlib.import_module('mmcv.ops')
    for name in MODULES:
        monkeypatch.setattr(sys.modules[f'mmcv.ops.{name}'], 'ext_module', ext)


@pytest.fixture(params=['cpu', 'cuda'])
def device(request):
    if request.param == 'cuda' and not torch.cuda.is_available():
        pytest.skip('no CUDA device')
    return torch.device(request.param)
