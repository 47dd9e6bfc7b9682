# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One BPF ring buffer that all CPUs share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from bench.plan.traits import Look
from bench.tracer.transport import Allocation, Opened, Request, Transport

if TYPE_CHECKING:
    from bench.tracer.capture import Capture
    from bench.tracer.program import Program


class Ringbuf(Transport):
    """BPF_MAP_TYPE_RINGBUF, Linux 5.8."""

    def allocated(self, request: Request) -> AbstractContextManager[Allocation]:
        """Make the ring alone."""
        from bench.tracer import allocation

        return allocation.rings(count=1, data_bytes=request.budget_bytes)

    def open(
        self, program: Program, capture: Capture, request: Request
    ) -> AbstractContextManager[Opened]:
        """Open one ring of the whole budget."""
        from bench.tracer import ring

        return ring.opened(program, capture, request, [(0, request.budget_bytes)])


TRANSPORT = Ringbuf(
    name="ringbuf",
    title="the ring buffer",
    short="ring",
    variant="ringbuf",
    look=Look(colour="#0072B2", dark="#56B4E9", shape="circle", dash=(1, 0)),
    rank=0,
    ordered=True,
    calls=True,
    wakes_seen=True,
)
