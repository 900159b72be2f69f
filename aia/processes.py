"""Processes that must not outlive the one that started them."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have the system end this process when the one that started it is gone, however it went.

    Without it, what waits for work of a process that was killed waits for ever, with its memory.

    Args:
        parent: Process id of the one that started this one; it may be gone already.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before the system knew
        os.kill(os.getpid(), signal.SIGKILL)
