# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare the clock of kernel timestamps with the CLOCK_MONOTONIC that user space reads.

bpf_ktime_get_ns() ignores time namespaces (Linux 5.6), clock_gettime() does not. So a BPF program's
timestamp is bracketed between two readings of this process, and the offset for the processes that
it starts is read from the kernel.
"""

from __future__ import annotations

import os
import re
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bench.amounts import seconds
from bench.errors import MachineUnfit
from bench.linux import bpf, procfs
from bench.linux.bpf import Instruction

REMEDY: Final = "start bufbench outside that time namespace"

_BRACKETS: Final = 5
_OFFSET: Final = re.compile(r"^monotonic +(-?[0-9]{1,12}) +([0-9]{1,9})$", re.MULTILINE | re.ASCII)
_KEY: Final = struct.pack("=I", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Hold the lead of CLOCK_MONOTONIC over kernel timestamps; 0 where it is the same clock."""

    here_ns: int  # as this process reads it
    started_ns: int  # as the processes that it starts read it
    namespace: str = ""  # of the clock that differs, like time:[4026532501]

    @property
    def shared(self) -> bool:
        """Return whether kernel timestamps, the reader and the storm have one clock."""
        return not self.here_ns and not self.started_ns


def look() -> Clocks:
    """Compare the clocks; where no BPF program may run, by the namespace's offsets alone."""
    own, started = _namespace("time"), _namespace("time_for_children")
    offset_ns = parse_offset_ns(procfs.read(procfs.PROC / "self/timens_offsets") or "")
    try:
        low_ns, high_ns = bracket_ns()
    except OSError:
        low_ns = high_ns = offset_ns if own == started else 0
    return compare(low_ns, high_ns, offset_ns, own=own, started=started)


def compare(low_ns: int, high_ns: int, offset_ns: int, *, own: str, started: str) -> Clocks:
    """Combine a bracket with the offset of the processes to start.

    The offset holds for this process too where both are in one namespace. It is exact, and a
    bracket some microseconds wide; but if they contradict each other, the bracket was observed.
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


def words(clocks: Clocks) -> str:
    """Say which clock differs, and by how much."""
    if clocks.shared:
        return "kernel timestamps and CLOCK_MONOTONIC are one clock"
    away_ns = clocks.here_ns or clocks.started_ns
    whose = "" if clocks.here_ns else " of the processes to start"
    return (
        f"CLOCK_MONOTONIC{whose} is {seconds(abs(away_ns) / 1e9)} "
        f"{'ahead of' if away_ns > 0 else 'behind'} the kernel's timestamps, in time namespace "
        f"{clocks.namespace or 'unknown'}"
    )


def parse_offset_ns(timens_offsets: str) -> int:
    """Return the offset of CLOCK_MONOTONIC in a text of /proc/PID/timens_offsets; 0 without one."""
    found = _OFFSET.search(timens_offsets)
    return int(found[1]) * 10**9 + int(found[2]) if found else 0


def bracket_ns() -> tuple[int, int]:
    """Return bounds of CLOCK_MONOTONIC's lead over bpf_ktime_get_ns(), the narrowest of several.

    Raises OSError where no BPF program may be loaded or run.
    """
    with ExitStack() as stack:
        stamp = bpf.create_map(
            bpf.ARRAY, key_bytes=4, value_bytes=8, entries=1, name="bufbench_clock"
        )
        stack.callback(os.close, stamp)
        program = bpf.load(bpf.SOCKET_FILTER, _stamping(stamp))
        stack.callback(os.close, program)
        brackets = []
        for _ in range(_BRACKETS):
            before_ns = time.monotonic_ns()
            bpf.run_once(program)
            after_ns = time.monotonic_ns()
            (kernel_ns,) = struct.unpack("=Q", bpf.lookup(stamp, _KEY, 8))
            brackets.append((before_ns - kernel_ns, after_ns - kernel_ns))
    return min(brackets, key=lambda bounds: bounds[1] - bounds[0])


def _stamping(stamp: int) -> tuple[Instruction, ...]:
    """Return a program that writes bpf_ktime_get_ns() into the one element of a map."""
    return (
        (0x62, 0x0A, -4, 0),  # *(u32 *)(r10 - 4) = 0
        (0x18, 0x11, 0, stamp),  # r1 = the map, by BPF_PSEUDO_MAP_FD
        (0x00, 0, 0, 0),  # its upper half
        (0xBF, 0xA2, 0, 0),  # r2 = r10
        (0x07, 2, 0, -4),  # r2 += -4
        (0x85, 0, 0, 1),  # r0 = bpf_map_lookup_elem()
        (0x15, 0, 3, 0),  # if r0 == 0, leave
        (0xBF, 0x06, 0, 0),  # r6 = r0
        (0x85, 0, 0, 5),  # r0 = bpf_ktime_get_ns()
        (0x7B, 0x06, 0, 0),  # *(u64 *)r6 = r0
        (0xB7, 0, 0, 0),  # r0 = 0
        (0x95, 0, 0, 0),  # exit
    )


def _namespace(name: str) -> str:
    """Return the kernel's name of a namespace of this process; "" without one (5.5)."""
    try:
        return str((procfs.PROC / "self/ns" / name).readlink())
    except OSError:
        return ""
