# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The bins of many latency histograms at once: hdrh takes 0.2 ms for one."""

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

from bench.measure.columns import Integers
from bench.measure.counts import add, unpacked
from bench.measure.latency import decode, empty

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

_AT_ONCE: Final = 64
_COMPRESSED_HEADER: Final = 8  # cookie, length
_HEADER: Final = 40
_LENGTH: Final = slice(4, 8)
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
        parts = [_none()]
        while some := list(islice(given, _AT_ONCE)):
            parts.append(_quickly(some) or _carefully(some))
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
        add(self._counts, some.bins, some.counts, some.sizes, to)

    def all(self) -> Iterator[Bins]:
        """Yield every sum as one histogram."""
        for counts in self._counts:
            occupied = np.flatnonzero(counts)
            yield Bins(bins=occupied, counts=counts[occupied], sizes=np.array([len(occupied)]))


def percentiles(of: Bins, quantiles: Sequence[float]) -> tuple[int, ...]:
    """Return nearest-rank latencies in ns of one histogram, as ``latency.percentiles_of`` does."""
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


def _none() -> Bins:
    nothing = np.zeros(0, np.int64)
    return Bins(bins=nothing, counts=nothing, sizes=nothing)


def _carefully(histograms: Sequence[str]) -> Bins:
    parts = []
    for each in histograms:
        counts = np.frombuffer(decode(each).counts, np.int64)
        occupied = np.flatnonzero(counts)
        size = np.array([len(occupied)])
        parts.append(Bins(bins=occupied, counts=counts[occupied].copy(), sizes=size))
    return Bins.joined(parts)


def _quickly(histograms: Sequence[str]) -> Bins | None:
    """Return the bins, or None where one of the histograms is not just as bufbench writes them."""
    try:
        texts = [_numbers(each) for each in histograms]
    except (ValueError, zlib.error):
        return None
    found = unpacked(texts, _length())
    return None if found is None else Bins(bins=found[0], counts=found[1], sizes=found[2])


def _numbers(histogram: str) -> bytes:
    """Return the bytes of a histogram's counts; ValueError or zlib.error where it is another's."""
    packed = b64decode(histogram)
    cookie, beginning = _beginnings()
    size = int.from_bytes(packed[_LENGTH], "big")
    if not packed.startswith(cookie) or size != len(packed) - _COMPRESSED_HEADER:
        raise ValueError("another format")
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(packed[_COMPRESSED_HEADER:], _MOST_UNPACKED_BYTES)
    size = int.from_bytes(text[_LENGTH], "big")
    known = text[:4] == beginning[:4] and text[8:_HEADER] == beginning[8:]
    if not unpacking.eof or not known or size != len(text) - _HEADER:
        raise ValueError("another format")
    return text[_HEADER:]
