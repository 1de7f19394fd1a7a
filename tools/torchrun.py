"""torchrun, as tools/dist_run.sh starts it: Ctrl-C or a failed process end it without a traceback of its own.

Errors of the processes are printed by them. The exit status is that of the first process that failed.
"""
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

if __name__ == '__main__':
    try:
        main()
    except SignalException as stop:
        sys.exit(128 + stop.sigval)
    except ChildFailedError as error:
        status = error.get_first_failure()[1].exitcode  # negative for a signal
        sys.exit(128 - status if status < 0 else status)
