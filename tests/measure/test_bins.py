# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that histograms decoded together are those that hdrh decodes, one by one."""

from __future__ import annotations

import zlib
from binascii import a2b_base64, b2a_base64

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from bench.errors import JournalError
from bench.measure import bins, latency
from bench.measure.bins import Bins
from bench.record.records import CAPTURED

HIGHEST = 3_600_000_000_000


def histogram(latencies_ns: list[int]) -> str:
    rows = np.zeros(len(latencies_ns), CAPTURED)
    rows["delivered_ns"] = latencies_ns
    return latency.measure(rows).histogram


def made_up(count: int = 100) -> list[str]:
    random = np.random.default_rng(1)
    found = [histogram([0]), histogram([HIGHEST]), histogram([1] * 300_000), histogram([])]
    for _ in range(count):
        size = int(random.integers(1, 3_000))
        found.append(histogram(random.lognormal(9, 3, size).astype(np.uint64).tolist()))
    return found


def assert_is(found: Bins, expected: HdrHistogram) -> None:
    counts = np.frombuffer(expected.counts, np.int64)
    occupied = np.flatnonzero(counts)
    np.testing.assert_array_equal(found.bins, occupied)
    np.testing.assert_array_equal(found.counts, counts[occupied])


def test_each_has_the_bins_that_hdrh_reads() -> None:
    texts = made_up()
    found = Bins.of(texts)
    assert len(found.sizes) == len(texts)
    for at, text in enumerate(texts):
        assert_is(found.chosen(np.array([at])), HdrHistogram.decode(text))
    some = found.chosen(np.array([7, 3, 0]))
    assert some.sizes.tolist() == [found.sizes[7], 0, 1]


def test_their_sum_and_its_percentiles_are_hdrhs() -> None:
    texts = made_up(20)
    merged = HdrHistogram(1, HIGHEST, 3)
    for text in texts:
        merged.decode_and_add(text)
    found = Bins.of(texts).merged()
    assert_is(found, merged)
    percents = (50.0, 90.0, 99.0, 99.9, 100.0)
    assert bins.percentiles(found, [each / 100 for each in percents]) == tuple(
        map(merged.get_value_at_percentile, percents)
    )
    assert bins.percentiles(Bins.of([]).merged(), (0.5,)) == (0,)


def test_texts_lead_back_to_the_bins() -> None:
    made = HdrHistogram(1, HIGHEST, 3)
    made.record_value(1_000, 5)
    texts = [*made_up(70), made.encode().decode()]
    found = Bins.of(texts)
    again = Bins.unpacked([text or b"" for _, some in bins.read(texts) for text in some])
    packed = Bins.unpacked([found.chosen(np.array([at])).packed() for at in range(len(texts))])
    for each in (again, packed):
        np.testing.assert_array_equal(each.bins, found.bins)
        np.testing.assert_array_equal(each.counts, found.counts)
        np.testing.assert_array_equal(each.sizes, found.sizes)


@pytest.mark.parametrize("text", [b"\x80", b"\x00", b"\x01" * 40_000, b"\xff" * 8 + b"\x01"])
def test_what_is_no_text_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a histogram|without its end"):
        Bins.unpacked([text])


def test_a_bin_or_a_count_beyond_all_is_refused() -> None:
    with pytest.raises(ValueError, match="not a count"):
        Bins(bins=np.array([1]), counts=np.array([2**60]), sizes=np.array([1])).packed()
    for bin_, to in ((40_000, 0), (-1, 0), (0, 1)):
        some = Bins(bins=np.array([bin_]), counts=np.array([1]), sizes=np.array([1]))
        with pytest.raises(IndexError):
            bins.Totals(1).add(some, np.array([to]))


def test_those_of_other_writers_are_read_too() -> None:
    made = HdrHistogram(1, HIGHEST, 3)
    made.record_value(1_000, 5)
    text = made.encode().decode()
    assert_is(Bins.of([text]), made)


@pytest.mark.parametrize("text", ["x", "", "AAAA", histogram([1])[:-8]])
def test_what_is_damaged_is_a_fault_of_the_journal(text: str) -> None:
    with pytest.raises(JournalError):
        Bins.of([*made_up(1), text])


@pytest.mark.parametrize("text", ["x", "", "AAAA", histogram([1])[:-8]])
def test_of_many_only_what_is_damaged_is_empty(text: str) -> None:
    texts = [*made_up(3), text, None, *made_up(70)]
    found = [each for _, some in bins.read(texts) for each in some]
    sizes = np.concatenate([some.sizes for some, _ in bins.read(texts)])
    assert len(found) == len(sizes) == len(texts)
    assert [at for at, each in enumerate(found) if each is None] == [7, 8]
    assert sizes[7:9].tolist() == [0, 0]


def test_what_would_unfold_into_megabytes_is_damaged() -> None:
    packed = zlib.compress(bytes(1 << 24))
    header = a2b_base64(histogram([1]))[:4] + len(packed).to_bytes(4, "big")
    with pytest.raises(JournalError, match="too long"):
        Bins.of([b2a_base64(header + packed).decode()])
