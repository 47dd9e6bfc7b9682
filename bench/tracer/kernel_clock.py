# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The clock of kernel timestamps, held against the CLOCK_MONOTONIC that user space reads.

bpf_ktime_get_ns() knows no time namespace (Linux 5.6), clock_gettime() does. So a timestamp that a
BPF program takes is bracketed between two readings of this process, and the offsets that the kernel
gives the processes it starts are read.
"""

from __future__ import annotations

import os
import re
import struct
import time
from dataclasses import dataclass
from typing import Final

from bench.errors import MachineUnfit
from bench.linux import bpf, procfs

_BRACKETS: Final = 5
_OFFSET: Final = re.compile(r"^monotonic +(-?[0-9]{1,12}) +([0-9]{1,9})$", re.MULTILINE | re.ASCII)
_INSTRUCTION: Final = struct.Struct("=BBhi")
_STACK, _KEPT = 10, 6  # registers: the stack, and one that survives a call
_LOOKUP, _KTIME_GET_NS = 1, 5
_PSEUDO_MAP_FD: Final = 1
_KEY: Final = struct.pack("=I", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """How far CLOCK_MONOTONIC is ahead of kernel timestamps; 0 where it is the same clock."""

    here_ns: int  # as this process reads it
    started_ns: int  # as the processes that it starts read it
    namespace: str = ""  # of the clock that is another one, like time:[4026532501]

    @property
    def shared(self) -> bool:
        """Return whether kernel timestamps, the reader and the storm have one clock."""
        return not self.here_ns and not self.started_ns


def look() -> Clocks:
    """Compare the clocks; where no BPF program may run, go by the namespace's offsets alone."""
    own, started = _namespace("time"), _namespace("time_for_children")
    offset_ns = parse_offset_ns(procfs.read(procfs.PROC / "self/timens_offsets") or "")
    try:
        low_ns, high_ns = bracket_ns()
    except OSError:
        low_ns = high_ns = offset_ns if own == started else 0
    return compare(low_ns, high_ns, offset_ns, own=own, started=started)


def compare(low_ns: int, high_ns: int, offset_ns: int, *, own: str, started: str) -> Clocks:
    """Return what a bracket and the offset of the processes to start say together.

    The offset holds for this process too where both are in one namespace. It is exact, and a
    bracket some microseconds wide; but where they contradict each other the bracket was seen.
    """
    here_ns = offset_ns if own == started else 0
    if not low_ns <= here_ns <= high_ns:
        here_ns = (low_ns + high_ns) // 2
    started_ns = here_ns if own == started else offset_ns
    return Clocks(here_ns=here_ns, started_ns=started_ns, namespace=(own if here_ns else started))


def require_shared() -> None:
    """Raise MachineUnfit, naming the time namespace, unless there is one clock."""
    clocks = look()
    if not clocks.shared:
        raise MachineUnfit(words(clocks), remedy=REMEDY)


REMEDY: Final = "start bufbench outside that time namespace"


def words(clocks: Clocks) -> str:
    """Return in words which clock differs, and by how much."""
    if clocks.shared:
        return "kernel timestamps and CLOCK_MONOTONIC are one clock"
    away_ns = clocks.here_ns or clocks.started_ns
    whose = "" if clocks.here_ns else " of the processes to start"
    return (
        f"CLOCK_MONOTONIC{whose} is {abs(away_ns) / 1e9:,.9g} s "
        f"{'ahead of' if away_ns > 0 else 'behind'} the kernel's timestamps, in time namespace "
        f"{clocks.namespace or 'unknown'}"
    )


def parse_offset_ns(timens_offsets: str) -> int:
    """Return the offset of CLOCK_MONOTONIC in a text of /proc/PID/timens_offsets; 0 without one."""
    found = _OFFSET.search(timens_offsets)
    return int(found[1]) * 10**9 + int(found[2]) if found else 0


def bracket_ns() -> tuple[int, int]:
    """Return bounds of what CLOCK_MONOTONIC is ahead of bpf_ktime_get_ns(), the nearest of some.

    Raises OSError where no BPF program may be loaded or run.
    """
    stamp = bpf.create_map(bpf.ARRAY, key_bytes=4, value_bytes=8, entries=1, name="bufbench_clock")
    try:
        program = bpf.load_socket_filter(*_program(stamp))
        try:
            return min((_bracket(program, stamp) for _ in range(_BRACKETS)), key=_width)
        finally:
            os.close(program)
    finally:
        os.close(stamp)


def _bracket(program: int, stamp: int) -> tuple[int, int]:
    before_ns = time.monotonic_ns()
    bpf.run_once(program)
    after_ns = time.monotonic_ns()
    (kernel_ns,) = struct.unpack("=Q", bpf.lookup(stamp, _KEY, 8))
    return before_ns - kernel_ns, after_ns - kernel_ns


def _width(bounds: tuple[int, int]) -> int:
    return bounds[1] - bounds[0]


def _program(stamp: int) -> tuple[bytes, int]:
    """Return code that writes bpf_ktime_get_ns() into the one element of a map, and its length."""
    code = (
        (0x62, _STACK, -4, 0),  # *(u32 *)(r10 - 4) = 0
        (0x18, _PSEUDO_MAP_FD << 4 | 1, 0, stamp),  # r1 = the map
        (0x00, 0, 0, 0),  # its upper half
        (0xBF, _STACK << 4 | 2, 0, 0),  # r2 = r10
        (0x07, 2, 0, -4),  # r2 += -4
        (0x85, 0, 0, _LOOKUP),
        (0x15, 0, 3, 0),  # if r0 == 0, leave
        (0xBF, _KEPT, 0, 0),  # r6 = r0
        (0x85, 0, 0, _KTIME_GET_NS),
        (0x7B, _KEPT, 0, 0),  # *(u64 *)r6 = r0
        (0xB7, 0, 0, 0),  # r0 = 0
        (0x95, 0, 0, 0),  # exit
    )
    return b"".join(_INSTRUCTION.pack(*each) for each in code), len(code)


def _namespace(name: str) -> str:
    """Return what the kernel calls a namespace of this process; "" where it has none (5.5)."""
    try:
        return str((procfs.PROC / "self/ns" / name).readlink())
    except OSError:
        return ""
