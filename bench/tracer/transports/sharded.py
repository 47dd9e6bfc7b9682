# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One ring buffer for each online CPU, all consumed together: the ring's answer to contention."""

from __future__ import annotations

from collections.abc import Mapping

from bench.linux.pages import PAGE_BYTES
from bench.plan.traits import Look
from bench.tracer.transport import Request
from bench.tracer.transports.ringbuf import Ringbuf


class Sharded(Ringbuf):
    """BPF_MAP_TYPE_RINGBUF in every slot of an array of maps, chosen by the CPU's number."""

    def rings(self, cpus: tuple[int, ...]) -> int:
        """Return the slots for all CPUs up to the highest online; those offline stay empty."""
        return cpus[-1] + 1

    def slots(self, request: Request) -> Mapping[int, int]:
        """Return an equal share of the budget for each CPU, as large for the others."""
        return dict.fromkeys(request.cpus, request.pages_per_cpu() * PAGE_BYTES)


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
