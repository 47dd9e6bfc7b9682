# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Who belongs to a session, as /proc shows it, and how to end all of them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import psutil

_PAUSE_S = 0.005
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def members(session: int) -> set[int]:
    """Return pids of the session's processes that still run; zombies only wait for their parent."""
    found = set()
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):  # it ended while we looked
            if os.getsid(pid) == session and psutil.Process(pid).status() not in _ENDED:
                found.add(pid)
    return found


def end(session: int, *, timeout_s: float) -> set[int]:
    """Kill the session's processes until none runs; return those that outlived ``timeout_s``.

    The caller must hold the session's leader unreaped: otherwise its number may
    have been used again.
    """
    deadline = time.monotonic() + timeout_s
    while (left := members(session)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)
    return left
