# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure what it takes to sort by timestamp the records that one buffer for each CPU delivered.

The records of a trial are sorted again, natively and timed (bench/measure/release.pyx), in the ways
of tracers that use perf buffers: a merge of what each round of reading brought, a heap with a
hold-back, queues with a watermark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from time import thread_time_ns
from typing import Final, NamedTuple

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


class _Stream(NamedTuple):
    """Columns of records in the order of delivery, where each round begins, and the CPUs."""

    stamp_ns: Integers
    delivered_ns: Integers
    cpu: npt.NDArray[np.uint16]  # counted from 0
    rounds: Integers
    cpus: int


def restore(records: Records, cpus: Iterable[int] = ()) -> tuple[Restored, ...]:
    """Restore the order of records from one buffer for each CPU, in every way; () without any.

    ``cpus`` have a buffer, whether or not they sent something.
    """
    if not len(records):
        return ()
    records = np.ascontiguousarray(records[:_MOST])
    stream = _stream(records, cpus)
    ways = {Sorting.MERGE: 0, Sorting.HEAP: _least_hold_ns(stream), Sorting.WATERMARK: IDLE_NS}
    return tuple(_restored(records, stream, by, hold_ns) for by, hold_ns in ways.items())


def _stream(records: Records, cpus: Iterable[int]) -> _Stream:
    stamp_ns, delivered_ns, of = select(records, ("timestamp_ns", "delivered_ns", "cpu")).values()
    known = np.union1d(of, np.array([*cpus], np.uint16))
    cpu = np.searchsorted(known, of).astype(np.uint16)
    begins = np.empty(len(records), np.int64)
    count = release.begin_rounds(stamp_ns, delivered_ns, cpu, begins)
    return _Stream(stamp_ns, delivered_ns, cpu, begins[:count], len(known))


def _least_hold_ns(stream: _Stream) -> int:
    stamp_ns, delivered_ns, _, rounds, _ = stream
    lists = np.empty((3, len(stamp_ns) + 1), np.int64)
    return release.least_hold_ns(stamp_ns, delivered_ns, rounds, stable_order(stamp_ns), *lists)


def _restored(records: Records, stream: _Stream, by: Sorting, hold_ns: int) -> Restored:
    count, width = len(records), CAPTURED.itemsize
    rows = records.view(np.uint8).reshape(count, width)
    order, released_ns = np.full((2, count), -1, np.int64)
    of_cpu, slowest = by is not Sorting.HEAP, by is Sorting.WATERMARK
    begun_ns = thread_time_ns()
    restorer = release.Restorer(count, width, stream.cpus, by_cpu=of_cpu, slowest=slowest)
    restorer.run(rows, *stream[:4], hold_ns, order, released_ns)
    cpu_ns = thread_time_ns() - begun_ns
    added = percentiles(released_ns - stream.delivered_ns[order], (500, 990))
    after = ordering.examine(records[order])
    return Restored(
        by=by,
        hold_ns=hold_ns,
        records=count,
        cpu_ns=cpu_ns,
        held_peak=restorer.held_peak,
        held_bytes=restorer.held_peak * int(records["length"].max()),
        added_p50_ns=added[0],
        added_p99_ns=added[1],
        inversions=after.inversions,
        causal_pairs=after.causal_pairs,
        causal_violations=after.causal_violations,
    )
