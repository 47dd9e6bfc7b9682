# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Privileged operations, one probe each. All raise OSError if the kernel refuses.

What an attempt makes is closed by the end of its process, which is made for it.
"""

from __future__ import annotations

import ctypes as ct
import errno
import mmap
import os
import resource
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.host import scratch
from bench.linux import bpf, perf_event, procfs, tracefs
from bench.tracer import smallest

_CLONE_NEWNS: Final = 0x20000
_MS_REC_PRIVATE: Final = 0x4000 | 0x40000
_ANOTHER: Final = 1  # a user that is neither root nor nobody
_PATIENCE_S: Final = 2
_KMSG: Final = Path("/dev/kmsg")


def make_map(ring_bytes: int) -> None:
    """Make a ring buffer of this size."""
    with suppress(OSError, ValueError):  # as bcc does: until 5.11 maps counted against it
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    bpf.create_map(bpf.RINGBUF, key_bytes=0, value_bytes=0, entries=ring_bytes, name="attempt")


def load_program() -> None:
    """Load a program that reads kernel memory."""
    smallest.load()


def read_tracefs() -> None:
    """Read the exit tracepoint's number."""
    tracefs.number(tracefs.EXIT)


def attach(program_fd: int, tracepoint: int) -> None:
    """Attach a given program to a tracepoint."""
    smallest.attach(program_fd, tracepoint)


def open_events() -> None:
    """Open an event on every CPU."""
    for cpu in procfs.online_cpus():
        perf_event.open_output(cpu)


def map_events(events: Sequence[int], buffer_bytes: int) -> None:
    """Map perf buffers of this size on given events."""
    for event in events:
        mmap.mmap(event, buffer_bytes + mmap.PAGESIZE)  # and the page that heads it


def count_runs() -> None:
    """Count the time spent in BPF programs."""
    with bpf.statistics() as counted:
        if not counted:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def read_kernel_log() -> None:
    """Read the newest records of the kernel log."""
    os.open(_KMSG, os.O_RDONLY | os.O_NONBLOCK)


def hide_kallsyms() -> None:
    """Make a private mount namespace."""
    _checked(ct.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS))


def mount_tracefs() -> None:
    """Mount tracefs in a private mount namespace."""
    libc = ct.CDLL(None, use_errno=True)
    _checked(libc.unshare(_CLONE_NEWNS))
    _checked(libc.mount(None, b"/", None, _MS_REC_PRIVATE, None))
    _checked(libc.mount(b"tracefs", b"/sys/kernel", b"tracefs", 0, None))


def change_user() -> None:
    """Become another user in a child process, and end that by a signal."""
    became, report = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(_PATIENCE_S)  # where it cannot be ended; nobody is to wait for it
            os.closerange(3, became)
            os.setgroups([])
            os.setresgid(_ANOTHER, _ANOTHER, _ANOTHER)
            os.setresuid(_ANOTHER, _ANOTHER, _ANOTHER)
            os.write(report, b"y")
            signal.pause()
        finally:
            os._exit(1)
    os.close(report)
    if not os.read(became, 1):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    os.kill(child, signal.SIGKILL)


def make_cgroup(where: Path | None) -> None:
    """Make a cgroup below the current one."""
    if where is None:
        raise FileNotFoundError(errno.ENOENT, "no cgroup bounds processes")
    folder = where / f"{scratch.PREFIX}attempt-{os.getpid()}"
    folder.mkdir()
    folder.rmdir()


def _checked(result: int) -> None:
    if result != 0:
        code = ct.get_errno()
        raise OSError(code, os.strerror(code))
