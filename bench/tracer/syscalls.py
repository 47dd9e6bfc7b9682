# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""System calls of one thread, counted in the kernel by the tracepoint raw_syscalls:sys_enter."""

from __future__ import annotations

import struct
from typing import Final

from bench.linux import bpf
from bench.tracer.program import Build, Program, possible_cpus

BUILD: Final = Build(variant="syscalls", name="count", tracepoint="raw_syscalls:sys_enter")

_SLOT: Final = struct.pack("=I", 0)


def watch(program: Program, thread_id: int) -> None:
    """Count from zero, for this thread; ``program`` is of ``BUILD``, not yet attached."""
    bpf.update(program.map_fd("calls"), _SLOT, bytes(8 * len(possible_cpus())))
    bpf.update(program.map_fd("thread"), _SLOT, struct.pack("=I", thread_id))


def counted(program: Program) -> int:
    """Return the calls made while the program was attached."""
    cpus = len(possible_cpus())
    values = bpf.lookup(program.map_fd("calls"), _SLOT, 8 * cpus)
    return sum(struct.unpack(f"={cpus}Q", values))
