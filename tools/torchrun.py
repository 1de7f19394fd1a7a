"""torchrun, as tools/dist_run.sh starts it: Ctrl-C or a failed process end it without a traceback of its own.

Errors of the processes are printed by them, unless a signal ended one. The exit status is that of the first process
that failed.
"""
import signal
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
        rank, failure = error.get_first_failure()
        status = failure.exitcode
        if status < 0:
            name = signal.Signals(-status).name
            memory = '; the system does that when the memory is full' if name == 'SIGKILL' else ''
            print(f'Rank {rank} was ended by {name}{memory}. The other ranks were stopped.', file=sys.stderr)
            status = 128 - status
        sys.exit(status)
