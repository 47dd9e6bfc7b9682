# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sample a timeline of one trial: some of its records, its gaps and its occupancy.

Everything is relative to ``origin_ns``, so that a line of the journal stays short: 60 kB at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.measure.columns import Integers, select
from bench.record.records import Records

MOST_POINTS: Final = 1_400
MOST_CLOSE: Final = 160
MOST_GAPS: Final = 200
MOST_SAMPLES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Hold records in the order of delivery; times in ns after the origin."""

    kernel_ns: tuple[int, ...]
    delivered_ns: tuple[int, ...]
    cpu: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.cpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Count records of one CPU that were dropped between two that were delivered."""

    cpu: int
    begin_ns: int  # kernel time of the record before the gap; of the first one 0
    end_ns: int  # kernel time of the record after it
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Hold the data of a chart of one trial."""

    origin_ns: int  # CLOCK_MONOTONIC: when the storm began
    records: int  # delivered, of which ``sampled`` is a part
    sampled: Points  # evenly spaced in the order of delivery
    close: Points  # consecutive records around the one that came latest
    close_first: int  # place of the first of those among all delivered
    gaps: tuple[Gap, ...]  # the largest, in order of time
    gaps_left_out: int
    used_at_ns: tuple[int, ...]  # occupancy samples, times after the origin
    used_bytes: tuple[int, ...]


def trace(records: Records, occupancy: npt.NDArray[np.uint64], *, origin_ns: int) -> Timeline:
    """Make the timeline of ``records``, delivered in this order, of all processes.

    ``occupancy``: shape (n, 2), CLOCK_MONOTONIC ns and bytes not yet read.
    """
    columns = select(records, ("timestamp_ns", "delivered_ns", "cpu"))
    kernel_ns = columns["timestamp_ns"] - origin_ns
    delivered_ns = columns["delivered_ns"] - origin_ns
    cpu = columns["cpu"].astype(np.int64)

    def points(rows: Integers) -> Points:
        return Points(
            kernel_ns=_plain(kernel_ns[rows]),
            delivered_ns=_plain(delivered_ns[rows]),
            cpu=_plain(cpu[rows]),
        )

    close = _around_the_latest(kernel_ns)
    gaps = _gaps(records, kernel_ns)
    largest = sorted(gaps, key=lambda gap: -gap.dropped)[:MOST_GAPS]
    kept = sorted(largest, key=lambda gap: gap.begin_ns)
    samples = occupancy[_spread(len(occupancy), MOST_SAMPLES)].astype(np.int64)
    return Timeline(
        origin_ns=origin_ns,
        records=len(records),
        sampled=points(_spread(len(records), MOST_POINTS)),
        close=points(close),
        close_first=int(close[0]) if len(close) else 0,
        gaps=tuple(kept),
        gaps_left_out=len(gaps) - len(kept),
        used_at_ns=_plain(samples[:, 0] - origin_ns),
        used_bytes=_plain(samples[:, 1]),
    )


def _plain(values: Integers) -> tuple[int, ...]:
    return tuple(values.tolist())


def _spread(count: int, most: int) -> Integers:
    """Return at most ``most`` of ``count`` positions, evenly spaced, both ends included."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def _around_the_latest(kernel_ns: Integers) -> Integers:
    """Return positions around the record that lies furthest behind the latest seen.

    Where all are in order it is the first one.
    """
    if not len(kernel_ns):
        return np.empty(0, np.int64)
    behind = np.maximum.accumulate(kernel_ns) - kernel_ns
    middle = int(behind.argmax())
    first = max(0, min(middle - MOST_CLOSE // 2, len(kernel_ns) - MOST_CLOSE))
    return np.arange(first, min(first + MOST_CLOSE, len(kernel_ns)))


def _gaps(records: Records, kernel_ns: Integers) -> list[Gap]:
    """Find where a CPU's sequence numbers jump; losses after its last record leave no gap."""
    sequence, cpu = records["sequence"].astype(np.int64), records["cpu"].astype(np.int64)
    rows = np.lexsort((sequence, cpu))
    first = np.diff(cpu[rows], prepend=-1) != 0
    missing = np.where(first, sequence[rows], np.diff(sequence[rows], prepend=-1) - 1)
    return [
        Gap(
            cpu=int(cpu[rows[place]]),
            begin_ns=0 if first[place] else int(kernel_ns[rows[place - 1]]),
            end_ns=int(kernel_ns[rows[place]]),
            dropped=int(missing[place]),
        )
        for place in np.flatnonzero(missing > 0).tolist()
    ]
