"""The ops package is tested through mmcv's functions; test_install.py compares the installed files with the source."""
import pytest
import torch


@pytest.fixture(params=['cpu', 'cuda'])
def device(request):
    if request.param == 'cuda' and not torch.cuda.is_available():
        pytest.skip('no CUDA device')
    return torch.device(request.param)
