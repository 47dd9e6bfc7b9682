# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Decode latency histograms, many at once: hdrh takes 0.2 ms for one."""

from __future__ import annotations

import sys
import zlib
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.errors import JournalError
from bench.measure.columns import Integers
from bench.measure.counts import add, packed, unpacked
from bench.measure.latency import DIGITS, HIGHEST_NS, encoded

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

_AT_ONCE: Final = 64
_COMPRESSED_HEADER: Final = 8  # cookie, length
_HEADER: Final = 40
_LENGTH: Final = slice(4, 8)
_MOST_UNPACKED_BYTES: Final = 1 << 20
_DAMAGED: Final = (ValueError, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """Hold the occupied bins of several histograms, one after the other."""

    bins: Integers
    counts: Integers
    sizes: Integers  # how many bins each histogram has

    @classmethod
    def of(cls, histograms: Iterable[str | None]) -> Bins:
        """Return the bins of ``histograms`` (None: no bins); JournalError if one is damaged."""
        try:
            return cls.unpacked([b"" if each is None else _numbers(each) for each in histograms])
        except _DAMAGED as error:
            raise JournalError(f"a latency histogram cannot be decoded ({error})") from error

    @classmethod
    def unpacked(cls, texts: Sequence[bytes]) -> Bins:
        """Return the histograms of texts that ``read`` gave, or of b"". ValueError for others."""
        if len(texts) > _AT_ONCE:
            chunks = (texts[at : at + _AT_ONCE] for at in range(0, len(texts), _AT_ONCE))
            return cls.joined([cls.unpacked(each) for each in chunks])
        bins, counts, sizes = unpacked([*texts], int(_axis().counts_len))
        return cls(bins=bins, counts=counts, sizes=sizes)

    def packed(self) -> bytes:
        """Return the text of a single histogram."""
        return packed(self.bins, self.counts)

    @classmethod
    def joined(cls, parts: Sequence[Bins]) -> Bins:
        """Return all histograms of ``parts``."""
        columns = ("bins", "counts", "sizes")
        return cls(**{c: np.concatenate([getattr(each, c) for each in parts]) for c in columns})

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
    """Hold the sums of groups of histograms."""

    def __init__(self, number: int) -> None:
        self._counts = np.zeros((number, int(_axis().counts_len)), np.int64)

    def add(self, some: Bins, to: Integers) -> None:
        """Add each histogram to the sum that its index names."""
        add(self._counts, some.bins, some.counts, some.sizes, to)

    def all(self) -> Iterator[Bins]:
        """Yield every sum as one histogram."""
        for counts in self._counts:
            occupied = np.flatnonzero(counts)
            yield Bins(bins=occupied, counts=counts[occupied], sizes=np.array([len(occupied)]))


def percentiles(
    of: Bins, quantiles: Sequence[float], most_ns: int = sys.maxsize
) -> tuple[int, ...]:
    """Return nearest-rank latencies in ns of one histogram, as ``latency.percentiles_of`` does.

    None is above ``most_ns``, the largest latency, which its bin's end may exceed.
    """
    total = int(of.counts.sum())
    if not total:
        return tuple(0 for _ in quantiles)
    reached = np.cumsum(of.counts)
    # The small term keeps 0.9 x 10 from becoming rank 10 by a rounding error.
    targets = [max(ceil(quantile * total - 1e-6), 1) for quantile in quantiles]
    found_ns = highest_ns(of.bins[np.searchsorted(reached, targets)])
    return tuple(min(each, most_ns) for each in found_ns)


def highest_ns(bins: Integers) -> Iterator[int]:
    """Yield the upper end of each bin."""
    yield from (_highest_ns(index) for index in bins.tolist())


@cache
def _axis() -> HdrHistogram:
    """Return a histogram with bufbench's bins and nothing in them."""
    # Imported here: 20 ms that starting `bufbench trace` must not pay.
    from hdrh.histogram import HdrHistogram

    return HdrHistogram(1, HIGHEST_NS, DIGITS)


@cache
def _highest_ns(index: int) -> int:
    axis = _axis()
    return int(axis.get_highest_equivalent_value(axis.get_value_from_index(index)))


@cache
def _beginnings() -> tuple[bytes, bytes]:
    """Return how each histogram of bufbench's begins, packed and unpacked."""
    packed = a2b_base64(encoded(b""))
    return packed[:4], zlib.decompress(packed[_COMPRESSED_HEADER:])[:_HEADER]


def read(histograms: Sequence[str | None]) -> Iterator[tuple[Bins, list[bytes | None]]]:
    """Yield the bins of histograms, some at a time, and their texts as bytes.

    One that cannot be decoded has empty bins, and None for its text.
    """
    for at in range(0, len(histograms), _AT_ONCE):
        some = histograms[at : at + _AT_ONCE]
        try:
            texts = [None if each is None else _numbers(each) for each in some]
            yield Bins.unpacked([text or b"" for text in texts]), texts
        except _DAMAGED:
            if len(some) == 1:
                yield Bins.unpacked([b""]), [None]
            else:
                for each in some:
                    yield from read([each])


def _numbers(histogram: str) -> bytes:
    """Return the bytes of a histogram's counts; one that unfolds into megabytes is refused.

    ValueError and zlib.error for one that is not bufbench's.
    """
    packed = a2b_base64(histogram)
    cookie, beginning = _beginnings()
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(packed[_COMPRESSED_HEADER:], _MOST_UNPACKED_BYTES)
    if not unpacking.eof or len(text) < _HEADER:
        raise ValueError("not a histogram, or too long")
    lengths = [int.from_bytes(each[_LENGTH], "big") for each in (packed, text)]
    if lengths != [len(packed) - _COMPRESSED_HEADER, len(text) - _HEADER]:
        raise ValueError("a length is wrong")
    if packed[:4] != cookie or text[:4] + text[8:_HEADER] != beginning[:4] + beginning[8:]:
        raise ValueError("a histogram with other bins")
    return text[_HEADER:]
