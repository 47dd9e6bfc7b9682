# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure what it takes to sort by timestamp the records that one buffer for each CPU delivered.

The records of a trial are sorted again, natively and timed (bench/measure/release.pyx), in the ways
of tracers that use perf buffers: a merge of the records of each round of reading, a heap with a
hold-back, queues with a watermark. The heap's hold-back is the least that restores order, which
only the whole trial shows, and each of those that tools fix in advance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from time import thread_time_ns
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.measure import ordering, release
from bench.measure.columns import Integers, percentiles, select, stable_order
from bench.measure.ordering import Ordering
from bench.record.records import CAPTURED, Records

IDLE_NS: Final = 20_000_000
"""A watermark waits no longer for a CPU that sends nothing; a drain by a timer takes 5 ms."""

_MOST: Final = 1 << 19  # records: what comes after them is left out


class Sorting(StrEnum):
    """Name the ways to restore order."""

    MERGE = "merge"  # of the records of all CPUs from one round of reading; none is held
    HEAP_1MS = "heap_1ms"  # each record is held until it is this old
    HEAP_10MS = "heap_10ms"
    HEAP_100MS = "heap_100ms"
    HEAP = "heap"  # ... until it is old enough for all to be in order
    WATERMARK = "watermark"  # ... until every CPU has sent a younger one, or nothing for IDLE_NS

    @property
    def hold_ns(self) -> int | None:
        """Return how long a record is held at most; None where the trial decides."""
        return _HOLD_NS.get(self)

    @property
    def by_cpu(self) -> bool:
        """Return whether records are held in a queue for each CPU, not in a heap."""
        return self in (Sorting.MERGE, Sorting.WATERMARK)

    @property
    def fixed(self) -> bool:
        """Return whether it is a heap whose hold-back was chosen in advance."""
        return not self.by_cpu and self.hold_ns is not None


_HOLD_NS: Final = {
    Sorting.MERGE: 0,
    Sorting.HEAP_1MS: 1_000_000,
    Sorting.HEAP_10MS: 10_000_000,
    Sorting.HEAP_100MS: 100_000_000,
    Sorting.WATERMARK: IDLE_NS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Describe one way of sorting a trial's records. Times and counts are of all processes'."""

    by: Sorting
    hold_ns: int  # of HEAP the least that leaves no inversion in this trial
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
    """Hold columns of records in the order of delivery, where each round begins, and the CPUs."""

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
    least_ns = _least_hold_ns(stream)

    @cache  # several ways may give the same order
    def examine(order: bytes) -> Ordering:
        return ordering.examine(records[np.frombuffer(order, np.int64)])

    return tuple(
        _restored(records, stream, by, least_ns if by.hold_ns is None else by.hold_ns, examine)
        for by in Sorting
    )


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


def _restored(
    records: Records,
    stream: _Stream,
    by: Sorting,
    hold_ns: int,
    examine: Callable[[bytes], Ordering],
) -> Restored:
    count, width = len(records), CAPTURED.itemsize
    rows = records.view(np.uint8).reshape(count, width)
    order, released_ns = np.full((2, count), -1, np.int64)
    slowest = by is Sorting.WATERMARK
    begun_ns = thread_time_ns()
    restorer = release.Restorer(count, width, stream.cpus, by_cpu=by.by_cpu, slowest=slowest)
    restorer.run(rows, *stream[:4], hold_ns, order, released_ns)
    cpu_ns = thread_time_ns() - begun_ns
    added = percentiles(released_ns - stream.delivered_ns[order], (500, 990))
    after = examine(order.tobytes())
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
