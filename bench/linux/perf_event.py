# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Open perf events: for a CPU's BPF output, on a tracepoint, to sample one, or as a timer.

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
_COUNT_SW_CPU_CLOCK: Final = 0
_COUNT_SW_BPF_OUTPUT: Final = 10
_SAMPLE_TIME: Final = 1 << 2
_SAMPLE_RAW: Final = 1 << 10
_FORMAT_LOST: Final = 1 << 4  # Linux 6.0, and later stable ones: 5.10.262 has it
_ATTR: Final = struct.Struct("=IIQQQQQIIQQQQIiQII")  # up to PERF_ATTR_SIZE_VER5
_DISABLED_BIT: Final = 1 << 0
_WATERMARK_BIT: Final = 1 << 14
_CLOCK_BIT: Final = 1 << 25
_FLAG_CLOEXEC: Final = 8
_IOC_ENABLE: Final = 0x2400
_IOC_SET_FILTER: Final = 0x40082406
_IOC_SET_BPF: Final = 0x40042408
_NEVER: Final = 2**32 - 1


def output_attributes(*, wake_every: int | None = 1, in_bytes: bool = False) -> tuple[bytes, bytes]:
    """Return the perf_event_attr of an event that wakes every ``wake_every`` records (None: never).

    ``in_bytes``: it counts bytes, with headers. The second is for kernels before 6.0, which refuse
    the first with EINVAL.
    """
    flags = _WATERMARK_BIT if in_bytes or wake_every is None else 0
    counting, plain = (
        _attribute(
            _TYPE_SOFTWARE, _COUNT_SW_BPF_OUTPUT, _SAMPLE_RAW, wakeup=wake_every or _NEVER,
            flags=flags, read_format=read_format,
        )
        for read_format in (_FORMAT_LOST, 0)
    )  # fmt: skip
    return counting, plain


def open_output(cpu: int, attributes: tuple[bytes, bytes] | None = None) -> int:
    """Return an enabled event on ``cpu``; OSError with the kernel's errno."""
    counting, plain = attributes or output_attributes()
    try:
        event = _open(cpu, counting)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        event = _open(cpu, plain)
    fcntl.ioctl(event, _IOC_ENABLE, 0)
    return event


def open_idle_tracepoint(number: int) -> int:
    """Return a disabled event that keeps tracepoint ``number`` registered with perf."""
    attribute = _attribute(_TYPE_TRACEPOINT, number, _SAMPLE_RAW, flags=_DISABLED_BIT)
    return _open(procfs.online_cpus()[0], attribute)


def open_tracepoint(number: int, program_fd: int) -> int:
    """Return an event that runs a BPF program at tracepoint ``number``.

    As bcc's: one event on one CPU serves all CPUs.
    """
    return _running(open_idle_tracepoint(number), program_fd)


def open_sampler(number: int, cpu: int) -> int:
    """Return a disabled event that samples CLOCK_MONOTONIC at each hit of a tracepoint."""
    flags = _DISABLED_BIT | _WATERMARK_BIT | _CLOCK_BIT
    attribute = _attribute(
        _TYPE_TRACEPOINT, number, _SAMPLE_TIME, flags=flags, wakeup=_NEVER,
        clock=time.CLOCK_MONOTONIC,
    )  # fmt: skip
    return _open(cpu, attribute)


def open_timer(cpu: int, interval_ns: int, program_fd: int) -> int:
    """Return an event that runs a BPF program on ``cpu`` every ``interval_ns``."""
    attribute = _attribute(
        _TYPE_SOFTWARE, _COUNT_SW_CPU_CLOCK, 0, flags=_DISABLED_BIT, period=interval_ns
    )
    return _running(_open(cpu, attribute), program_fd)


def keep_to(event: int, condition: str) -> None:
    """Enable the event for the hits that meet ``condition``."""
    fcntl.ioctl(event, _IOC_SET_FILTER, condition.encode() + b"\0")
    fcntl.ioctl(event, _IOC_ENABLE, 0)


def lost(event: int) -> int | None:
    """Return how many records the kernel failed to write; None before Linux 6.0."""
    counts = os.read(event, 16)
    return int(struct.unpack("=QQ", counts)[1]) if len(counts) == 16 else None


def _running(event: int, program_fd: int) -> int:
    """Have an event run a program, and enable it; OSError, with the event closed."""
    try:
        fcntl.ioctl(event, _IOC_SET_BPF, program_fd)
        fcntl.ioctl(event, _IOC_ENABLE, 0)
    except OSError:
        os.close(event)
        raise
    return event


def _attribute(
    kind: int, config: int, sample: int,
    *, period: int = 1, read_format: int = 0, flags: int = 0, wakeup: int = 1, clock: int = 0,
) -> bytes:  # fmt: skip
    return _ATTR.pack(
        kind, _ATTR.size, config, period, sample, read_format, flags, wakeup, *[0] * 6, clock,
        0, 0, 0,
    )  # fmt: skip


def _open(cpu: int, attribute: bytes) -> int:
    block = ct.create_string_buffer(attribute, _ATTR.size)
    return libc.call("syscall", libc.SYS_PERF_EVENT_OPEN, block, -1, cpu, -1, _FLAG_CLOEXEC)
