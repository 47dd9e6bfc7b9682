# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.judge.statistics import (
    RESAMPLES,
    Scale,
    holm,
    loss_bound,
    paired_difference,
    paired_ratio,
)


def test_a_ratio_is_the_median_of_ratios_within_blocks() -> None:
    # Blocks differ by a factor of 8, as machines do that change speed; the ratios are 2, 2, 2, 4.
    found = paired_ratio([2, 16, 4, 8], [1, 8, 2, 2])
    assert found.scale is Scale.RATIO
    assert found.point == pytest.approx(2)
    assert (found.low, found.high) == (pytest.approx(2), pytest.approx(4))
    assert found.blocks == 4


def test_an_even_number_of_blocks_takes_the_geometric_middle() -> None:
    assert paired_ratio([1, 4], [1, 1]).point == pytest.approx(2)


def test_blocks_that_agree_have_no_width() -> None:
    found = paired_ratio([3.0] * 8, [2.0] * 8)
    assert found.low == found.high == found.point == pytest.approx(1.5)
    assert found.p == 2 / (RESAMPLES + 1)


def test_nothing_against_nothing_is_no_difference() -> None:
    found = paired_difference([0.0] * 8, [0.0] * 8, mean=True)
    assert (found.point, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_one_block_proves_nothing() -> None:
    found = paired_difference([1.0], [0.0])
    assert (found.low, found.high, found.p) == (1, 1, 1)


def test_a_difference_of_shares_is_the_mean_of_differences() -> None:
    # One lossy block of four: the median would hide it.
    found = paired_difference([0.4, 0, 0, 0], [0, 0, 0, 0], mean=True)
    assert found.point == pytest.approx(0.1)
    assert found.low == 0
    assert 0.2 <= found.high <= 0.4


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(3).normal(1.0, 1.0, 400)
    found = paired_difference(list(values), [0.0] * 400, mean=True)
    error = values.std() / math.sqrt(400)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_the_same_values_give_the_same_interval() -> None:
    left, right = [1.0, 2.0, 4.0, 3.0, 9.0], [1.5, 2.5, 3.0, 3.5, 5.0]
    assert paired_ratio(left, right) == paired_ratio(left, right)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(150):
        left, right = random.lognormal(0.5, 0.3, 12), random.lognormal(0.0, 0.3, 12)
        found = paired_ratio(list(left), list(right))
        covered += found.low <= math.exp(0.5) <= found.high
    assert covered >= 0.88 * 150  # a bootstrapped median of few blocks falls a little short of 95 %


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6)), min_size=1, max_size=12))
def test_swapping_the_sides_turns_the_ratio_over(pairs: list[tuple[float, float]]) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    there, back = paired_ratio(left, right), paired_ratio(right, left)
    assert there.low <= there.point * (1 + 1e-9)
    assert there.point <= there.high * (1 + 1e-9)
    assert there.point * back.point == pytest.approx(1)


@pytest.mark.parametrize(
    ("lossy", "trials", "bound"),
    [
        (0, 20, 1 - 0.05 ** (1 / 20)),  # 13.9 %, since 0.861^20 is 5 %
        (0, 8, 1 - 0.05 ** (1 / 8)),
        (1, 20, 0.21611),  # tables of Clopper and Pearson
        (20, 20, 1.0),
    ],
)
def test_loss_bounds(lossy: int, trials: int, bound: float) -> None:
    assert loss_bound(lossy, trials) == pytest.approx(bound, abs=1e-5)


@pytest.mark.parametrize(("lossy", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_what_is_no_proportion_is_refused(lossy: int, trials: int) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        loss_bound(lossy, trials)


def test_holm_by_hand() -> None:
    # Ascending 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, and never less than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx((0.06, 0.04, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_keeps_the_order_and_only_raises(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))
    assert all(a <= 1 for a in adjusted)
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in ranked] == sorted(adjusted)
