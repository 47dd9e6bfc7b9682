# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Examine the order of delivery: causal violations, and apart from them timestamp inversions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

import numpy as np

from bench.measure.causality import find_pairs
from bench.measure.columns import Integers, blocks, percentiles, select, stable_order
from bench.record.records import Flag, Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """Order of one trial's own records, as delivered."""

    causal_pairs: int  # parent and child both delivered, the parent without children left
    causal_violations: int  # of those, delivered parent first
    inversions: int  # events delivered after one with a later kernel timestamp
    lateness_p50_ns: int  # over the inverted events: ns behind the latest seen; 0 without any
    lateness_p99_ns: int
    lateness_max_ns: int
    displacement_p50: int  # over the same: positions behind the place by timestamp
    displacement_p99: int
    displacement_max: int
    window_ns: int  # hold-back that would have restored order, by time
    window_events: int  # the same, by events held
    window_cost_p50_ns: int  # latency that holding back window_ns would have added
    window_cost_p99_ns: int


def examine(records: Records) -> Ordering:
    """Examine the order of the storm's own records, or of all if none is the storm's.

    A causal pair is a child and its parent, matched by pid and start time, if the parent's record
    says that it had no children left; records 2..K of an exit take no part. Of several records of
    one process the first delivered counts. Percentiles are nearest-rank.
    """
    having = Flag.OWN if any((rows["flags"] & Flag.OWN).any() for rows in blocks(records)) else 0
    # numpy lets go of the interpreter's lock, so the two really run beside each other.
    with ThreadPoolExecutor(1) as beside:
        awaited = beside.submit(find_pairs, records, having=having)
        times = _examine_times(records, having)
        causal = awaited.result()
    return replace(times, causal_pairs=causal.examined, causal_violations=causal.violations)


_END_OF_TIME_NS = np.iinfo(np.int64).max
"""Of int64: what would be due later never is."""


def _examine_times(records: Records, having: int) -> Ordering:
    """Return all but the causal pairs."""
    columns = select(records, ("timestamp_ns", "delivered_ns"), having=having)
    timestamp_ns, delivered_ns = columns["timestamp_ns"], columns["delivered_ns"]
    latest_ns = np.maximum.accumulate(timestamp_ns)
    lateness_ns = _lateness_ns(timestamp_ns, latest_ns)
    inversions = len(lateness_ns)
    if not inversions:
        return Ordering(**dict.fromkeys((each.name for each in fields(Ordering)), 0))
    late_ns = percentiles(lateness_ns, (500, 990, 1000))
    del lateness_ns
    order = stable_order(timestamp_ns)
    displacement = percentiles(_displacement(order, inversions), (500, 990, 1000))
    held_ns = _held_ns(timestamp_ns, delivered_ns, latest_ns, order, late_ns[-1])
    cost_ns = percentiles(held_ns, (500, 990))
    return Ordering(
        causal_pairs=0,
        causal_violations=0,
        inversions=inversions,
        lateness_p50_ns=late_ns[0],
        lateness_p99_ns=late_ns[1],
        lateness_max_ns=late_ns[2],
        displacement_p50=displacement[0],
        displacement_p99=displacement[1],
        displacement_max=displacement[2],
        window_ns=late_ns[2],
        window_events=displacement[2],
        window_cost_p50_ns=cost_ns[0],
        window_cost_p99_ns=cost_ns[1],
    )


def _lateness_ns(timestamp_ns: Integers, latest_ns: Integers) -> Integers:
    """Return how far behind the latest seen each inverted event was; others are left out."""
    parts = [np.empty(0, np.int64)]
    for own, latest in zip(blocks(timestamp_ns), blocks(latest_ns), strict=True):
        behind = latest - own
        parts.append(behind[behind > 0])
    return np.concatenate(parts)


def _displacement(order: Integers, inversions: int) -> Integers:
    """Count the places by which each inverted event came late, at least 0.

    Who comes after its place was overtaken, so it is inverted. The other inverted events do not:
    at least as many older ones as had overtaken them were still to come.
    """
    displacement = np.zeros(inversions, np.int64)
    place = filled = 0
    for event in blocks(order):
        behind = event - np.arange(place, place + len(event))
        behind = behind[behind > 0]
        displacement[filled : filled + len(behind)] = behind
        place += len(event)
        filled += len(behind)
    return displacement


def _held_ns(
    timestamp_ns: Integers,
    delivered_ns: Integers,
    latest_ns: Integers,
    order: Integers,
    window_ns: int,
) -> Integers:
    """Return how long each event waits for one ``window_ns`` younger, or for the end.

    Takes over the memory of ``order``.
    """
    for event in blocks(order):
        due_ns = np.minimum(timestamp_ns[event], _END_OF_TIME_NS - window_ns) + window_ns
        # Due times ascend as the latest do: a slice of them, within the cache's reach, will do.
        first, last = np.searchsorted(latest_ns, due_ns[[0, -1]])
        release = np.searchsorted(latest_ns[first:last], due_ns) + first
        np.maximum(release, event, out=release)
        np.minimum(release, len(order) - 1, out=release)
        np.subtract(delivered_ns[release], delivered_ns[event], out=event)
    return order
