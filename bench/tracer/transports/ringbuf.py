# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One BPF ring buffer that all CPUs share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from bench.plan.traits import Look
from bench.tracer.transport import Allocation, Opened, Request, Transport

if TYPE_CHECKING:
    from bench.tracer.capture import Capture
    from bench.tracer.program import Program


class Ringbuf(Transport):
    """BPF_MAP_TYPE_RINGBUF, Linux 5.8."""

    flags = 0  # of map creation

    def slots(self, request: Request) -> Mapping[tuple[int, ...], int]:
        """Return the data bytes of each ring by its slots in the program's array."""
        return {(0,): request.budget_bytes}

    def allocated(self, request: Request) -> AbstractContextManager[Allocation]:
        """Make the rings alone."""
        from bench.tracer import buffers

        return buffers.rings(self.slots(request).values(), self.flags)

    def open(
        self, program: Program, capture: Capture, request: Request
    ) -> AbstractContextManager[Opened]:
        """Open the rings in the program's array of maps."""
        from bench.tracer import buffers

        slots, overwrites = self.slots(request), self.overwrites
        return buffers.opened_rings(
            program, capture, request, slots, flags=self.flags, overwrites=overwrites
        )


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
