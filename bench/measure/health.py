# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Whether what a long run holds stays flat: memory, files, threads, BPF programs and maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

FEWEST_SAMPLES: Final = 8
_WARM_UP: Final = 0.25  # share of the samples
_MOST_GROWTH: Final = 0.05  # of memory, over all that follows the warm-up
_SLACK_BYTES: Final = 12 << 20
"""What kinds of programs that come up late leave in the compiler's heap (seen: 10 MiB in 3 min)."""
COUNTS: Final = ("open_files", "threads", "programs", "maps", "children")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the harness held between two rounds, when it should hold nothing but itself."""

    elapsed_s: float
    trials: int  # run so far
    rss_bytes: int
    open_files: int
    threads: int
    programs: int
    maps: int
    children: int  # processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatness:
    """How one quantity went after the warm-up."""

    what: str  # a field of Sample
    before: float  # median of the first half
    after: float  # median of the second half
    flat: bool


def flatness(samples: Sequence[Sample]) -> tuple[Flatness, ...]:
    """Each quantity in turn; () with fewer than 8 samples, which say nothing.

    A count is flat if the second half never holds more than the first half did. Memory is flat if
    the median of the second half is at most 5 %, or 12 MiB, above that of the first: an allocator
    keeps and splits what it has, so that single samples go up and down.
    """
    if len(samples) < FEWEST_SAMPLES:
        return ()
    warm = samples[int(len(samples) * _WARM_UP) :]
    halves = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    found = []
    for what in ("rss_bytes", *COUNTS):
        first, second = (np.array([getattr(each, what) for each in half]) for half in halves)
        before, after = float(np.median(first)), float(np.median(second))
        flat = (
            after - before <= max(before * _MOST_GROWTH, _SLACK_BYTES)
            if what == "rss_bytes"
            else bool(second.max() <= first.max())
        )
        found.append(Flatness(what=what, before=before, after=after, flat=flat))
    return tuple(found)
