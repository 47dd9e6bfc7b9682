# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One ring buffer for each online CPU, all consumed together: the ring's answer to contention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from bench.plan.config import Producer
from bench.record.footprint import ringbuf_footprint
from bench.tracer import allocation, ring
from bench.tracer._capture import Capture
from bench.tracer.allocation import Allocation
from bench.tracer.program import Program
from bench.tracer.transport import Opened, Request


class Sharded:
    """BPF_MAP_TYPE_RINGBUF in every slot of an array of maps, chosen by the CPU's number."""

    name = "sharded"
    variant = "ringbuf"

    def rings(self, cpus: tuple[int, ...]) -> int:
        """Slots for all CPUs up to the highest that is online; offline ones stay empty."""
        return cpus[-1] + 1

    def macros(self, producer: Producer, cpus: tuple[int, ...]) -> dict[str, int]:
        """As of the one ring, but with more slots."""
        return ring.macros(producer, rings=self.rings(cpus))

    def allocated(self, request: Request) -> AbstractContextManager[Allocation]:
        """The buffers alone."""
        return allocation.rings(
            request,
            count=len(request.cpus),
            data_bytes=request.pages_per_cpu() * request.page_bytes,
        )

    @contextmanager
    def open(self, program: Program, capture: Capture, request: Request) -> Iterator[Opened]:
        """A ring of an equal share of the budget for each CPU, and one as large for the others."""
        data_bytes = request.pages_per_cpu() * request.page_bytes
        slots = [(cpu, data_bytes) for cpu in request.cpus]
        footprint = ringbuf_footprint(
            data_bytes * len(slots), rings=len(slots), page_bytes=request.page_bytes
        )
        with ring.opened(program, capture, request, slots) as (fds, drain):
            yield Opened(footprint=footprint, map_fds=tuple(fds), drain=drain, lost_told=dict)


TRANSPORT = Sharded()
