"""Where time goes, by stage; an inferencer's: read, detect, crop, network, post-processing, drawing."""
import contextlib
import time
from collections import defaultdict
from unittest import mock

import torch

from mmpose_integral.apis import media

STAGES = ('read', 'detect', 'crop', 'network', 'post-processing', 'drawing')


class StageClock:
    """Time by stage; what a stage calls that is a stage itself counts there only.

    Args:
        clock (callable): seconds.
        wait (callable): called before each reading, for work that a GPU still does.
        rest (str): stage of all that is in no other.
    """

    def __init__(self, clock, wait, rest='post-processing'):
        self.clock, self.wait = clock, wait
        self.seconds, self._open, self._last = defaultdict(float), [rest], clock()

    def switch(self):
        """Give the time since the last reading to the stage that is open."""
        self.wait()
        now = self.clock()
        self.seconds[self._open[-1]] += now - self._last
        self._last = now

    def wrap(self, stage, function):
        """The function, timed."""
        def timed(*args, **kwargs):
            self.switch()
            self._open.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self.switch()
                self._open.pop()
        return timed


@contextlib.contextmanager
def watched(inferencer, clock):
    """The inferencer with its parts timed."""
    model, visualizer = inferencer.model, inferencer.visualizer
    with contextlib.ExitStack() as stack:
        for owner, name, stage in (
                (media, 'read_picture', 'read'), (inferencer, 'pipeline', 'crop'), (model, 'test_step', 'network'),
                (model.head.decoder, 'decode', 'post-processing'),
                (model, 'add_pred_to_datasample', 'post-processing'), (visualizer, 'add_datasample', 'drawing')):
            stack.enter_context(mock.patch.object(owner, name, clock.wrap(stage, getattr(owner, name))))
        detector = clock.wrap('detect', inferencer.detector)
        stack.enter_context(mock.patch.object(inferencer, 'detector', detector))
        yield


def measure_stages(inferencer, call, device):
    """Seconds by stage of a call that uses the inferencer; computing time on a CPU, wall time on a GPU."""
    wait = torch.cuda.synchronize if device == 'cuda' else lambda: None
    clock = StageClock(time.perf_counter if device == 'cuda' else time.process_time, wait)
    with watched(inferencer, clock):
        call()
        clock.switch()
    return {stage: clock.seconds[stage] for stage in STAGES}
