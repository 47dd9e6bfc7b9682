# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the processes of a session, and end them all."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import psutil

_PAUSE_S = 0.005
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def members(session: int) -> set[int]:
    """Return the PIDs of the session's running processes; zombies only wait for their parent."""
    found = set()
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):  # it ended meanwhile
            if os.getsid(pid) == session and psutil.Process(pid).status() not in _ENDED:
                found.add(pid)
    return found


def end(session: int, *, timeout_s: float) -> set[int]:
    """Kill the session's processes until none runs; return those that outlived ``timeout_s``.

    The caller must not have reaped the session's leader: its PID could have been reused.
    """
    deadline = time.monotonic() + timeout_s
    while (left := members(session)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)
    return left
