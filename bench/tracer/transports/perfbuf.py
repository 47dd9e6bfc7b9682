# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Use one perf buffer for each online CPU: BPF_MAP_TYPE_PERF_EVENT_ARRAY, Linux 4.3."""

from __future__ import annotations

from bench.plan.traits import Look
from bench.tracer.transport import Transport

TRANSPORT = Transport(
    name="perfbuf",
    title="the perf buffers",
    short="perf buffers",
    made_by="perf_buffers",
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
