# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test percentiles against sorted lists, and histograms against the library's own recording."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Sequence

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st
from measure import twins

from bench.errors import JournalError
from bench.measure import latency
from bench.measure.bins import Bins, percentiles
from bench.record.records import CAPTURED, Records

HOUR_NS = 3_600_000_000_000
_LATENCIES = st.one_of(st.integers(0, 5_000), st.integers(0, 10**8), st.integers(0, HOUR_NS))


def _delivered_after(latencies: list[int]) -> Records:
    records = np.zeros(len(latencies), CAPTURED)
    records["timestamp_ns"] = 10**15 + np.arange(len(latencies))
    records["delivered_ns"] = records["timestamp_ns"] + np.array(latencies, np.uint64)
    return records


def _read(histogram: str, quantiles: Sequence[float]) -> tuple[int, ...]:
    return percentiles(Bins.of([histogram]), quantiles)


@settings(max_examples=300)
@given(st.lists(_LATENCIES, max_size=50))
def test_percentiles_are_exact(latencies):
    result = latency.measure(_delivered_after(latencies))
    assert result.count == len(latencies)
    assert (result.p50_ns, result.p90_ns, result.p99_ns, result.p999_ns, result.max_ns) == tuple(
        twins.nearest_rank(latencies, permille) for permille in (500, 900, 990, 999, 1000)
    )


@settings(max_examples=150)
@given(st.lists(_LATENCIES, max_size=50))
def test_the_histogram_is_the_one_that_single_recording_gives(latencies):
    one_by_one = HdrHistogram(1, HOUR_NS, 3)
    for value in latencies:
        one_by_one.record_value(value)
    assert latency.measure(_delivered_after(latencies)).histogram == one_by_one.encode().decode()


@pytest.mark.parametrize("value", [0, 1, 1023, 1024, 2047, 2048, 2049, 2**31, HOUR_NS])
def test_the_edges_of_bins(value):
    one_by_one = HdrHistogram(1, HOUR_NS, 3)
    one_by_one.record_value(value, 2)
    result = latency.measure(_delivered_after([value, value]))
    assert result.histogram == one_by_one.encode().decode()


def test_more_than_an_hour_counts_as_an_hour_in_the_histogram_only():
    result = latency.measure(_delivered_after([3 * HOUR_NS]))
    assert result.max_ns == 3 * HOUR_NS
    assert _read(result.histogram, [1.0]) == pytest.approx((HOUR_NS,), rel=1e-3)


@settings(max_examples=200)
@given(st.lists(_LATENCIES, min_size=1, max_size=60), st.integers(0, 1000))
def test_percentiles_of_a_histogram_are_at_most_a_thousandth_too_high(latencies, permille):
    histogram = latency.measure(_delivered_after(latencies)).histogram
    exact = twins.nearest_rank(latencies, permille)
    (read,) = _read(histogram, [permille / 1000])
    assert exact <= read <= exact * 1.001


def test_each_percentile_is_of_its_own_rank():
    result = latency.measure(_delivered_after(list(range(1, 10_001))))
    assert (result.p50_ns, result.p90_ns) == (5_000, 9_000)
    assert (result.p99_ns, result.p999_ns, result.max_ns) == (9_900, 9_990, 10_000)
    two = latency.measure(_delivered_after([3, 7])).histogram
    assert _read(two, (0.0,)) == (3,)


def test_nothing_delivered_is_zeros():
    nothing = latency.measure(np.zeros(0, CAPTURED))
    assert (nothing.count, nothing.p50_ns, nothing.max_ns) == (0, 0, 0)
    assert _read(nothing.histogram, [0.5, 0.99]) == (0, 0)


def test_more_records_than_any_block_holds():
    random = np.random.default_rng(2)
    latencies = random.integers(0, 10**7, 1_200_000)
    latencies[:700_000] //= 1_000  # so that parts differ
    result = latency.measure(_delivered_after(latencies.tolist()))
    assert result.count == 1_200_000
    ascending = np.sort(latencies)
    assert (result.p50_ns, result.p99_ns) == (ascending[599_999], ascending[1_187_999])
    assert (result.p999_ns, result.max_ns) == (ascending[1_198_799], ascending[-1])
    histogram = HdrHistogram.decode(result.histogram)
    assert histogram.get_total_count() == 1_200_000
    assert histogram.get_count_at_value(5) == np.count_nonzero(latencies == 5)


def _packed(unpacked: bytes) -> str:
    return b64encode(b"\0" * 8 + zlib.compress(unpacked)).decode()


def test_the_fullest_histogram_that_can_be_is_read():
    full = HdrHistogram(1, HOUR_NS, 3)
    for index in range(full.counts_len):
        full.record_value(min(full.get_value_from_index(index), HOUR_NS), 2**40)
    assert Bins.of([full.encode().decode()]).counts.sum() == full.get_total_count()


@pytest.mark.parametrize(
    ("histogram", "why"),
    [
        (_packed(b"\0" * ((1 << 20) + 1)), "too long"),
        (_packed(b"\0" * 39), "not a histogram"),
        (_packed(b"\0" * 500)[:24], "not a histogram"),  # torn
        (HdrHistogram(1, HOUR_NS, 2).encode().decode(), "other bins"),
        (HdrHistogram(2, HOUR_NS, 3).encode().decode(), "other bins"),
        (HdrHistogram(1, 2 * HOUR_NS, 3).encode().decode(), "other bins"),
    ],
)
def test_a_histogram_of_another_kind_is_refused(histogram, why):
    with pytest.raises(JournalError, match=why):
        Bins.of([histogram])
