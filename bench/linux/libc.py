# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Call functions of the C library and system calls that Python lacks."""

from __future__ import annotations

import ctypes as ct
import os
import signal
from contextlib import suppress
from typing import Any, Final

# Numbers of system calls without a function in the C library. Source:
# arch/x86/entry/syscalls/syscall_64.tbl; scripts/syscall.tbl, which all newer architectures share.
_X86_64: Final = os.uname().machine == "x86_64"
SYS_BPF: Final = 321 if _X86_64 else 280
SYS_PERF_EVENT_OPEN: Final = 298 if _X86_64 else 241
SYS_MOUNT_SETATTR: Final = 442  # Linux 5.12
_SYS_MEMBARRIER: Final = 324 if _X86_64 else 283

_CLONE_NEWNS: Final = 0x20000
_PR_SET_PDEATHSIG: Final = 1
_MS_REC_PRIVATE: Final = 0x4000 | 0x40000
_MEMBARRIER_CMD_QUERY: Final = 0
_MEMBARRIER_CMD_GLOBAL: Final = 1  # which is synchronize_rcu()

_libc: Final = ct.CDLL(None, use_errno=True)


def last_error() -> OSError:
    """Return the errno that the last call of a library opened with ``use_errno`` left."""
    code = ct.get_errno()
    return OSError(code, os.strerror(code))


def call(function: str, *arguments: Any) -> int:
    """Call a function of the C library; return its result, OSError if that is negative."""
    result = int(getattr(_libc, function)(*arguments))
    if result < 0:
        raise last_error()
    return result


def end_with_parent() -> None:
    """Have the kernel kill this process once the thread that started it has ended."""
    call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)


def unshare_mounts() -> None:
    """Give this thread a mount namespace, whose mounts are seen nowhere else; OSError.

    It ends with the thread.
    """
    call("unshare", _CLONE_NEWNS)
    call("mount", None, b"/", None, _MS_REC_PRIVATE, None)


def await_grace_period() -> None:
    """Return after an RCU grace period; at once where the kernel gives none (nohz_full).

    A BPF program is an RCU reader, even while preempted: all that were running have then ended.
    """
    with suppress(OSError):
        call("syscall", _SYS_MEMBARRIER, _MEMBARRIER_CMD_GLOBAL, 0, 0)


def gives_grace_periods() -> bool:
    """Return whether await_grace_period() waits for one."""
    try:
        return bool(
            call("syscall", _SYS_MEMBARRIER, _MEMBARRIER_CMD_QUERY, 0, 0) & _MEMBARRIER_CMD_GLOBAL
        )
    except OSError:
        return False
