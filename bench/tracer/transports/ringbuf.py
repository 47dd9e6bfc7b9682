# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Use one BPF ring buffer that all CPUs share."""

from __future__ import annotations

from collections.abc import Mapping

from bench.plan.traits import Look
from bench.tracer.transport import BufferRequest, Transport


class Ringbuf(Transport):
    """Send by one BPF_MAP_TYPE_RINGBUF, Linux 5.8."""

    def slots(self, request: BufferRequest) -> Mapping[tuple[int, ...], int]:
        """Return the data bytes of each ring by its slots in the program's array."""
        return {(0,): request.config.budget_bytes}


TRANSPORT = Ringbuf(
    name="ringbuf",
    title="the ring buffer",
    short="ring",
    made_by="rings",
    variant="ringbuf",
    look=Look(colour="#0072B2", dark="#56B4E9", shape="circle", dash=(1, 0)),
    rank=0,
    ordered=True,
    calls=True,
    wakes_seen=True,
)
