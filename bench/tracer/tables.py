# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the hash tables in which exits are counted, and read them at an interval.

The program counts in one of two tables. The consumer switches it to the other, and reads the first
an interval later, when every run that began before has ended, so that nothing is counted in an
element that is being removed. Removal in batches needs Linux 5.6.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import numpy as np

from bench.amounts import size
from bench.errors import UsageError
from bench.linux import bpf, procfs
from bench.linux.pages import PAGE_BYTES
from bench.plan.config import Poll
from bench.record.footprint import Footprint, table_footprint
from bench.tracer import buffers, consumer
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import Allocation, BufferRequest, Opened, Transport

KEY_BYTES: Final = 24
VALUE_BYTES: Final = 16
TABLES: Final = 2

_SETTLE_S: Final = 0.01
"""After this, a run of the program is over: it takes microseconds and cannot be preempted."""


def entries(budget_bytes: int, cpus: int) -> int:
    """Return the elements of each table; UsageError for less than one."""
    found = budget_bytes // (TABLES * (KEY_BYTES + VALUE_BYTES * cpus))
    if not found:
        raise UsageError(
            f"{size(budget_bytes)} hold no element of {cpus} CPUs", remedy="take a larger budget"
        )
    return found


def _made(
    request: BufferRequest, cpus: int, stack: ExitStack
) -> tuple[tuple[int, ...], Footprint, int]:
    """Make both tables; return their descriptors, their footprint, and the elements of each."""
    most = entries(request.config.budget_bytes, cpus)
    fds = [
        buffers.make_map(
            bpf.PERCPU_HASH, f"hash of {most:,} elements", stack, key_bytes=KEY_BYTES,
            value_bytes=VALUE_BYTES, entries=most, name="table", smaller="take a smaller budget",
        )
        for _ in range(TABLES)
    ]  # fmt: skip
    footprint = table_footprint(
        most, tables=TABLES, key_bytes=KEY_BYTES, value_bytes=VALUE_BYTES, cpus=cpus
    )
    return tuple(fds), footprint, most


@contextmanager
def allocated(_way: Transport, request: BufferRequest) -> Iterator[Allocation]:
    """Make both tables alone. The kernel allocates all their elements at once."""
    with ExitStack() as stack:
        fds, footprint, _ = _made(request, len(procfs.possible_cpus()), stack)
        yield Allocation(footprint=footprint, mapped_bytes=0, map_fds=fds, map=lambda: None)


@contextmanager
def opened(
    _way: Transport, program: Program, capture: Capture, request: BufferRequest
) -> Iterator[Opened]:
    """Put both tables into the program's array of maps, and read them at an interval.

    Beside another arm, whose buffers the consumer reads, they are read only at the end.
    """
    cpus = program.cpus
    with ExitStack() as stack:
        fds, footprint, most = _made(request, len(cpus), stack)
        for slot, fd in enumerate(fds):
            buffers.put(program.map_fd("tables"), slot, fd, stack)
        active = buffers.mapped(program.map_fd("active"), PAGE_BYTES, stack, writable=True)
        reader = _Reader(fds, active, len(cpus), most)
        drain = (
            consumer.reader(capture, request.config.consumer)
            if request.config.duet
            else _drain(capture, request, reader)
        )

        def counted() -> Mapping[int, tuple[int, int]]:
            reader.read_all()
            counts = reader.counts.tolist()
            return {cpu: (each[0], each[1]) for cpu, each in zip(cpus, counts, strict=True)}

        yield Opened(footprint=footprint, map_fds=fds, drain=drain, counted=counted)


class _Reader:
    """Read both tables. ``counts``: exits so far, (all, the storm's own) by CPU in their order."""

    def __init__(self, fds: tuple[int, ...], chosen: mmap.mmap, cpus: int, most: int) -> None:
        self.counts = np.zeros((cpus, 2), np.int64)
        self._fds, self._chosen, self._most = fds, chosen, most
        self._active = 0
        self._choose()

    def turn(self) -> None:
        """Read the table that was left a turn ago, and switch the program to it."""
        self._read(1 - self._active)
        self._active = 1 - self._active
        self._choose()

    def read_all(self) -> None:
        """Read both: the program is detached, or its runs are over."""
        for table in range(TABLES):
            self._read(table)

    def _choose(self) -> None:
        self._chosen[:8] = struct.pack("=Q", self._active)

    def _read(self, table: int) -> None:
        values = bpf.taken(self._fds[table], KEY_BYTES, VALUE_BYTES * len(self.counts), self._most)
        found = np.frombuffer(values, np.int64).reshape(-1, len(self.counts), 2)
        self.counts += found.sum(axis=0)


def _drain(capture: Capture, request: BufferRequest, reader: _Reader) -> Callable[[], None]:
    """Return a drain that reads a table at each interval until ``capture.stop()``."""
    interval_s = max(_SETTLE_S, request.config.consumer.interval_ms / 1e3)
    stopped = request.config.consumer.poll is Poll.STOPPED

    def drain() -> None:
        with consumer.metered(capture):
            while not capture.stopping:
                time.sleep(interval_s)
                if not stopped:
                    reader.turn()
                    capture.wakeups_taken += 1

    return drain
