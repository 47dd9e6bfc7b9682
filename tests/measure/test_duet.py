# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test two arms within one storm: split, washed out and ranked."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from bench.measure import duet
from bench.plan.config import AGES, Duet
from bench.record.records import CAPTURED, Flag, Records

RECORD = Duet()
WINDOW = Duet(window_ns=1_000, washout_ns=200)


def records(latencies_ns: list[int], *, stamps_ns: list[int] | None = None) -> Records:
    rows = np.zeros(len(latencies_ns), CAPTURED)
    rows["timestamp_ns"] = stamps_ns or np.arange(len(rows)) * 10_000 + 10**12
    rows["delivered_ns"] = rows["timestamp_ns"] + np.asarray(latencies_ns, np.uint64)
    rows["pid"] = np.arange(len(rows)) + 1
    return rows


def test_arms_are_distinguished_by_their_flag_in_the_order_of_delivery() -> None:
    rows = records([1, 2, 3, 4])
    rows["flags"] = [Flag.OWN, Flag.OWN | Flag.SECOND, Flag.SECOND, 0]
    first, second = duet.split(rows)
    assert (first["pid"].tolist(), second["pid"].tolist()) == ([1, 4], [2, 3])
    first, second = duet.split(rows, swapped=True)
    assert (first["pid"].tolist(), second["pid"].tolist()) == ([2, 3], [1, 4])


def test_what_is_stamped_in_the_washout_is_left_out() -> None:
    rows = records([5] * 5, stamps_ns=[5_000, 5_199, 5_200, 5_999, 6_000])
    assert duet.kept(rows, WINDOW)["timestamp_ns"].tolist() == [5_200, 5_999]
    assert len(duet.kept(rows, RECORD)) == 5


def test_latency_by_age_is_the_median_of_each_twentieth_of_all_windows() -> None:
    stamps = [5_000, 5_049, 8_010, 5_050, 5_999]
    found = duet.latency_by_age(records([9, 7, 8, 3, 4], stamps_ns=stamps), WINDOW)
    assert found[0] == (3, 8)
    two = duet.latency_by_age(records([9, 7], stamps_ns=stamps[:2]), WINDOW)
    assert two[0] == (2, 7)  # nearest-rank, as all percentiles of a trial
    assert found[1] == (1, 3)
    assert found[2:19] == ((0, 0),) * 17
    assert found[19] == (1, 4)
    assert len(found) == AGES
    assert duet.latency_by_age(records([1]), RECORD) == ()


@pytest.mark.parametrize(
    ("first", "second", "later"),
    [([1, 2], [3, 4], 0.0), ([3, 4], [1, 2], 1.0), ([1, 4], [2, 3], 0.5), ([2], [2], 0.5)],
)
def test_the_share_of_pairs_in_which_the_first_arm_is_later(
    first: list[int], second: list[int], later: float
) -> None:
    found = duet.ranks(records(first), records(second), RECORD)
    assert found is not None
    assert found.later_share == later


def test_the_share_is_mann_whitneys() -> None:
    random = np.random.default_rng(3)
    first, second = random.integers(1, 50, 300).tolist(), random.integers(1, 60, 200).tolist()
    found = duet.ranks(records(first), records(second), RECORD)
    assert found is not None
    statistic = mannwhitneyu(first, second).statistic
    assert found.later_share == pytest.approx(statistic / (300 * 200))


def test_mean_and_variance_are_those_of_all_assignments() -> None:
    """Five processes and every coin that could have been thrown for them."""
    latencies = [7, 1, 4, 4, 9]
    sums = []
    for coins in product([False, True], repeat=5):
        second = np.array(coins)
        rows = records(latencies)
        if second.all() or not second.any():
            centred = np.array([4, 1, 2.5, 2.5, 5]) - 3
            sums.append(float((centred * np.where(second, -1, 1)).sum()))
            continue
        found = duet.ranks(rows[~second], rows[second], RECORD)
        assert found is not None
        sums.append(found.rank_sum)
    assert np.mean(sums) == pytest.approx(0)
    assert np.var(sums) == pytest.approx(found.rank_variance)
    assert found.units == 5


def test_records_of_two_windows_are_one_draw() -> None:
    stamps = [4_300, 4_400, 5_300, 5_400, 6_300, 7_300]
    rows = records([1, 2, 30, 40, 5, 6], stamps_ns=stamps)
    second = np.array([False, False, True, True, True, False])
    found = duet.ranks(rows[~second], rows[second], WINDOW)
    assert found is not None
    assert found.units == 2
    # Ranks 1 2 5 6 3 4 about 3.5: the first pair gives -2.5 - 1.5 - 1.5 - 2.5, the second 0.5 + 0.5
    assert found.rank_sum == pytest.approx(-8 + 1)
    assert found.rank_variance == pytest.approx(64 + 1)


def test_an_arm_without_a_record_ranks_nothing() -> None:
    assert duet.ranks(records([1]), records([]), RECORD) is None
    assert duet.ranks(records([]), records([1]), RECORD) is None
