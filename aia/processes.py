"""Child processes that end with the process that started them."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(pid: int) -> None:
    """Let the kernel kill this process when its parent ends, for any reason.

    Otherwise a child of a killed process would wait for work forever and keep its memory.

    Args:
        pid: Process id of the parent, which may have ended already.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != pid:  # the parent ended before the call
        os.kill(os.getpid(), signal.SIGKILL)
