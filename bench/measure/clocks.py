# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Check that the times of one trial, read from three sides, can be of one clock.

The kernel stamps a record before the consumer can hold it, and the storm begins before its first
process exits: what came earlier than its cause was read from another clock, or from a broken one.
"""

from __future__ import annotations

import numpy as np

from bench.amounts import counted
from bench.measure.columns import blocks
from bench.record.records import Flag, Records
from workloads.storm import StormReport


def faults(records: Records, storm: StormReport) -> tuple[str, ...]:
    """Return in words what cannot be of one clock; () where everything agrees."""
    early = furthest_ns = before = 0
    for rows in blocks(records):
        ahead_ns = rows["timestamp_ns"].astype(np.int64) - rows["delivered_ns"].astype(np.int64)
        early += int(np.count_nonzero(ahead_ns > 0))
        furthest_ns = max(furthest_ns, int(ahead_ns.max()))
        own = (rows["flags"] & Flag.OWN) != 0
        before += int(np.count_nonzero(own & (rows["timestamp_ns"] < storm.start_ns)))
    found = []
    if early:
        found.append(
            f"clock fault: {counted(early, 'record was', 'records were')} delivered before "
            "their kernel timestamp, by up "
            f"to {furthest_ns:,} ns"
        )
    if before:
        found.append(f"clock fault: {before:,} of the storm's processes exited before it began")
    return tuple(found)
