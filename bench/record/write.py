# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How long a tracer's writes took in the kernel, as its BPF program timed them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTimes:
    """One trial's writes, of all processes: from before the stamp until the call has returned."""

    written: int
    written_ns: int  # all of them together, the clock's own time included
    refused: int
    refused_ns: int
    clock_ns: float  # mean between two readings of the clock with nothing between them
    histogram: tuple[tuple[int, int], ...]  # of those written: lowest ns of a bucket, count

    @property
    def write_ns(self) -> float | None:
        """Mean of the successful writes, less the clock; None if there was none."""
        return self.written_ns / self.written - self.clock_ns if self.written else None

    @property
    def refused_write_ns(self) -> float | None:
        """Mean of the refused writes, less the clock; None if there was none."""
        return self.refused_ns / self.refused - self.clock_ns if self.refused else None
