# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Other programs on the measured tracepoint: each exit runs them too.

None of these calls is one that makes the kernel skip tracers: only operations on maps do.
"""

from __future__ import annotations

import errno
import fcntl
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from bench.linux import bpf

_QUERY: Final = 0xC008240A  # PERF_EVENT_IOC_QUERY_BPF, Linux 4.16
_MOST: Final = 64  # BPF_TRACE_MAX_PROGS: the kernel attaches no more


def on_event(event: int) -> frozenset[int] | None:
    """Return the ids of all programs on the tracepoint of the perf ``event``; None if unknown."""
    query = bytearray(struct.pack(f"={2 + _MOST}I", _MOST, *([0] * (1 + _MOST))))
    try:
        fcntl.ioctl(event, _QUERY, query)
    except OSError:  # an older kernel, or not allowed
        return None
    _, count, *ids = struct.unpack(f"={2 + _MOST}I", query)
    return frozenset(ids[:count])


def raw(tracepoint: str) -> frozenset[int]:
    """Return the ids of programs on the raw tracepoint; empty if links are not readable."""
    found, link = set[int](), 0
    while True:
        try:
            link = bpf.next_link(link)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EPERM, errno.EINVAL):
                raise
            return frozenset(found)
        with suppress(OSError):  # gone by now
            name, program = bpf.raw_tracepoint_of(link) or ("", 0)
            if name == tracepoint:
                found.add(program)


def names(programs: Iterable[int]) -> tuple[str, ...]:
    """Return the programs' names; the id of one that has gone or is not readable."""
    found = []
    for program in sorted(programs):
        name = ""
        with suppress(OSError):
            name = bpf.program_name(program)
        found.append(f"{name} (program {program})" if name else f"program {program}")
    return tuple(found)
