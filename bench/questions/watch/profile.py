# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Describe the samples of each buffer, as numbers and as a profile of its load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.questions.watch.buffers import Found, Inventory, Owner
from bench.report.document import pick
from bench.tracer.sampler import Sampler, Seen

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferData:
    """Hold one ring buffer, or all perf buffers of a process of the same size."""

    kind: str  # ring or perf
    map: int | None
    name: str
    owners: tuple[Owner, ...]
    buffers: int  # how many
    size_bytes: int  # of each
    used_bytes: int  # now, in all
    p99_bytes: int  # of the fullest, over the samples
    peak_bytes: int  # of the fullest
    bytes_per_s: float
    records_per_s: float  # including discarded ones
    peak_bytes_per_s: float  # over a tenth of a second, of the busiest
    full_in_s: float | None  # at that rate, if nothing were read; null: nothing was written
    absence_ms: float  # longest time that the reader left records unread
    discarded: int  # of a ring
    lost_told: int  # of perf buffers: losses reported by their records
    uncounted_bytes: int  # of records that were overwritten before they could be counted
    lengths: dict[int, int]  # records by their bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchData:
    """Hold the JSON output; ``format`` is raised when a key changes its meaning."""

    format: int
    seconds: float
    interval_ms: float  # between samples, on average, of the buffer sampled most often
    longest_interval_ms: float  # of the buffer sampled least often
    cpu_share: float  # of one CPU, used by watching
    buffers: tuple[BufferData, ...]
    unseen: tuple[str, ...]  # buffers that could not be examined


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Hold the load of one buffer over time."""

    buffer: BufferData
    bin_s: float
    bytes: tuple[int, ...]  # written in each bin
    records: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Hold the file that --output writes."""

    format: int
    release: str
    cpus: int
    loads: tuple[Load, ...]


def watched(sampler: Sampler, inventory: Inventory, *, seconds: float, cpu_s: float) -> WatchData:
    """Summarise ``seconds`` of samples, for which watching took ``cpu_s`` of a CPU."""
    seen = [[*map(sampler.seen, each.places)] for each in inventory.buffers]
    samples = [each.samples for those in seen for each in those]
    return WatchData(
        format=FORMAT,
        seconds=seconds,
        interval_ms=1e3 * seconds / max([1, *samples]),
        longest_interval_ms=1e3 * seconds / max(1, min(samples, default=1)),
        cpu_share=cpu_s / seconds if seconds else 0.0,
        buffers=tuple(
            _buffer(found, those, seconds)
            for found, those in zip(inventory.buffers, seen, strict=True)
        ),
        unseen=inventory.unseen,
    )


def profile(
    sampler: Sampler, inventory: Inventory, data: WatchData, *, release: str, cpus: int
) -> Profile:
    """Return the load of each buffer over time."""
    loads = []
    for found, buffer in zip(inventory.buffers, data.buffers, strict=True):
        lengths_ns, written, records = zip(*map(sampler.bins, found.places), strict=True)
        loads.append(
            Load(
                buffer=buffer,
                bin_s=lengths_ns[0] / 1e9,
                bytes=tuple(map(sum, zip(*written, strict=False))),
                records=tuple(map(sum, zip(*records, strict=False))),
            )
        )
    return Profile(format=FORMAT, release=release, cpus=cpus, loads=tuple(loads))


def _buffer(found: Found, seen: Sequence[Seen], seconds: float) -> BufferData:
    rate = max(each.peak_bytes_per_s for each in seen)
    lengths = sum((Counter(each.lengths) for each in seen), Counter[int]())
    return pick(
        BufferData,
        found,
        buffers=len(seen),
        used_bytes=sum(each.used_bytes for each in seen),
        p99_bytes=max(each.p99_bytes for each in seen),
        peak_bytes=max(each.peak_bytes for each in seen),
        bytes_per_s=sum(each.produced_bytes for each in seen) / seconds if seconds else 0.0,
        records_per_s=sum(each.records for each in seen) / seconds if seconds else 0.0,
        peak_bytes_per_s=rate,
        full_in_s=found.size_bytes / rate if rate else None,
        absence_ms=max(each.absence_ns for each in seen) / 1e6,
        discarded=sum(each.discarded for each in seen),
        lost_told=sum(each.lost for each in seen),
        uncounted_bytes=sum(each.uncounted_bytes for each in seen),
        lengths=dict(sorted(lengths.items())),
    )
