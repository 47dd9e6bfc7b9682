# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test quantiles of a duet's pooled latencies: their value, and an interval over storms."""

from __future__ import annotations

import numpy as np
import pytest

from bench.errors import JournalError
from bench.judge.duets import QUANTILES, tails
from bench.measure import latency
from bench.measure.bins import Bins
from bench.record.records import CAPTURED


def histogram(latencies_ns: np.ndarray) -> str:
    rows = np.zeros(len(latencies_ns), CAPTURED)
    rows["delivered_ns"] = latencies_ns.astype(np.uint64)
    return latency.measure(rows).histogram


def bins(storms: list[np.ndarray]) -> Bins:
    return Bins.of(map(histogram, storms))


def storms(seed: int, factor: float, count: int = 12, spread: float = 0.0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    of_storm = np.exp(spread * random.standard_normal(count))
    return [factor * each * random.lognormal(10, 1, 2_000) for each in of_storm]


@pytest.mark.parametrize("key", QUANTILES)
def test_the_quantile_is_that_of_all_records_together(key: str) -> None:
    first, second = storms(1, 1.3), storms(2, 1.0)
    found = tails(bins(first), bins(second))[key]
    exact = [np.quantile(np.concatenate(each), QUANTILES[key]) for each in (first, second)]
    assert found.second_ns == pytest.approx(exact[1], rel=0.01)
    assert found.estimate.point == pytest.approx(exact[0] / exact[1], rel=0.01)
    assert found.estimate.low < found.estimate.point < found.estimate.high
    assert found.estimate.blocks == 12


@pytest.mark.slow
def test_the_interval_has_the_truth_in_nineteen_of_twenty_runs_or_nearly() -> None:
    inside = 0
    for run in range(30):
        first, second = (storms(2 * run + side, 1.0, 16, spread=0.2) for side in (0, 1))
        found = tails(bins(first), bins(second))
        estimate = found["latency_p99_ns"].estimate
        inside += estimate.low <= 1 <= estimate.high
    assert inside >= 28  # at any one look nearly all are due


def test_a_difference_is_seen_and_its_p_is_small() -> None:
    first, second = storms(5, 2.0), storms(6, 1.0)
    found = tails(bins(first), bins(second))
    assert found["latency_p99_ns"].estimate.low > 1.5
    assert found["latency_p99_ns"].estimate.p < 0.001
    same = tails(bins(first), bins(first))
    assert same["latency_p99_ns"].estimate.point == 1
    assert same["latency_p99_ns"].estimate.p == 1


def test_what_cannot_be_decoded_is_a_fault_of_the_journal() -> None:
    with pytest.raises(JournalError):
        Bins.of(["x"])
