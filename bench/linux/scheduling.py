# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How the kernel schedules this process, and with it the storms that it starts."""

from __future__ import annotations

import os
from typing import Final

USUAL: Final = "other"

_POLICIES: Final = {
    0: USUAL,
    1: "fifo",
    2: "round-robin",
    3: "batch",
    5: "idle",
    6: "deadline",
    7: "extensible",
}
_RESET_ON_FORK: Final = 0x40000000


def describe(policy: int, priority: int, nice: int) -> str:
    """Return words for what sched_getscheduler(2), sched_getparam(2) and getpriority(2) report."""
    number = policy & ~_RESET_ON_FORK
    words = [_POLICIES.get(number, f"policy {number}")]
    words += [f"priority {priority}"] if priority else []
    words += [f"nice {nice}"] if nice else []
    return ", ".join(words)


def running() -> str:
    """Return how this process is scheduled."""
    return describe(
        os.sched_getscheduler(0),
        os.sched_getparam(0).sched_priority,
        os.getpriority(os.PRIO_PROCESS, 0),
    )
