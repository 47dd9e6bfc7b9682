# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Decode latency histograms, many at once: hdrh takes 0.2 ms for one, this a tenth of that."""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.errors import JournalError
from bench.measure.columns import Integers
from bench.measure.latency import empty

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

_AT_ONCE: Final = 64
_COMPRESSED_HEADER: Final = 8  # cookie, length
_HEADER: Final = 40
_LENGTH: Final = slice(4, 8)
_LONGEST: Final = 8  # bytes of a number; of the ninth, which hdrh would take whole, there is none
_MOST_UNPACKED_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """The occupied bins of several histograms, one after the other."""

    bins: Integers
    counts: Integers
    sizes: Integers  # how many bins each histogram has

    @classmethod
    def of(cls, histograms: Iterable[str]) -> Bins:
        """Return the bins of ``histograms``; JournalError if one cannot be decoded."""
        given = iter(histograms)
        nothing = np.zeros(0, np.int64)
        parts = [cls(bins=nothing, counts=nothing, sizes=nothing)]
        try:
            while some := list(islice(given, _AT_ONCE)):
                parts.append(_decode(some))
        except (ValueError, zlib.error) as error:
            raise JournalError(f"a latency histogram cannot be decoded ({error})") from error
        return cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence[Bins]) -> Bins:
        """Return all histograms of ``parts``."""
        columns = ("bins", "counts", "sizes")
        return cls(**{c: np.concatenate([getattr(each, c) for each in parts]) for c in columns})

    def steps(self) -> Integers:
        """Return how far each bin is from the one before it in its histogram, or from 0."""
        steps = np.diff(self.bins, prepend=0)
        first = self._first()
        steps[first] = self.bins[first]
        return steps

    @classmethod
    def by_steps(cls, steps: Integers, counts: Integers, sizes: Integers) -> Bins:
        """Return the histograms whose ``steps`` these are."""
        reached = np.cumsum(steps)
        found = cls(bins=reached, counts=counts, sizes=sizes)
        first = found._first()
        before = np.repeat(reached[first] - steps[first], sizes[sizes > 0])
        return cls(bins=reached - before, counts=counts, sizes=sizes)

    def _first(self) -> Integers:
        return (np.cumsum(self.sizes) - self.sizes)[self.sizes > 0]

    def chosen(self, which: Integers) -> Bins:
        """Return some of the histograms, in the order of ``which``."""
        ends = np.cumsum(self.sizes)
        sizes = self.sizes[which]
        first = np.repeat((ends - self.sizes)[which] - (np.cumsum(sizes) - sizes), sizes)
        rows = first + np.arange(len(first))
        return Bins(bins=self.bins[rows], counts=self.counts[rows], sizes=sizes)

    def merged(self) -> Bins:
        """Return the sum of all histograms as one."""
        totals = Totals(1)
        totals.add(self, np.zeros(len(self.sizes), np.int64))
        (total,) = totals.all()
        return total


class Totals:
    """Sums of histograms, each of some."""

    def __init__(self, number: int) -> None:
        self._counts = np.zeros((number, _length()), np.int64)

    def add(self, some: Bins, to: Integers) -> None:
        """Add histograms, each to the sum of that index."""
        of = np.repeat(to, some.sizes)
        np.add.at(self._counts.reshape(-1), of * _length() + some.bins, some.counts)

    def all(self) -> Iterator[Bins]:
        """Yield every sum as one histogram."""
        for counts in self._counts:
            occupied = np.flatnonzero(counts)
            yield Bins(bins=occupied, counts=counts[occupied], sizes=np.array([len(occupied)]))


def percentiles(of: Bins, quantiles: Sequence[float]) -> tuple[int, ...]:
    """Return nearest-rank latencies in ns of one histogram at ``quantiles`` (0 to 1).

    Each is the upper end of its bin, so up to 0.1 % too high; 0 for an empty histogram.
    """
    total = int(of.counts.sum())
    if not total:
        return tuple(0 for _ in quantiles)
    reached = np.cumsum(of.counts)
    # The small term keeps 0.9 x 10 from becoming rank 10 by a rounding error.
    targets = [max(ceil(quantile * total - 1e-6), 1) for quantile in quantiles]
    return tuple(highest_ns(of.bins[np.searchsorted(reached, targets)]))


def highest_ns(bins: Integers) -> Iterator[int]:
    """Yield the upper end of each bin."""
    yield from (_highest_ns(index) for index in bins.tolist())


@cache
def _highest_ns(index: int) -> int:
    axis = _axis()
    return int(axis.get_highest_equivalent_value(axis.get_value_from_index(index)))


@cache
def _axis() -> HdrHistogram:
    return empty()


def _length() -> int:
    return int(_axis().counts_len)


@cache
def _beginnings() -> tuple[bytes, bytes]:
    """Return how each histogram of bufbench's begins, packed and unpacked."""
    packed = b64decode(empty().encode())
    return packed[:4], zlib.decompress(packed[_COMPRESSED_HEADER:])[:_HEADER]


def _decode(histograms: Sequence[str]) -> Bins:
    """Return the bins; ValueError or zlib.error unless each is as bufbench writes it.

    Counts are ZigZag LEB128, a negative one so many empty bins.
    """
    texts = [_numbers(each) for each in histograms]
    lengths = np.array([len(each) for each in texts])
    ends = np.cumsum(lengths[lengths > 0])
    data = np.frombuffer(b"".join(texts), np.uint8)
    closes = data < 0x80
    if not closes[ends - 1].all():
        raise ValueError("a count is missing")
    last = np.flatnonzero(closes)
    first = np.concatenate(([0], last + 1))[:-1]
    values = (data[first] & 0x7F).astype(np.int64)
    longer = np.flatnonzero(~closes[first])
    for place in range(1, _LONGEST):
        if not len(longer):
            break
        byte = data[first[longer] + place]
        values[longer] |= (byte & 0x7F).astype(np.int64) << (7 * place)
        longer = longer[byte >= 0x80]
    values = (values >> 1) ^ -(values & 1)
    occupied = values > 0
    steps = np.where(occupied, 1, -values)
    reached = np.cumsum(steps)
    numbers = np.diff(np.searchsorted(last, ends), prepend=0)  # of each histogram
    closing = reached[np.cumsum(numbers) - 1]
    before = np.concatenate(([0], closing))[:-1]
    if len(longer) or not values.all() or (closing - before > _length()).any():
        raise ValueError("a count is out of range")
    bins = reached - 1 - np.repeat(before, numbers)
    sizes = np.zeros(len(lengths), np.int64)
    sizes[lengths > 0] = np.add.reduceat(occupied, np.cumsum(numbers) - numbers, dtype=np.int64)
    return Bins(bins=bins[occupied], counts=values[occupied], sizes=sizes)


def _numbers(histogram: str) -> bytes:
    """Return the bytes of a histogram's counts, which it may not unfold into megabytes."""
    packed = b64decode(histogram)
    cookie, beginning = _beginnings()
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(packed[_COMPRESSED_HEADER:], _MOST_UNPACKED_BYTES)
    if not unpacking.eof or len(text) < _HEADER:
        raise ValueError("no histogram, or too long a one")
    lengths = [int.from_bytes(each[_LENGTH], "big") for each in (packed, text)]
    if lengths != [len(packed) - _COMPRESSED_HEADER, len(text) - _HEADER]:
        raise ValueError("a length is wrong")
    if packed[:4] != cookie or text[:4] + text[8:_HEADER] != beginning[:4] + beginning[8:]:
        raise ValueError("a histogram with other bins")
    return text[_HEADER:]
