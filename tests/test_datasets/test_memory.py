import platform
import resource

import numpy as np
import pytest
from mmengine.runner import Runner
from torch.utils.data import Dataset

import mmpose_integral  # noqa: F401  registers everything


class PageFaults(Dataset):
    """Pages that the system hands to the worker for four images of 3 MB, which are freed at once."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        images = [np.ones((1000, 1000, 3), np.uint8) for _ in range(4)]
        del images
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='other C libraries are left alone')
def test_workers_use_the_memory_of_earlier_images_again():
    loader = dict(dataset=PageFaults(), sampler=dict(type='DefaultSampler', shuffle=False), batch_size=3, num_workers=1)
    init = dict(type='keep_freed_memory')
    kept, = Runner.build_dataloader(dict(loader, worker_init_fn=init))
    given_back, = Runner.build_dataloader(dict(loader, worker_init_fn=dict(init, largest=128 << 10, kept=128 << 10)))
    assert max(kept[1:]) < 0.1 * min(given_back)
