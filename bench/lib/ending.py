"""How a run ends, whatever ends it: nothing that it started goes on, and its folder is gone."""
import contextlib
import ctypes
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import machine

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 3


class Interrupted(KeyboardInterrupt):
    """Told to end by a signal."""


def _interrupt(number, _frame):
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # once is enough: what follows is the ending
    raise Interrupted(signal.Signals(number).name)


def _left_over():
    """What descends from this process and has not ended. Whose parent ended meanwhile has become ours."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return machine.tree(os.getpid())[1:]


def _sweep():
    """Each has its own way to end, and was told to. This is for those whose makers did not come to it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + PATIENCE
        for pid in _left_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while _left_over() and time.monotonic() < until:
            time.sleep(0.02)


@contextlib.contextmanager
def folder():
    """A folder of the run's own. A signal to end becomes an exception: whoever has started a process ends it."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for each in SIGNALS:
        signal.signal(each, _interrupt)
    path = Path(tempfile.mkdtemp(prefix="credfd-bench-"))
    try:
        yield path
    finally:
        _sweep()
        shutil.rmtree(path, ignore_errors=True)
