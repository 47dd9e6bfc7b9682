# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Trace live: yield records batch by batch, to watch exits, not to measure them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bench.errors import UsageError
from bench.linux import pages, procfs
from bench.plan.budgets import MIB, shareable_bytes
from bench.plan.config import TrialConfig
from bench.record.layout import ROW, CapturedRecord
from bench.tracer import kernel_clock, settings, transports
from bench.tracer.build import Build, Kernel
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import BufferRequest

_BATCH_RECORDS: Final = 65_536
_USUAL_BYTES: Final = 8 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Count all exits while the tracer was attached."""

    delivered: int
    lost: int
    missed: int  # processes, not threads: the kernel skipped the tracer


class LiveTrace:
    """Attach and read a tracer that is loaded and has its buffers; made by :func:`opened`."""

    def __init__(self, program: Program, capture: Capture, ahead_ns: int) -> None:
        self._program = program
        self._ahead_ns = ahead_ns
        self._capture = capture
        self._delivered = 0

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Record exits while the context lasts; the remaining records can be read after it."""
        with self._program.attached(), self._program.counting_missed():
            yield

    def wall_offset_ns(self) -> int:
        """Return what to add to a kernel timestamp for wall-clock time, in any time namespace."""
        return time.time_ns() - (time.monotonic_ns() - self._ahead_ns)

    def batch(self, timeout_ms: int) -> list[CapturedRecord]:
        """Return the records of up to ``timeout_ms``, in the order of kernel timestamps.

        A batch continues where a full one ended. Empty: there was no record.
        """
        count = self._capture.collect(timeout_ms)
        self._delivered += count
        rows = memoryview(self._capture.array)[: count * ROW.size]
        return sorted(map(CapturedRecord._make, ROW.iter_unpack(rows)))

    def tally(self) -> Tally:
        """Return the counts so far; after detaching they are final."""
        lost = sum(sum(cpu.dropped.values()) for cpu in self._program.read_counters())
        return Tally(delivered=self._delivered, lost=lost, missed=self._program.total("missed"))


def usual_budget_bytes(transport_name: str, cpus: int) -> int:
    """Return 8 MiB, or the nearest below it that per-CPU buffers of ``cpus`` CPUs can share."""
    way = transports.find(transport_name)
    return shareable_bytes(_USUAL_BYTES, way.buffers(cpus)) if way.per_cpu else _USUAL_BYTES


@contextmanager
def opened(transport_name: str, budget_bytes: int | None) -> Iterator[LiveTrace]:
    """Open a tracer ready to attach, on ``budget_bytes`` in all (None: the default)."""
    way, cpus = transports.find(transport_name), procfs.online_cpus()
    if not way.streams:
        raise UsageError(f"{way.name} sends no records to show", remedy="take another --transport")
    if way.overwrites:
        raise UsageError(
            "a live trace cannot say what was overwritten", remedy="trace with ringbuf"
        )
    pages.require()
    budget_bytes = budget_bytes or usual_budget_bytes(transport_name, len(cpus))
    config = TrialConfig(transport=way.name, budget_bytes=budget_bytes)
    producer = config.producer
    macros = settings.macros(producer) | way.macros(producer, cpus) | {"COUNT_MISSED": 1}
    namespace = procfs.namespace("pid")
    if namespace and namespace != procfs.INITIAL_PID_NAMESPACE:
        macros |= {"PID_NAMESPACE": namespace}  # whose pids are shown
    capture = Capture(_BATCH_RECORDS)
    build = Build(variant=way.variant, macros=tuple(macros.items()))
    with Program(build, Kernel.probe()) as program:
        program.configure(settings.encode(producer, session=0, rings=way.rings(cpus)))
        with way.open(program, capture, BufferRequest(config=config, cpus=cpus)):
            yield LiveTrace(program, capture, kernel_clock.look().here_ns)
