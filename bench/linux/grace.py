# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Wait until programs that were running in the kernel have ended: membarrier(2)."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

from bench.linux import libc

_CALLS: Final = {"x86_64": 324, "aarch64": 283}
_GLOBAL: Final = 1  # MEMBARRIER_CMD_GLOBAL, which is synchronize_rcu()


def wait() -> None:
    """Return after an RCU grace period; at once where the kernel does not give one (nohz_full).

    A BPF program is an RCU reader, also while it is preempted.
    """
    with suppress(OSError):
        libc.call("syscall", _CALLS.get(os.uname().machine, -1), _GLOBAL, 0, 0)
