# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure what it takes to sort by stamp what one buffer for each CPU delivered.

The records of a trial go once more through what tracers put behind perf buffers, natively and
timed (bench/measure/release.pyx): a merge of what each round of reading brought, a heap with a
hold-back, queues with a watermark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from time import thread_time_ns
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.measure import ordering, release
from bench.measure.columns import Integers, percentiles, select, stable_order
from bench.record.records import CAPTURED, Records

IDLE_NS: Final = 20_000_000
"""A watermark waits no longer for a CPU that sends nothing; a drain by a timer takes 5 ms."""

_MOST: Final = 1 << 19  # records: what comes after them is left out


class Sorting(StrEnum):
    """How order is restored."""

    MERGE = "merge"  # of the records of all CPUs that one round of reading brought; none is held
    HEAP = "heap"  # each record is held until it is old enough
    WATERMARK = "watermark"  # ... until every CPU has sent a younger one, or nothing for IDLE_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """One trial's records after one way of sorting. Times and counts are of all processes'."""

    by: Sorting
    hold_ns: int  # of a heap the least that leaves no inversion in this trial
    records: int
    cpu_ns: int  # of the sorting alone: no timer, and no wake-up by one
    held_peak: int  # records
    held_bytes: int  # at the length of the longest
    added_p50_ns: int  # from delivery to release
    added_p99_ns: int
    inversions: int  # own records released after one with a later stamp
    causal_pairs: int
    causal_violations: int

    @property
    def cpu_s_per_million(self) -> float:
        """Return CPU seconds that a million records would take; 0 without any."""
        return self.cpu_ns / self.records / 1e3 if self.records else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """Records in the order of delivery, their columns, and where each round begins."""

    records: Records
    stamp_ns: Integers
    delivered_ns: Integers
    cpu: npt.NDArray[np.uint16]  # counted from 0
    cpus: int
    rounds: Integers


def restore(records: Records, cpus: Iterable[int] = ()) -> tuple[Restored, ...]:
    """Restore the order of records from one buffer for each CPU, in every way; () without any.

    ``cpus`` have a buffer, whether or not they sent something.
    """
    if not len(records):
        return ()
    stream = _stream(records[:_MOST], cpus)
    return (
        _restored(stream, Sorting.MERGE, 0),
        _restored(stream, Sorting.HEAP, _least_hold_ns(stream)),
        _restored(stream, Sorting.WATERMARK, IDLE_NS),
    )


def _stream(records: Records, cpus: Iterable[int]) -> _Stream:
    columns = select(records, ("timestamp_ns", "delivered_ns", "cpu"))
    known = np.union1d(columns["cpu"], np.array([*cpus], np.uint16))
    cpu = np.searchsorted(known, columns["cpu"]).astype(np.uint16)
    begins = np.empty(len(records), np.int64)
    count = release.begin_rounds(columns["timestamp_ns"], columns["delivered_ns"], cpu, begins)
    return _Stream(
        records=np.ascontiguousarray(records),
        stamp_ns=columns["timestamp_ns"],
        delivered_ns=columns["delivered_ns"],
        cpu=cpu,
        cpus=len(known),
        rounds=begins[:count],
    )


def _least_hold_ns(stream: _Stream) -> int:
    count = len(stream.records)
    lists = np.empty((3, count + 1), np.int64)
    return release.least_hold_ns(
        stream.stamp_ns, stream.delivered_ns, stream.rounds, stable_order(stream.stamp_ns), *lists
    )


def _restored(stream: _Stream, by: Sorting, hold_ns: int) -> Restored:
    count = len(stream.records)
    rows = stream.records.view(np.uint8).reshape(count, CAPTURED.itemsize)
    order, released_ns = np.full((2, count), -1, np.int64)
    begun_ns = thread_time_ns()
    restorer = release.Restorer(
        count,
        CAPTURED.itemsize,
        stream.cpus,
        by_cpu=by is not Sorting.HEAP,
        slowest=by is Sorting.WATERMARK,
    )
    restorer.run(
        rows,
        stream.stamp_ns,
        stream.delivered_ns,
        stream.cpu,
        stream.rounds,
        hold_ns,
        order,
        released_ns,
    )
    cpu_ns = thread_time_ns() - begun_ns
    added = percentiles(released_ns - stream.delivered_ns[order], (500, 990))
    after = ordering.examine(stream.records[order])
    return Restored(
        by=by,
        hold_ns=hold_ns,
        records=count,
        cpu_ns=cpu_ns,
        held_peak=restorer.held_peak,
        held_bytes=restorer.held_peak * int(stream.records["length"].max()),
        added_p50_ns=added[0],
        added_p99_ns=added[1],
        inversions=after.inversions,
        causal_pairs=after.causal_pairs,
        causal_violations=after.causal_violations,
    )
