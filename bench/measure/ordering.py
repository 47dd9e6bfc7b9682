# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Examine the order of delivery: causal violations and, separately, timestamp inversions.

A parent that reaped its children exits after them, and must be delivered later.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.host.threads import beside
from bench.measure.columns import Integers, blocks, percentiles, select, stable_order
from bench.record.records import Flag, Records

_GOLDEN: Final = 0x9E3779B97F4A7C15  # odd, its bits spread out: Fibonacci hashing


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """Describe the order of one trial's own records, as delivered."""

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
    # numpy releases the interpreter's lock, so that the two run in parallel.
    with beside(partial(find_pairs, records, having=having), name="causal pairs") as awaited:
        times = _examine_times(records, having)
        causal = awaited.result()
    return replace(times, causal_pairs=causal.examined, causal_violations=causal.violations)


_END_OF_TIME_NS = np.iinfo(np.int64).max
"""Of int64: the end of time."""


def _examine_times(records: Records, having: int) -> Ordering:
    """Return everything but the causal pairs."""
    columns = select(records, ("timestamp_ns", "delivered_ns"), having=having)
    timestamp_ns, delivered_ns = columns["timestamp_ns"], columns["delivered_ns"]
    latest_ns = np.maximum.accumulate(timestamp_ns)
    lateness_ns = _lateness_ns(timestamp_ns, latest_ns)
    inversions = len(lateness_ns)
    names = [each.name for each in fields(Ordering)]
    if not inversions:
        return Ordering(**dict.fromkeys(names, 0))
    late_ns = percentiles(lateness_ns, (500, 990, 1000))
    del lateness_ns
    order = stable_order(timestamp_ns)
    displacement = percentiles(_displacement(order, inversions), (500, 990, 1000))
    held_ns = _held_ns(timestamp_ns, delivered_ns, latest_ns, order, late_ns[-1])
    cost_ns = percentiles(held_ns, (500, 990))
    window = late_ns[-1], displacement[-1]
    found = (0, 0, inversions, *late_ns, *displacement, *window, *cost_ns)
    return Ordering(**dict(zip(names, found, strict=True)))


def _lateness_ns(timestamp_ns: Integers, latest_ns: Integers) -> Integers:
    """Return how far behind the latest seen each inverted event was; others are left out."""
    parts = [np.empty(0, np.int64)]
    for own, latest in zip(blocks(timestamp_ns), blocks(latest_ns), strict=True):
        behind = latest - own
        parts.append(behind[behind > 0])
    return np.concatenate(parts)


def _displacement(order: Integers, inversions: int) -> Integers:
    """Count the places by which each inverted event came late, at least 0.

    An event that comes after its place was overtaken, so it is inverted. Other inverted events do
    not: at least as many older ones as had overtaken them were still to come.
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


class Pairs(NamedTuple):
    """Count pairs found, and how many of them were delivered parent first."""

    examined: int
    violations: int


def find_pairs(records: Records, *, having: int = 0) -> Pairs:
    """Find parents and children among the records whose flags have all of ``having``.

    Matched by pid and start time, if the parent's record says that it had no children left.
    Records 2..K of an exit take no part; of several of one process the first delivered counts.
    """
    rows = select(
        records,
        ("pid", "start_ns", "parent_pid", "parent_start_ns", "flags"),
        having=having,
        lacking=Flag.REPEAT,
    )
    pid, start_ns = rows["pid"], rows["start_ns"]
    children = np.arange(len(pid), dtype=np.int32)
    parents = children[(rows.pop("flags") & np.uint16(Flag.NO_CHILDREN)) != 0]
    examined = violated = salt = 0
    # A hash join. Where several parents want one slot the first delivered has it; the others, and
    # the children without a parent so far, meet again in the next round, under another hash.
    while len(parents) and len(children):
        bits = max(int(1.5 * len(parents)).bit_length(), 4)
        holders = np.full(1 << bits, -1, np.int32)
        for parent in reversed(list(blocks(parents))):
            slots = _slots(pid[parent], start_ns[parent], bits, salt)
            holders[slots[::-1]] = parent[::-1]
        orphans = []
        for child in blocks(children):
            sought_pid, sought_ns = rows["parent_pid"][child], rows["parent_start_ns"][child]
            holder = holders[_slots(sought_pid, sought_ns, bits, salt)]
            found = (pid[holder] == sought_pid) & (start_ns[holder] == sought_ns) & (holder >= 0)
            examined += int(np.count_nonzero(found))
            violated += int(np.count_nonzero(found & (holder < child)))
            orphans.append(child[~found & (holder >= 0)])
        losers = []
        for parent in blocks(parents):
            holder = holders[_slots(pid[parent], start_ns[parent], bits, salt)]
            lost = holder != parent
            loser, holder = parent[lost], holder[lost]
            other = (pid[loser] != pid[holder]) | (start_ns[loser] != start_ns[holder])
            losers.append(loser[other])
        parents, children = np.concatenate(losers), np.concatenate(orphans)
        salt += 1
    return Pairs(examined, violated)


def _slots(
    pid: npt.NDArray[np.uint32], start_ns: Integers, bits: int, salt: int
) -> npt.NDArray[np.uint64]:
    """Place processes in a table of ``1 << bits``, scattered differently by each salt."""
    key = start_ns.view(np.uint64)
    if not salt:
        # Processes of one time have successive pids: they stay neighbours here, and in the cache.
        key = (key >> np.uint64(27)) * np.uint64(_GOLDEN) >> np.uint64(40)
        key += pid
        key &= np.uint64((1 << bits) - 1)
        return key
    key = key ^ pid.astype(np.uint64) << np.uint64(40)
    key *= np.uint64(_GOLDEN * (2 * salt + 1) % (1 << 64))
    key >>= np.uint64(64 - bits)
    return key
