# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One BPF ring buffer that all CPUs share."""

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


class Ringbuf:
    """BPF_MAP_TYPE_RINGBUF, Linux 5.8."""

    name = "ringbuf"
    variant = "ringbuf"

    def rings(self, cpus: tuple[int, ...]) -> int:  # noqa: ARG002
        """One, however many CPUs."""
        return 1

    def macros(self, producer: Producer, cpus: tuple[int, ...]) -> dict[str, int]:
        """Reserve and submit, or the output call."""
        return ring.macros(producer, rings=self.rings(cpus))

    def allocated(self, request: Request) -> AbstractContextManager[Allocation]:
        """The buffers alone."""
        return allocation.rings(request, count=1, data_bytes=request.budget_bytes)

    @contextmanager
    def open(self, program: Program, capture: Capture, request: Request) -> Iterator[Opened]:
        """One ring of the whole budget."""
        footprint = ringbuf_footprint(request.budget_bytes, page_bytes=request.page_bytes)
        with ring.opened(program, capture, request, [(0, request.budget_bytes)]) as (fds, drain):
            yield Opened(footprint=footprint, map_fds=tuple(fds), drain=drain, lost_told=dict)


TRANSPORT = Ringbuf()
