# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""perf_event_open(2) for one per-CPU buffer of BPF output.

Source: include/uapi/linux/perf_event.h.
"""

from __future__ import annotations

import ctypes as ct
import errno
import fcntl
import os
import struct
import time
from typing import Final

from bench.linux import libc, procfs

_TYPE_SOFTWARE: Final = 1
_TYPE_TRACEPOINT: Final = 2
_COUNT_SW_BPF_OUTPUT: Final = 10
_SAMPLE_TIME: Final = 1 << 2
_SAMPLE_RAW: Final = 1 << 10
_FORMAT_LOST: Final = 1 << 4  # Linux 6.0
_ATTR: Final = struct.Struct("=IIQQQQQIIQQQQIiQII")  # up to PERF_ATTR_SIZE_VER5
_DISABLED_BIT: Final = 1 << 0
_WATERMARK_BIT: Final = 1 << 14
_CLOCK_BIT: Final = 1 << 25
_FLAG_CLOEXEC: Final = 8
_IOC_ENABLE: Final = 0x2400
_IOC_SET_FILTER: Final = 0x40082406
_NEVER: Final = 2**32 - 1


def open_output(cpu: int, *, wake_every: int | None = 1, in_bytes: bool = False) -> int:
    """Return an enabled event on ``cpu`` that wakes every ``wake_every`` records, or never (None).

    ``in_bytes``: every so many bytes, with headers. Raises OSError with the kernel's errno.
    """
    try:
        event = _open(cpu, wake_every, _FORMAT_LOST, in_bytes=in_bytes)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        event = _open(cpu, wake_every, 0, in_bytes=in_bytes)  # before 6.0
    fcntl.ioctl(event, _IOC_ENABLE, 0)
    return event


def open_tracepoint(number: int) -> int:
    """Return an enabled event that counts tracepoint ``number`` on the first online CPU."""
    attribute = _ATTR.pack(_TYPE_TRACEPOINT, _ATTR.size, number, 1, _SAMPLE_RAW, 0, 0, 1, *[0] * 10)
    event = _call(attribute, procfs.online_cpus()[0])
    fcntl.ioctl(event, _IOC_ENABLE, 0)
    return event


def open_sampler(number: int, cpu: int) -> int:
    """Return a disabled event that samples CLOCK_MONOTONIC at each hit of a tracepoint."""
    flags = _DISABLED_BIT | _WATERMARK_BIT | _CLOCK_BIT
    attribute = _ATTR.pack(
        _TYPE_TRACEPOINT, _ATTR.size, number, 1, _SAMPLE_TIME, 0, flags, _NEVER,
        0, 0, 0, 0, 0, 0, time.CLOCK_MONOTONIC, 0, 0, 0,
    )  # fmt: skip
    return _call(attribute, cpu)


def keep_to(event: int, condition: str) -> None:
    """Enable the event for the hits that meet ``condition``."""
    fcntl.ioctl(event, _IOC_SET_FILTER, condition.encode() + b"\0")
    fcntl.ioctl(event, _IOC_ENABLE, 0)


def lost(event: int) -> int | None:
    """Return how many records the kernel failed to write; None before Linux 6.0."""
    counts = os.read(event, 16)
    return int(struct.unpack("=QQ", counts)[1]) if len(counts) == 16 else None


def _open(cpu: int, wake_every: int | None, read_format: int, *, in_bytes: bool) -> int:
    by_bytes = in_bytes or wake_every is None
    flags, wakeup = _WATERMARK_BIT if by_bytes else 0, wake_every or _NEVER
    attribute = _ATTR.pack(
        _TYPE_SOFTWARE, _ATTR.size, _COUNT_SW_BPF_OUTPUT, 1, _SAMPLE_RAW, read_format, flags,
        wakeup, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    return _call(attribute, cpu)


def _call(attribute: bytes, cpu: int) -> int:
    block = ct.create_string_buffer(attribute, len(attribute))
    return libc.call("syscall", libc.SYS_PERF_EVENT_OPEN, block, -1, cpu, -1, _FLAG_CLOEXEC)
