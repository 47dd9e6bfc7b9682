# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold what the BPF program counted and timed; the ledger checks the records against its counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

Histogram = Sequence[tuple[int, int]]
"""Lowest ns of a bucket and its count, ascending: 16 buckets an octave, below 32 ns one a ns."""

_STEADY: Final = 0.9  # share of the writes, the quickest, without those that were interrupted
_HELD_UP_NS: Final = 100_000
_HELD_UP_TIMES: Final = 32
"""A write that took longer than either, in ns and in medians, was held up: by the hypervisor,
most often. It counts as one that long; one of 20 ms would else be all that a storm says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCounters:
    """One CPU's counts. ``own``: of the storm's processes only."""

    cpu: int
    exits: int
    attempted: int
    dropped: dict[str, int] = field(default_factory=dict)  # cause ("refused", "ENOSPC") -> records
    own_exits: int = 0
    own_attempted: int = 0
    own_dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTimes:
    """One trial's writes, of all processes: from before the stamp until the call has returned."""

    written: int
    written_ns: int  # all of them together, the clock's own time included
    refused: int
    refused_ns: int
    clock_ns: float  # median between two readings of the clock with nothing between them
    histogram: tuple[tuple[int, int], ...]  # of those written: lowest ns of a bucket, count
    # Those written in each part of all windows, the washout's too, and their ns with the clock's
    # own, one that was held up as no longer than a bound. () without windows.
    by_age: tuple[tuple[int, int], ...] = ()

    @property
    def write_ns(self) -> float | None:
        """Return the mean of the successful writes, less the clock; None if there was none.

        Those that were held up count as no longer than the bound.
        """
        return mean(self.histogram) - self.clock_ns if self._counted else None

    @property
    def steady_write_ns(self) -> float | None:
        """Return the mean of the quickest 90 % of them, less the clock; None without any."""
        return lower_mean(self.histogram, _STEADY) - self.clock_ns if self._counted else None

    @property
    def _counted(self) -> int:
        return sum(count for _, count in self.histogram)

    @property
    def refused_write_ns(self) -> float | None:
        """Return the mean of the refused writes, less the clock; None if there was none."""
        return self.refused_ns / self.refused - self.clock_ns if self.refused else None


def mean(histogram: Histogram) -> float:
    """Return the mean of the counts, of at least one, with those that were held up at the bound."""
    longest_ns = max(_HELD_UP_NS, _HELD_UP_TIMES * median(histogram))
    middles = ((low + (_width_ns(low) - 1) / 2, count) for low, count in histogram)
    total = sum(count * min(middle, longest_ns) for middle, count in middles)
    return total / sum(count for _, count in histogram)


def lower_mean(histogram: Histogram, share: float) -> float:
    """Return the mean of the lowest ``share`` of the counts, each in the middle of its bucket."""
    wanted = left = share * sum(count for _, count in histogram)
    total = 0.0
    for lowest_ns, count in histogram:
        taken = min(count, left)
        total += taken * (lowest_ns + (_width_ns(lowest_ns) - 1) / 2)
        left -= taken
    return total / wanted


def median(histogram: Histogram) -> float:
    """Return the median of the counts, each bucket's spread evenly over it; 0 without any."""
    left = sum(count for _, count in histogram) / 2
    for lowest_ns, count in histogram:
        if count >= left > 0:
            return lowest_ns - 0.5 + _width_ns(lowest_ns) * left / count
        left -= count
    return 0.0


def _width_ns(lowest_ns: int) -> int:
    return 1 << max(lowest_ns.bit_length() - 5, 0)
