# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One heap for all threads, so that a long run's memory stays flat.

glibc gives each thread its own arena. bcc's compiler runs in a thread and leaves 16 MiB in
whichever arena that thread was given (seen: four arenas of that size after a soak of 40 minutes).
"""

from __future__ import annotations

import ctypes as ct
from typing import Final

_M_ARENA_MAX: Final = -8  # of mallopt(3)


def keep_to() -> None:
    """Make malloc use one arena. No effect with a libc without arenas."""
    mallopt = getattr(ct.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
