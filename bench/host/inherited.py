# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Set the attributes that a process inherits from its parent to those that bufbench needs.

Signal dispositions and masks, timers, umask, personality, open files and their limit survive an
exec, with whatever a shell, a supervisor or a debugger changed. The generator does the same for
itself (workloads/inherited.c).
"""

from __future__ import annotations

import ctypes as ct
import os
import resource
import signal
import threading
from contextlib import suppress
from typing import Final

from bench.errors import MachineUnfit

_KEPT: Final = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT})
"""Ignored by nohup and in a shell's background jobs, so that a terminal's signals miss them."""

_PYTHONS: Final = frozenset({signal.SIGPIPE, signal.SIGXFSZ})  # ignored, so that writes fail
_OWNER: Final = 0o700
_PERSONALITY_UNCHANGED: Final = 0xFFFFFFFF
_ADDR_NO_RANDOMIZE: Final = 0x0040000
_PR_SET_TIMERSLACK: Final = 29
_PR_SET_CHILD_SUBREAPER: Final = 36
_USUAL_SLACK_NS: Final = 50_000
_STACK_BYTES: Final = 8 << 20
_MOST_FILES: Final = 65_536  # some children walk through all possible descriptors
_TO_END_S: Final = 2  # of CPU time, for an orderly exit
_LEAST: Final = (
    (resource.RLIMIT_AS, "-v", 512 << 20),
    (resource.RLIMIT_DATA, "-d", 384 << 20),
    (resource.RLIMIT_STACK, "-s", 256 << 10),
)
"""OpenBLAS retries a failed allocation for ever: require room for it, and for a journal."""
_COMPILERS: Final = ("BCC_", "LIBBPF_")


def settle() -> None:
    """Set all of them. Call this in the main thread, before anything is opened or started."""
    _open_standard_streams()
    _reset_signals()
    for timer in (signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):  # left by a caller's profiler
        signal.setitimer(timer, 0)
    # What others may do is the caller's choice; the owner needs access.
    os.umask(os.umask(0o077) & ~_OWNER)
    _reset_process()
    _raise_limits()
    # Else RLIMIT_STACK: the compiler, which runs in a thread, overflows a small one.
    threading.stack_size(_STACK_BYTES)
    for name in [each for each in os.environ if each.startswith(_COMPILERS)]:
        del os.environ[name]  # they change what bcc compiles


def require_room() -> None:
    """Raise MachineUnfit where limits are too low for libraries to load: they abort or crash."""
    for limit, option, needed_bytes in _LEAST:
        soft_bytes, _ = resource.getrlimit(limit)
        if soft_bytes != resource.RLIM_INFINITY and soft_bytes < needed_bytes:
            raise MachineUnfit(
                f"ulimit {option} is {soft_bytes >> 10} KiB, too little for Python's libraries",
                remedy=f"raise it to {needed_bytes >> 10} or more",
            )


def _open_standard_streams() -> None:
    """Open /dev/null in place of closed streams: error messages would go to a journal instead."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                opened = os.open(os.devnull, os.O_RDWR)
                if opened != descriptor:
                    os.dup2(opened, descriptor)
                    os.close(opened)
                os.set_inheritable(descriptor, True)


def _reset_signals() -> None:
    """Restore default actions and an empty mask: with SIGCHLD ignored, waitpid() fails."""
    for number in signal.valid_signals() - _KEPT - _PYTHONS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _reset_process() -> None:
    libc = ct.CDLL(None)
    # linux32 and uname26 change the machine and the release that uname(2) reports.
    if kept := libc.personality(_PERSONALITY_UNCHANGED) & _PERSONALITY_UNCHANGED:
        libc.personality(kept & _ADDR_NO_RANDOMIZE)
    libc.prctl(_PR_SET_TIMERSLACK, _USUAL_SLACK_NS, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)  # orphans would never be reaped here


def _raise_limits() -> None:
    """Raise soft limits on files and memory; leave time to end before the kernel kills."""
    files, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    _set_soft(resource.RLIMIT_NOFILE, max(files, min(most_files, _MOST_FILES)))
    for limit in (resource.RLIMIT_MEMLOCK, resource.RLIMIT_AS, resource.RLIMIT_DATA):
        _set_soft(limit, resource.getrlimit(limit)[1])
    stack_bytes, most_bytes = resource.getrlimit(resource.RLIMIT_STACK)
    if 0 <= stack_bytes < _STACK_BYTES:
        _set_soft(resource.RLIMIT_STACK, _STACK_BYTES if most_bytes < 0 else most_bytes)
    seconds, most_s = resource.getrlimit(resource.RLIMIT_CPU)
    if 0 <= seconds == most_s:
        _set_soft(resource.RLIMIT_CPU, max(1, most_s - _TO_END_S))


def _set_soft(limit: int, value: int) -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))
