# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One ring buffer for each online CPU, all consumed together: the ring's answer to contention."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from bench.linux.pages import PAGE_BYTES
from bench.plan.traits import Look
from bench.tracer.transport import Allocation, Opened, Request, Transport

if TYPE_CHECKING:
    from bench.tracer.capture import Capture
    from bench.tracer.program import Program


class Sharded(Transport):
    """BPF_MAP_TYPE_RINGBUF in every slot of an array of maps, chosen by the CPU's number."""

    def rings(self, cpus: tuple[int, ...]) -> int:
        """Return the slots for all CPUs up to the highest online; those offline stay empty."""
        return cpus[-1] + 1

    def allocated(self, request: Request) -> AbstractContextManager[Allocation]:
        """Make the rings alone."""
        from bench.tracer import allocation

        return allocation.rings(
            count=len(request.cpus),
            data_bytes=request.pages_per_cpu() * PAGE_BYTES,
        )

    def open(
        self, program: Program, capture: Capture, request: Request
    ) -> AbstractContextManager[Opened]:
        """Open a ring of an equal share of the budget for each CPU, as large for the others."""
        from bench.tracer import ring

        data_bytes = request.pages_per_cpu() * PAGE_BYTES
        return ring.opened(program, capture, request, [(cpu, data_bytes) for cpu in request.cpus])


TRANSPORT = Sharded(
    name="sharded",
    title="sharded",
    short="sharded",
    variant="ringbuf",
    look=Look(colour="#009E73", dark="#2CC79B", shape="triangle-up", dash=(2, 2)),
    rank=2,
    per_cpu=True,
    calls=True,
    wakes_seen=True,
    share=" for each CPU's ring",
)
