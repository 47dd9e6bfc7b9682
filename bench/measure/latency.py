# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure latency: from the kernel timestamp to the moment the consumer held the record.

The times of one trial are read in three places, and must come from one clock. The kernel stamps a
record before the consumer can hold it, and the storm begins before its first process exits: an
event earlier than its cause was timed by another clock, or by a broken one.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.amounts import counted, time
from bench.measure.columns import Integers, blocks, percentiles, select
from bench.measure.counts import packed
from bench.record.records import Flag, Records
from workloads.storm import StormReport

HIGHEST_NS: Final = 3_600_000_000_000
"""One hour: the histogram counts what is longer as one hour."""

NAMES: Final = ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")
_PERMILLES: Final = (500, 900, 990, 999, 1000)
DIGITS: Final = 3
# A float64 above this bit holds the exponent and 10 bits of mantissa: exactly the bins that an
# HdrHistogram of 3 digits has from 1,024 on; below, each integer has a bin of its own.
_BIN_SHIFT: Final = 42
_BIN_OF_ONE: Final = 1023 << 10
_WIDER_NS: Final = 1024
_BINS_BELOW: Final = (9 << 10) + 1
"""Offset of the numbers of these bins from those of the histogram, from 1,024 ns on."""
_COOKIE: Final = 0x1C849313  # V2
_COMPRESSED_COOKIE: Final = 0x1C849314
_OUTER: Final = struct.Struct(">II")  # cookie, bytes that follow
_HEADER: Final = struct.Struct(">IIIIQQd")
"""Cookie, bytes that follow, offset of the bins, digits, lowest and highest value, ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Hold percentiles of latency, in ns."""

    count: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Percentiles):
    """Hold the latency of a trial's delivered records, percentiles exact; zeros without records."""

    histogram: str  # HdrHistogram V2, base64; 1 ns to 1 h, 3 significant digits
    # The most by which each is too long, and of how many records; None: not recorded.
    error: Percentiles | None = None


def clock_faults(records: Records, storm: StormReport) -> tuple[str, ...]:
    """Return in words what contradicts a single clock; () where everything agrees."""
    early = furthest_ns = before = 0
    for rows in blocks(records):
        ahead_ns = rows["timestamp_ns"].astype(np.int64) - rows["delivered_ns"].astype(np.int64)
        early += int(np.count_nonzero(ahead_ns > 0))
        furthest_ns = max(furthest_ns, int(ahead_ns.max()))
        own = (rows["flags"] & Flag.OWN) != 0
        before += int(np.count_nonzero(own & (rows["timestamp_ns"] < storm.start_ns)))
    found = []
    if early:
        found.append(
            f"clock fault: {counted(early, 'record was', 'records were')} delivered before "
            "their kernel timestamp, by up "
            f"to {time(furthest_ns)}"
        )
    if before:
        found.append(f"clock fault: {before:,} of the storm's processes exited before it began")
    return tuple(found)


def measure(records: Records, capture: Records | None = None) -> Latency:
    """Measure the latency of every record, the storm's own or not.

    Percentiles are nearest-rank, so each is a latency that occurred. Not to be used
    where clock_faults() finds any. ``capture``: all records of the trial, where these are only
    some of them.
    """
    latencies, filled = np.empty(len(records), np.int64), 0
    for rows in blocks(records):  # two columns of all records at once would take as much again
        part = latencies[filled : filled + len(rows)]
        np.subtract(rows["delivered_ns"], rows["timestamp_ns"], out=part.view(np.uint64))
        filled += len(rows)
    histogram = _histogram(latencies)
    errors = errors_ns(records, records if capture is None else capture)
    # No latency is shorter than these, so neither is a percentile.
    shortest = percentiles(latencies - errors, _PERMILLES)
    longest = percentiles(latencies, _PERMILLES)
    inexact = [long - short for long, short in zip(longest, shortest, strict=True)]
    return Latency(
        **named(len(records), longest),
        histogram=histogram,
        error=Percentiles(**named(int(np.count_nonzero(errors)), inexact)),
    )


def errors_ns(records: Records, capture: Records) -> Integers:
    """Return by how much each of ``records``, all from ``capture``, may precede its stamp.

    Behind a backlog records share stamps. The capture stamps in ascending order, and a record that
    shares its stamp was held after the previous stamp (bench/tracer/capture/rows.pxd).
    """
    stamps = np.sort(select(capture, ("delivered_ns",))["delivered_ns"])
    first = np.flatnonzero(np.diff(stamps, prepend=-1))
    since_ns = np.diff(stamps[first], prepend=stamps[:1])
    shared = np.diff(first, append=len(stamps)) > 1
    if not shared.any():
        return np.zeros(len(records), np.int64)
    delivered_ns = select(records, ("delivered_ns",))["delivered_ns"]
    found: Integers = np.where(shared, since_ns, 0)[np.searchsorted(stamps[first], delivered_ns)]
    return found


def named(count: int, found: Sequence[int]) -> dict[str, int]:
    """Return ``Percentiles`` by name: how many records there are, and ns of each percentile."""
    return {"count": count, **dict(zip(NAMES, found, strict=True))}


def _histogram(latencies: Integers) -> str:
    counts = np.zeros(0, np.int64)
    for part in blocks(latencies, 1 << 19):
        bins = np.minimum(part, HIGHEST_NS).astype(np.float64).view(np.int64)
        bins >>= _BIN_SHIFT
        bins -= _BIN_OF_ONE - 1
        np.maximum(bins, 0, out=bins)  # bin 0 is that of 0 ns
        added = np.bincount(bins, minlength=len(counts))
        added[: len(counts)] += counts
        counts = added
    occupied = np.flatnonzero(counts)
    lowest = ((occupied + _BIN_OF_ONE - 1) << _BIN_SHIFT).view(np.float64)
    lowest[occupied == 0] = 0.0
    bins = np.where(lowest < _WIDER_NS, lowest.astype(np.int64), occupied - _BINS_BELOW)
    return encoded(packed(bins, counts[occupied]))


def encoded(numbers: bytes) -> str:
    """Return the HdrHistogram with bufbench's bins whose counts are packed in ``numbers``.

    Its library has no build in distributions nor, for arm64, in registries: without it, guests of
    any architecture can do this.
    """
    header = _HEADER.pack(_COOKIE, len(numbers), 0, DIGITS, 1, HIGHEST_NS, 1.0)
    body = zlib.compress(header + numbers)
    return b64encode(_OUTER.pack(_COMPRESSED_COOKIE, len(body)) + body).decode("ascii")
