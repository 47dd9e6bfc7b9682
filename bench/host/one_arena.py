# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One heap for all threads, so that a long run's memory stays flat.

glibc gives threads arenas of their own. bcc's compiler runs in a thread, takes 16 MiB of whichever
arena that thread came by, and leaves them there for the next one to come by (seen: four arenas of
that size after 40 minutes of a soak).
"""

from __future__ import annotations

import ctypes as ct
from typing import Final

_M_ARENA_MAX: Final = -8  # of mallopt(3)


def keep_to() -> None:
    """From here on no further arena is made. Nothing happens where libc knows no arenas."""
    mallopt = getattr(ct.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
