# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sample memory, files, threads, BPF programs and maps of this process: do they stay flat?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import psutil

FEWEST_SAMPLES: Final = 8
_WARM_UP: Final = 0.25  # share of the samples
_MOST_GROWTH: Final = 0.05  # of memory, over all that follows the warm-up
_SLACK_BYTES: Final = 12 << 20
"""Programs that first come up late leave this much in the compiler's heap (10 MiB in 3 min)."""
NAMES: Final = {
    "rss_bytes": "resident memory",
    "open_files": "open files",
    "threads": "threads",
    "programs": "BPF programs",
    "maps": "BPF maps",
    "children": "child processes",
}
COUNTS: Final = tuple(NAMES)[1:]
_DESCRIPTORS: Final = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Hold what this process had between two rounds, when no trial should have left anything."""

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
    """Compare the two halves of the time after the warm-up, for one quantity."""

    what: str  # a field of Sample
    before: float  # median of the first half
    after: float  # median of the second half
    flat: bool


def look(*, elapsed_s: float, trials: int) -> Sample:
    """Return a sample of this process, from /proc alone: bpf() calls would disturb others."""
    kinds = Counter(_kind(name) for name in os.listdir(_DESCRIPTORS))  # noqa: PTH208  closes its own
    this = psutil.Process()
    return Sample(
        elapsed_s=elapsed_s,
        trials=trials,
        rss_bytes=this.memory_info().rss,
        open_files=this.num_fds(),
        threads=this.num_threads(),
        programs=kinds["bpf-prog"],
        maps=kinds["bpf-map"],
        children=len(this.children(recursive=True)),
    )


def _kind(name: str) -> str:
    """Return "bpf-map" for anon_inode:bpf-map; "" for a descriptor that is closed by now."""
    try:
        target = str((_DESCRIPTORS / name).readlink())
    except OSError:
        return ""
    return target.removeprefix("anon_inode:").strip("[]")


def flatness(samples: Sequence[Sample]) -> tuple[Flatness, ...]:
    """Judge each quantity; () with fewer than 8 samples, which are too few.

    A count is flat if the second half never holds more than the first half did. Memory is flat if
    the median of the second half is at most 5 %, or 12 MiB, above that of the first: an allocator
    keeps and splits what it has, so that single samples go up and down.
    """
    if len(samples) < FEWEST_SAMPLES:
        return ()
    warm = samples[int(len(samples) * _WARM_UP) :]
    halves = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    found = []
    for what in NAMES:
        first, second = (np.array([getattr(each, what) for each in half]) for half in halves)
        before, after = float(np.median(first)), float(np.median(second))
        flat = (
            after - before <= max(before * _MOST_GROWTH, _SLACK_BYTES)
            if what == "rss_bytes"
            else bool(second.max() <= first.max())
        )
        found.append(Flatness(what=what, before=before, after=after, flat=flat))
    return tuple(found)
