# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One perf buffer for each online CPU."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from bench.plan.traits import Look
from bench.tracer.transport import Allocation, Opened, Request, Transport

if TYPE_CHECKING:
    from bench.tracer.capture import Capture
    from bench.tracer.program import Program


class Perfbuf(Transport):
    """BPF_MAP_TYPE_PERF_EVENT_ARRAY, Linux 4.3."""

    def allocated(self, request: Request) -> AbstractContextManager[Allocation]:
        """Make the buffers alone."""
        from bench.tracer import buffers

        return buffers.perf_buffers(request)

    def open(
        self, program: Program, capture: Capture, request: Request
    ) -> AbstractContextManager[Opened]:
        """Open a buffer of an equal share of the budget for each CPU, as large for the others."""
        from bench.tracer import buffers

        return buffers.opened_perf_buffers(program, capture, request)


TRANSPORT = Perfbuf(
    name="perfbuf",
    title="the perf buffers",
    short="perf buffers",
    plural=True,
    variant="perfbuf",
    look=Look(colour="#D55E00", dark="#F28A3C", shape="square", dash=(6, 3)),
    rank=1,
    per_cpu=True,
    header_bytes=12,  # perf_event_header and the size of the raw sample
    least_records=4,  # with fewer, a storm loses so much that nothing is measured
    setting="page_cnt",
    in_pages=True,
    share=" for each CPU",
    wake_policy="wake up at every record (wakeup_events = 1, as bcc and libbpf do)",
)
