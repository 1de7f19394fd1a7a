"""Where time goes, by stage."""
import contextlib
import time
from unittest import mock


def seconds_by_stage(call, parts, rest, clock=time.process_time):
    """Time a call by the stages that it runs through; a stage within another one counts there only.

    Args:
        call (callable): Function without arguments.
        parts (dict[str, list[tuple]]): Per stage, its functions as pairs of owner (module, class or object) and name.
        rest (str): Stage of all that is in no other.
        clock (callable): Function that gives seconds.

    Returns:
        dict[str, float]: Seconds per stage, ``rest`` included.
    """
    seconds, stack, last = dict.fromkeys([*parts, rest], 0.0), [rest], clock()

    def switch():
        nonlocal last
        now = clock()
        seconds[stack[-1]] += now - last
        last = now

    def timed(stage, function):
        def wrapped(*args, **kwargs):
            switch()
            stack.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                switch()
                stack.pop()
        return wrapped

    with contextlib.ExitStack() as patches:
        for stage, places in parts.items():
            for owner, name in places:
                patches.enter_context(mock.patch.object(owner, name, timed(stage, getattr(owner, name))))
        call()
        switch()
    return seconds
