# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The smallest program that takes the tracers' privileges, loaded and attached without bcc.

Source: include/uapi/linux/bpf.h. All raise OSError with the kernel's errno.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

from bench.linux import bpf, perf_event

_INSTRUCTION: Final = struct.Struct("=BBhi")
_STACK: Final = 10  # the register that points to it
_PROBE_READ_KERNEL: Final = 113
_IOC_SET_BPF: Final = 0x40042408

_CODE: Final = (
    (0xBF, _STACK << 4 | 1, 0, 0),  # r1 = r10
    (0x07, 1, 0, -8),  # r1 += -8
    (0xB7, 2, 0, 8),  # r2 = 8
    (0xB7, 3, 0, 0),  # r3 = 0
    (0x85, 0, 0, _PROBE_READ_KERNEL),  # reads kernel memory, which takes CAP_PERFMON
    (0xB7, 0, 0, 0),  # r0 = 0
    (0x95, 0, 0, 0),  # exit
)


def load() -> int:
    """Load a tracepoint program that reads 8 bytes and returns; return its descriptor."""
    code = b"".join(_INSTRUCTION.pack(*each) for each in _CODE)
    return bpf.load_tracepoint(code, len(_CODE))


def attach(program_fd: int, tracepoint: int) -> int:
    """Attach the program; return the event's descriptor, which keeps it running."""
    event = perf_event.open_tracepoint(tracepoint)
    try:
        # bcc's way: one event on one CPU runs the program on all of them.
        fcntl.ioctl(event, _IOC_SET_BPF, program_fd)
    except OSError:
        os.close(event)
        raise
    return event
