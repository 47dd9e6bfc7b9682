# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Latency: kernel timestamp to the moment the consumer held the record."""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from struct import Struct
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.errors import JournalError
from bench.measure.columns import Integers, blocks, percentiles
from bench.measure.stamps import errors_ns
from bench.record.records import Records

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

HIGHEST_NS: Final = 3_600_000_000_000
"""One hour: what is longer stands in the histogram as one hour."""

_PERMILLES: Final = (500, 900, 990, 999, 1000)
_DIGITS: Final = 3
_PACKED_HEADER_BYTES: Final = 8
_HEADER: Final = Struct(">4i2qd")  # cookie, length, offset, digits, lowest, highest, ratio
_MOST_UNPACKED_BYTES: Final = 1 << 20  # 33,792 bins of up to 9 bytes take a third
# A float64 above this bit holds the exponent and 10 bits of mantissa: the very bins that an
# HdrHistogram of 3 digits has from 1,024 on; below, each integer has a bin of its own.
_BIN_SHIFT: Final = 42
_BIN_OF_ONE: Final = 1023 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Latency of records in ns."""

    count: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Percentiles):
    """Latency of one trial's delivered records, percentiles exact; zeros without records."""

    histogram: str  # HdrHistogram V2, base64; 1 ns to 1 h, 3 significant digits
    # By how much each is too long at most, and of how many records; None: not recorded.
    error: Percentiles | None = None


def measure(records: Records, capture: Records | None = None) -> Latency:
    """Measure the latency of every record, the storm's own or not.

    Percentiles are nearest-rank, so each is a latency that occurred. Where clocks.faults() finds
    something there is nothing to measure. ``capture``: all records of the trial, where these are
    some of them.
    """
    latencies = np.empty(len(records), np.int64)
    filled = 0
    for rows in blocks(records):
        part = latencies[filled : filled + len(rows)]
        np.subtract(rows["delivered_ns"], rows["timestamp_ns"], out=part.view(np.uint64))
        filled += len(rows)
    histogram = _encoded(_counted(latencies))
    errors = errors_ns(records, records if capture is None else capture)
    # No latency is shorter than these are, and so no percentile.
    shortest = percentiles(latencies - errors, _PERMILLES)
    longest = percentiles(latencies, _PERMILLES)
    inexact = [long - short for long, short in zip(longest, shortest, strict=True)]
    return Latency(
        **_percentiles(filled, longest),
        histogram=histogram,
        error=Percentiles(**_percentiles(int(np.count_nonzero(errors)), inexact)),
    )


def _percentiles(count: int, found: Sequence[int]) -> dict[str, int]:
    p50_ns, p90_ns, p99_ns, p999_ns, max_ns = found
    return {
        "count": count,
        "p50_ns": p50_ns,
        "p90_ns": p90_ns,
        "p99_ns": p99_ns,
        "p999_ns": p999_ns,
        "max_ns": max_ns,
    }


def decode(histogram: str) -> HdrHistogram:
    """Decode a histogram; raise JournalError if it cannot be, or has other bins."""
    from hdrh.histogram import HdrHistogram

    try:
        _check_unfolded(histogram)
        return HdrHistogram.decode(histogram)
    except Exception as error:  # foreign data; the decoder raises many kinds
        raise JournalError(f"a latency histogram cannot be decoded ({error})") from error


def merge(histograms: Iterable[str]) -> str:
    """Merge the counts of histograms: of trials, or of machines."""
    total = empty()
    for histogram in histograms:
        total.add(decode(histogram))
    return _encoded(total)


def percentiles_of(histogram: str, quantiles: Sequence[float]) -> tuple[int, ...]:
    """Return nearest-rank latencies in ns at ``quantiles`` (0 to 1), in their order.

    Each is the upper end of its bin, so up to 0.1 % too high; 0 for an empty histogram.
    """
    of = decode(histogram)
    total = of.get_total_count()
    if not total:
        return tuple(0 for _ in quantiles)
    # hdrh's own iterators visit each of its 33,792 bins in Python, 0.15 s a histogram.
    counts = np.frombuffer(of.counts, np.int64)
    occupied = np.flatnonzero(counts)
    reached = np.cumsum(counts[occupied])
    # The small term keeps 0.9 x 10 from becoming rank 10 by a rounding error.
    targets = [max(ceil(quantile * total - 1e-6), 1) for quantile in quantiles]
    bins = occupied[np.searchsorted(reached, targets)]
    return tuple(
        int(of.get_highest_equivalent_value(of.get_value_from_index(index)))
        for index in bins.tolist()
    )


def _counted(latencies: Integers) -> HdrHistogram:
    counts = np.zeros(0, np.int64)
    for part in blocks(latencies, 1 << 19):
        bins = part.astype(np.float64).view(np.int64)
        bins >>= _BIN_SHIFT
        bins -= _BIN_OF_ONE - 1
        np.maximum(bins, 0, out=bins)  # bin 0 is that of 0 ns
        added = np.bincount(bins, minlength=len(counts))
        added[: len(counts)] += counts
        counts = added
    histogram = empty()
    occupied = np.flatnonzero(counts)
    lowest = ((occupied + _BIN_OF_ONE - 1) << _BIN_SHIFT).view(np.float64)
    lowest[occupied == 0] = 0.0
    for value, count in zip(lowest.tolist(), counts[occupied].tolist(), strict=True):
        histogram.record_value(min(int(value), HIGHEST_NS), count)
    return histogram


def empty() -> HdrHistogram:
    """Return a histogram with bufbench's bins and nothing in them."""
    # Imported here: 20 ms that starting `bufbench trace` must not pay.
    from hdrh.histogram import HdrHistogram

    return HdrHistogram(1, HIGHEST_NS, _DIGITS)


def _check_unfolded(histogram: str) -> None:
    """Raise ValueError unless the bins are bufbench's: a journal is foreign data.

    The library unfolds its input a thousandfold, and makes as many bins as the text asks for.
    """
    packed = b64decode(histogram)[_PACKED_HEADER_BYTES:]
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(packed, _MOST_UNPACKED_BYTES)
    if not unpacking.eof or len(unpacked) < _HEADER.size:
        raise ValueError("no histogram, or too long a one")
    *_, digits, lowest, highest, _ = _HEADER.unpack_from(unpacked)
    if (digits, lowest, highest) != (_DIGITS, 1, HIGHEST_NS):
        raise ValueError("a histogram with other bins")


def _encoded(histogram: HdrHistogram) -> str:
    return str(histogram.encode().decode("ascii"))
