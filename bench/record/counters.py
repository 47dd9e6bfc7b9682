# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold what the BPF program counted and timed; the ledger checks the records against its counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

Histogram = Sequence[tuple[int, int]]
"""Lowest ns of a bucket and its count, ascending: 16 buckets an octave, one per ns below 32 ns."""

_STEADY: Final = 0.9  # the quickest share of the writes, which leaves out interrupted ones
_HELD_UP_NS: Final = 100_000
_HELD_UP_TIMES: Final = 32
"""A write that took longer than these ns or medians was held up, mostly by the hypervisor. It
counts as one of that length; otherwise one of 20 ms would decide a storm's mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCounters:
    """Hold one CPU's counts. ``own``: of the storm's processes only."""

    cpu: int
    exits: int
    attempted: int
    dropped: dict[str, int] = field(default_factory=dict)  # cause ("refused", "ENOSPC") -> records
    own_exits: int = 0
    own_attempted: int = 0
    own_dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTimes:
    """Hold one trial's writes, of all processes: from before the stamp until the call returned."""

    written: int
    written_ns: int  # all of them together, the clock's own time included
    refused: int
    refused_ns: int
    clock_ns: float  # median between two readings of the clock with nothing between them
    histogram: tuple[tuple[int, int], ...]  # of those written: lowest ns of a bucket, count
    # Writes in each part of all windows, washout included, and their ns, clock time included,
    # those that were held up cut to the bound. () without windows.
    by_age: tuple[tuple[int, int], ...] = ()

    @property
    def write_ns(self) -> float | None:
        """Return the mean of the successful writes, less the clock; None if there was none.

        Writes that were held up are cut to the bound.
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
    """Return the mean of at least one count, writes that were held up cut to the bound."""
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
