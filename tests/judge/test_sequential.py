# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test intervals that hold at every look: their error rate, their width, and the verdicts."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import nct, norm, t

from bench.judge.comparison import Outcome, outcome_of
from bench.judge.duets import half_width, paired_ratio
from bench.judge.statistics import Estimate, Scale

PRIOR = 1 / 2


@pytest.mark.parametrize("count", [8, 12, 24, 60])
def test_the_bound_is_where_the_bayes_factor_of_a_t_test_is_twenty(count: int) -> None:
    at = half_width(1.0, count) * sqrt(count)  # t, for values of deviation 1
    effect = quad(
        lambda d: nct.pdf(at, count - 1, d * sqrt(count)) * norm.pdf(d, scale=sqrt(PRIOR)), -6, 6
    )[0]
    assert effect / t.pdf(at, count - 1) == pytest.approx(20, rel=1e-3)


@pytest.mark.parametrize("tail", [None, 4])
def test_looking_after_every_storm_is_wrong_in_one_run_of_twenty_at_most(
    tail: int | None,
) -> None:
    random = np.random.default_rng(7)
    runs, looks = 2_000, 80
    shape = (runs, looks)
    values = random.standard_normal(shape) if tail is None else random.standard_t(tail, shape)
    counts = np.arange(1, looks + 1)
    means = np.cumsum(values, axis=1) / counts
    squares = np.cumsum(values**2, axis=1) - counts * means**2
    deviations = np.sqrt(np.maximum(squares, 0) / np.maximum(counts - 1, 1))
    widths = np.array([half_width(1.0, int(count)) for count in counts])
    wrong = (np.abs(means[:, 1:]) > deviations[:, 1:] * widths[1:]).any(axis=1).mean()
    assert 0.005 < wrong <= 0.05


def test_few_values_bound_nothing_and_more_bound_better() -> None:
    widths = [half_width(1.0, count) for count in range(1, 200)]
    assert widths[:5] == [inf] * 5
    assert sorted(widths, reverse=True) == widths
    assert half_width(2.0, 24) == 2 * half_width(1.0, 24)
    assert half_width(1.0, 24) == pytest.approx(0.6791, abs=1e-4)


def test_a_ratio_is_the_geometric_mean_and_its_interval_is_symmetric_in_logs() -> None:
    found = paired_ratio([0.5, 2.0] * 10, [1.0] * 20)
    assert found.point == pytest.approx(1)
    assert found.low == pytest.approx(1 / found.high)
    assert found.blocks == 20
    inverse = paired_ratio([1.0] * 20, [0.5, 2.0] * 10)
    assert (inverse.low, inverse.high) == pytest.approx((found.low, found.high))
    alone = paired_ratio([3.0], [1.0])
    assert (alone.low, alone.high, alone.p) == (0.0, inf, 1.0)
    assert alone.half_width == inf


def test_p_is_below_five_per_cent_where_the_interval_leaves_out_one() -> None:
    random = np.random.default_rng(5)
    for shift in np.linspace(-0.1, 0.1, 21):
        found = paired_ratio(np.exp(random.normal(shift, 0.05, 16)).tolist(), [1.0] * 16)
        assert (found.p < 0.05) == (not found.low <= 1 <= found.high)
    assert paired_ratio([2.0] * 9, [1.0] * 9).p == 0
    assert paired_ratio([2.0] * 9, [2.0] * 9).p == 1


@pytest.mark.parametrize(("spread", "own"), [(0.0, 0.0), (1.3, 0.0), (1.3, 1.5), (2.0, 0.3)])
def test_weighed_storms_are_wrong_in_one_run_of_twenty_at_most(spread: float, own: float) -> None:
    """Vary the ``spread`` of storms' errors, in logs; they differ by ``own`` beyond them."""
    random = np.random.default_rng(11)
    runs, wrong = 200, 0
    for _ in range(runs):
        errors = np.exp(random.normal(-5, spread, 40))
        actual = errors * np.exp(random.normal(0, 0.3, 40))  # the errors are estimates too
        scatter = np.hypot(actual, own / 100)
        ratios = np.exp(scatter * random.standard_normal(40))
        looks = (
            paired_ratio(ratios[:count].tolist(), [1.0] * count, errors[:count].tolist())
            for count in range(8, 41, 2)
        )
        wrong += any(not each.low <= 1 <= each.high for each in looks)
    assert wrong <= 0.05 * runs


def test_a_storm_that_says_little_counts_little() -> None:
    ratios = [1.001, 0.999] * 8 + [1.2]
    plain = paired_ratio(ratios, [1.0] * 17)
    weighed = paired_ratio(ratios, [1.0] * 17, [0.002] * 16 + [0.2])
    assert weighed.half_width < 0.1 * plain.half_width
    assert weighed.point == pytest.approx(1, abs=0.001)
    assert paired_ratio(ratios, [1.0] * 17, [0.002] * 16 + [None]) == plain


def test_where_storms_differ_beyond_their_errors_each_counts_alike() -> None:
    ratios = [0.7] * 8 + [1.0] * 8  # two regimes, and the medians of one are sharper
    found = paired_ratio(ratios, [1.0] * 16, [0.002] * 8 + [0.02] * 8)
    assert found.point == pytest.approx(np.sqrt(0.7), rel=0.03)


def _estimate(low: float, high: float) -> Estimate:
    return Estimate(scale=Scale.RATIO, point=1.0, low=low, high=high, blocks=20, p=0.5)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.985, 1.015, Outcome.EQUIVALENT),
        (0.981, 0.999, Outcome.EQUIVALENT),  # less for certain, and by too little to matter
        (0.97, 0.99, Outcome.LESS),
        (0.5, 0.6, Outcome.LESS),
        (1.01, 1.04, Outcome.MORE),
        (0.97, 1.01, Outcome.UNDECIDED),
        (0.0, inf, Outcome.UNDECIDED),
    ],
)
def test_verdicts_of_duets(low: float, high: float, verdict: Outcome) -> None:
    assert outcome_of(_estimate(low, high), 0.0) is verdict
    opposite = {Outcome.LESS: Outcome.MORE, Outcome.MORE: Outcome.LESS}
    flipped = _estimate(1 / high if high else 0, 1 / low if low else inf)
    assert outcome_of(flipped, 0.0) is opposite.get(verdict, verdict)


def test_blocks_have_to_exceed_their_margin_and_may_be_equivalent() -> None:
    assert outcome_of(_estimate(0.90, 0.95), 0.02) is Outcome.LESS
    assert outcome_of(_estimate(0.90, 0.95), 0.10) is Outcome.UNDECIDED
    assert outcome_of(_estimate(0.99, 1.01), 0.30) is Outcome.EQUIVALENT
    assert outcome_of(_estimate(0.99, 1.01), 0.30, equivalence=0.005) is Outcome.UNDECIDED


def test_what_could_have_been_seen_is_half_the_interval() -> None:
    assert _estimate(1.5 / 1.04, 1.5 * 1.04).half_width == pytest.approx(0.04)
    shares = Estimate(scale=Scale.DIFFERENCE, point=0, low=-0.01, high=0.03, blocks=9, p=0.5)
    assert shares.half_width == pytest.approx(0.02)
